"""A real browser for tests: Chromium without a window, spoken to over a pipe by the DevTools protocol.

It needs no package and no driver: `--remote-debugging-pipe` reads commands at file descriptor 3 and answers at 4, as
JSON with a zero byte after each message (https://chromedevtools.github.io/devtools-protocol).
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import signal
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-pipe",
)
PATIENCE = 60.0
KEYS = {"Tab": 9, "Enter": 13, " ": 32, "ArrowRight": 39, "ArrowDown": 40, "Escape": 27}

_RESTING = """async (selector) => {
  let before = "";
  for (let frame = 0; frame < 60; frame += 1) {
    const found = document.querySelector(selector);
    found?.scrollIntoView({block: "center", behavior: "instant"});
    const { x, y, width, height } = found?.getBoundingClientRect() ?? { width: 0 };
    const now = [x, y, width, height];
    if (width && String(now) === before) return now;
    before = String(now);
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 20)));
  }
  return null;
}"""
"""Where an element is, once it moves no more."""


class Refused(Exception):
    """The browser did not do what it was told."""


class Browser:
    """A running browser. Every page has cookies and a storage of its own."""

    def __init__(self, program: str, profile: Path, flags: Sequence[str] = ()) -> None:
        commands, self._to = _apart(os.pipe())
        self._from, answers = _apart(os.pipe())
        nowhere = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
        wired = [(os.POSIX_SPAWN_DUP2, commands, 3), (os.POSIX_SPAWN_DUP2, answers, 4)]
        line = [program, *FLAGS, f"--user-data-dir={profile}", *flags, "about:blank"]
        self._process = os.posix_spawn(program, line, os.environ, file_actions=[*nowhere, *wired])
        os.close(commands)
        os.close(answers)
        self._number, self._rest = 0, b""
        self._messages: deque[dict[str, Any]] = deque()
        self.events: list[dict[str, Any]] = []
        self.agent: str = self.call("Browser.getVersion")["userAgent"]

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Send a command and wait for its answer; events that come meanwhile are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            answer = self._next(until)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise Refused(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)
        raise AssertionError(f"{method}: no answer")

    def _next(self, until: float) -> dict[str, Any]:
        while not self._messages:
            ready, _, _ = select.select([self._from], [], [], max(0, until - time.monotonic()))
            data = os.read(self._from, 1 << 20) if ready else b""
            assert data, "the browser has gone, or says nothing"
            *whole, self._rest = (self._rest + data).split(b"\0")
            self._messages.extend(json.loads(each) for each in whole)
        return self._messages.popleft()

    def close(self) -> None:
        """End the browser, and wait until it is gone."""
        os.close(self._to)
        os.close(self._from)
        os.kill(self._process, signal.SIGTERM)
        os.waitpid(self._process, 0)


class Page:
    """One page in a browser, of a size, in a language, light or dark."""

    def __init__(
        self, browser: Browser, size: tuple[int, int] = (1280, 900), language: str = "en-GB", scheme: str = "light"
    ) -> None:
        self.browser = browser
        self.context = browser.call("Target.createBrowserContext")["browserContextId"]
        self._target = browser.call("Target.createTarget", url="about:blank", browserContextId=self.context)["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self.call(f"{domain}.enable")
        self.resize(*size)
        self.call("Emulation.setUserAgentOverride", userAgent=browser.agent, acceptLanguage=language)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def call(self, method: str, **parameters: Any) -> Any:
        return self.browser.call(method, self._session, **parameters)

    def resize(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, url: str) -> None:
        """Go there, and wait until everything that the page names is loaded."""
        self.call("Page.navigate", url=url)
        self.wait(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")

    def do(self, script: str) -> Any:
        """The value of an expression in the page, awaited if it is a promise."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait(self, script: str, seconds: float = PATIENCE) -> Any:
        """Wait until an expression holds -> its value."""
        until = time.monotonic() + seconds
        while (value := self._now(script)) in (None, False, 0, ""):  # an element comes as {}
            assert time.monotonic() < until, f"this never held: {script}\n{self.text('body')}"
            time.sleep(0.05)
        return value

    def _now(self, script: str) -> Any:
        """The value of an expression; None where the page is just being left."""
        try:
            return self.do(script)
        except Refused as error:
            if "navigated" in str(error):
                return None
            raise

    def text(self, selector: str) -> str:
        """The text that a reader sees of an element."""
        return str(self.do(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def count(self, selector: str) -> int:
        return int(self.do(f"document.querySelectorAll({json.dumps(selector)}).length"))

    def give(self, selector: str, *files: Path) -> None:
        """Choose files in a field for files."""
        found = self.call("Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)})")
        self.call("DOM.setFileInputFiles", files=[str(file) for file in files], objectId=found["result"]["objectId"])

    def click(self, selector: str, x: float = 0.5, y: float = 0.5) -> None:
        """Press the mouse on an element, at shares of its width and height."""
        place = self.wait(f"({_RESTING})({json.dumps(selector)})")
        where = {"x": place[0] + x * place[2], "y": place[1] + y * place[3], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **where)

    def write(self, selector: str, text: str) -> None:
        """Type a text into a field."""
        self.do(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press a key of the keyboard."""
        code = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
        typed = {"Enter": "\r", " ": " "}.get(key)
        self.call("Input.dispatchKeyEvent", type="keyDown", **code, **({"text": typed} if typed else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    def focused(self) -> str:
        """What has the keyboard: its id, or what a screen reader would say of it."""
        return str(self.do("(e => e.id || e.ariaLabel || e.innerText || e.tagName)(document.activeElement)"))

    def picture(self) -> bytes:
        """What it looks like, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    @property
    def complaints(self) -> list[str]:
        """What the browser complained of: errors, exceptions, and whatever the page's policy did not allow."""
        found = []
        for event in self.browser.events:
            if event.get("sessionId") != self._session:
                continue
            told = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(told["exceptionDetails"].get("exception", told["exceptionDetails"])))
            elif event["method"] == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
                found.append(str(told["args"]))
            elif event["method"] == "Log.entryAdded" and told["entry"]["level"] == "error":
                found.append(f"{told['entry']['source']}: {told['entry']['text']} {told['entry'].get('url', '')}")
        return found

    def close(self) -> None:
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)


def _apart(ends: tuple[int, int]) -> tuple[int, int]:
    """The same pipe at numbers that do not collide with those that the browser wants."""
    made = fcntl.fcntl(ends[0], fcntl.F_DUPFD_CLOEXEC, 10), fcntl.fcntl(ends[1], fcntl.F_DUPFD_CLOEXEC, 10)
    for end in ends:
        os.close(end)
    return made
