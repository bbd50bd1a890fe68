"""The pages in a real browser, over the real service: what a person would do, with eyes or without."""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from mien.serve import pages
from mien.serve.keys import Keys, Scope
from mien.serve.settings import Config
from tests.serve.browser import Browser, Page
from tests.serve.serving import serving

TRAITS = "document.querySelectorAll('#results .told .trait').length >= 5"
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, shared_home: Path, people: Path) -> Iterator[str]:
    """A service with the traits, and with a bundle that knows two people."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(people, folder / "bundles" / "people.mien")
    with serving(Config(folder / "data", folder / "bundles", detector="mtcnn", workers=1), shared_home) as address:
        yield address


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory, astronaut: bytes) -> Path:
    """A film of a real face that moves a little, as Chromium's camera plays it."""
    path = tmp_path_factory.mktemp("camera") / "face.mjpeg"
    with Image.open(io.BytesIO(astronaut)) as photo, path.open("wb") as file:
        for step in range(6):
            frame = Image.new("RGB", (640, 480))
            frame.paste(photo, (60 + 5 * step, -20))
            frame.save(file, "JPEG", quality=90)
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, camera: Path) -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium is installed")
    fake = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    film = f"--use-file-for-fake-video-capture={camera}"
    running = Browser(program, tmp_path_factory.mktemp("profile"), [*fake, film])
    yield running
    running.close()


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Open]:
    """Opens a page; at the end the browser must have had nothing to complain of."""
    opened: list[Page] = []

    def go(path: str = "/", **kind: Any) -> Page:
        page = Page(browser, **kind)
        page.open(path if path.startswith("http") else address + path)
        page.wait("document.querySelector('#words')")
        opened.append(page)
        return page

    yield go
    complaints = [complaint for page in opened for complaint in page.complaints]
    for page in opened:
        page.close()
    assert complaints == []


@pytest.fixture
def nobody(address: str) -> str:
    """The address of a service where nobody is enrolled."""
    for person in httpx.get(f"{address}/v1/people").json()["people"]:
        httpx.delete(f"{address}/v1/people/{person['id']}").raise_for_status()
    return address


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory, astronaut: bytes, hopper: bytes) -> Path:
    """Photos of one face, of two, of none, one that lies on its side by its pixels, and something that is no photo."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "hopper.jpg").write_bytes(hopper)
    with Image.open(io.BytesIO(hopper)) as one, Image.open(io.BytesIO(astronaut)) as other:
        both = Image.new("RGB", (860, 600))
        both.paste(one, (0, 0))
        both.paste(other.crop((160, 20, 290, 190)).resize((300, 392)), (540, 20))
        both.save(folder / "both.jpg")
        turned = one.transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[0x0112] = 6  # to be shown turned by a quarter, clockwise
        turned.save(folder / "turned.jpg", exif=exif)
    Image.new("RGB", (300, 200), "teal").save(folder / "nobody.png")
    (folder / "broken.jpg").write_bytes(hopper[:2000])
    return folder


def go(page: Page, name: str) -> None:
    """Follow a link in the head of a page."""
    page.click(f"nav a[href^='{pages.PAGES[name]}']" if name != "look" else "nav a:first-child")
    page.wait(f"document.querySelector('main[data-page={name}]')")


def enrol(page: Page, name: str, *files: Path) -> None:
    """Fill in the form on the page of people, and wait for what is said."""
    page.write("#person-name", name)
    page.write("#consent", "by letter, May 2026")
    page.click("#agreed")
    page.give("#files", *files)
    page.click("#enrol > button")
    page.wait("document.querySelector('#enrolled .good, #enrolled .problem')")


def test_a_photo_shows_its_face_and_its_traits(visit: Open, photos: Path) -> None:
    page = visit()
    page.give("#files", photos / "hopper.jpg")
    page.wait(TRAITS)
    assert "512 × 600 · 1 face · " in page.text("#results .facts")
    assert page.do("document.querySelector('[data-what=glasses] .answer').dataset.label") == "glasses"
    assert "hopper.jpg: 1 face, " in page.text("#status")
    assert page.do("document.querySelector('#results img').alt") == "hopper.jpg, 1 face marked"
    assert page.count(".chip") == 0


def test_boxes_and_landmarks_are_drawn_where_the_service_found_them(visit: Open, photos: Path, address: str) -> None:
    page = visit()
    page.give("#files", photos / "hopper.jpg")
    page.wait(TRAITS)
    answer = httpx.post(f"{address}/v1/look", files={"photo": (photos / "hopper.jpg").read_bytes()}).json()
    face = answer["results"][0]["faces"][0]
    assert ink(page, face["box"][0], (face["box"][1] + face["box"][3]) / 2)
    assert all(ink(page, x, y) for x, y in face["landmarks"])
    assert not ink(page, 20, 20)
    page.resize(500, 800)
    page.wait("document.querySelector('#results canvas').width < 500")
    assert all(ink(page, x, y) for x, y in face["landmarks"])


INK = """(x, y) => {
  const canvas = document.querySelector("#results canvas"), photo = document.querySelector("#results img");
  const scale = canvas.width / photo.naturalWidth;
  return canvas.getContext("2d").getImageData(x * scale, y * scale, 1, 1).data[3];
}"""


def ink(page: Page, x: float, y: float) -> bool:
    """Whether something is drawn at a point of the photo."""
    return bool(page.do(f"({INK})({x}, {y})") > 100)


def test_of_several_faces_one_is_chosen_by_mouse_or_keyboard(visit: Open, photos: Path) -> None:
    page = visit()
    page.give("#files", photos / "both.jpg")
    page.wait("document.querySelectorAll('.chip').length === 2")
    shown = "[...document.querySelectorAll('.chip input')].findIndex(each => each.checked)"
    assert page.do(shown) == 0
    glasses = "document.querySelector('[data-what=glasses] .answer').dataset.label"
    assert page.do(glasses) == "glasses"
    page.click("#results .picture canvas", x=0.79, y=0.4)
    assert page.do(shown) == 1
    assert page.do(glasses) == "none"
    page.do("document.querySelector('.chip input:checked').focus()")
    page.press("ArrowRight")
    assert page.do(shown) == 0
    assert page.do(glasses) == "glasses"


def test_a_photo_that_lies_on_its_side_is_marked_upright(visit: Open, photos: Path) -> None:
    page = visit()
    page.give("#files", photos / "turned.jpg")
    page.wait(TRAITS)
    assert "512 × 600" in page.text("#results .facts")
    shape = "(e => e.clientWidth / e.clientHeight)(document.querySelector('#results canvas'))"
    assert page.do(shape) == pytest.approx(512 / 600, abs=0.01)
    assert page.do("document.querySelector('#results img').naturalWidth") == 512


def test_photos_without_a_face_and_broken_ones_say_so(visit: Open, photos: Path) -> None:
    page = visit()
    page.give("#files", photos / "nobody.png", photos / "broken.jpg", photos / "hopper.jpg")
    page.wait(TRAITS)
    page.wait("document.querySelectorAll('.panel .problem').length === 2")
    told = page.do("[...document.querySelectorAll('#results .panel')].map(each => each.innerText)")
    assert told[0] == "No face was found."
    assert told[1] == "This is not a picture that can be read, or it is broken."


MOVED = """async (kind) => {
  const moved = new DataTransfer();
  moved.items.add(new File([await (await fetch("/static/favicon.svg")).blob()], "one.svg", {type: "image/svg+xml"}));
  document.body.dispatchEvent(kind === "paste"
    ? new ClipboardEvent("paste", {clipboardData: moved, bubbles: true, cancelable: true})
    : new DragEvent("drop", {dataTransfer: moved, bubbles: true, cancelable: true}));
}"""


def test_photos_may_be_pasted_or_dropped(visit: Open) -> None:
    page = visit()
    for n, kind in enumerate(("paste", "drop"), 1):
        page.do(f"({MOVED})('{kind}')")
        page.wait(f"document.querySelectorAll('.photo .problem').length === {n}")
    assert page.count(".photo img") == 2


def test_what_is_downloaded_is_what_the_program_prints(
    visit: Open, photos: Path, browser: Browser, tmp_path: Path, address: str
) -> None:
    page = visit()
    page.call(
        "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path), browserContextId=page.context
    )
    page.give("#files", photos / "hopper.jpg")
    page.wait(TRAITS)
    page.do("document.querySelector('.photo .tools button').click()")
    file = arrived(tmp_path / "hopper.json")
    files = {"photo": ("hopper.jpg", (photos / "hopper.jpg").read_bytes())}
    assert json.loads(file.read_text("utf-8")) == httpx.post(f"{address}/v1/look", files=files).json()["results"][0]


def arrived(file: Path) -> Path:
    until = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    return file


def test_a_bundle_of_ones_own_can_be_asked_instead_of_the_traits(visit: Open, photos: Path) -> None:
    page = visit()
    page.give("#files", photos / "hopper.jpg")
    page.wait(TRAITS)
    page.wait("document.querySelector('#ask option[value=people]')")
    page.do("(e => { e.value = 'people'; e.dispatchEvent(new Event('change')) })(document.querySelector('#ask'))")
    page.wait("document.querySelector('[data-what=people]')")
    assert page.text("[data-what=people] .answer") == "Grace Hopper"
    assert page.count(".told .trait") == 1


def test_somebody_is_enrolled_known_by_name_and_forgotten(visit: Open, photos: Path, nobody: str) -> None:
    page = visit("/people")
    page.wait("document.querySelector('#people').innerText === 'Nobody is enrolled.'")
    enrol(page, "Grace Hopper", photos / "hopper.jpg", photos / "nobody.png")
    assert page.text("#enrolled").splitlines() == [
        "Grace Hopper: 1 new photo, 1 in all.",
        "",
        "nobody.png: No face was found.",
    ]
    page.wait("document.querySelector('.people li')")
    assert "1 photo · since " in page.text(".people .facts")
    assert "by letter, May 2026" in page.text(".people .facts")

    go(page, "look")
    page.give("#files", photos / "both.jpg")
    page.wait("document.querySelectorAll('.chip').length === 2")
    names = "document.querySelector('[data-what=person] .answer').innerText"
    assert page.do(names) == "Grace Hopper"
    page.click(".chip:nth-of-type(2)")
    page.wait(f"{names} === 'unknown'")

    go(page, "people")
    page.click(".people button")
    page.wait("document.querySelector('dialog[open]')")
    assert page.text("dialog h2") == "Forget Grace Hopper?"
    assert page.focused() == "Keep"
    page.press("Enter")
    page.wait("!document.querySelector('dialog[open]')")
    assert page.count(".people li") == 1
    page.click(".people button")
    page.click("dialog .danger")
    page.wait("document.querySelector('#receipt dl')")
    assert page.text("#receipt h3") == "Grace Hopper is forgotten"
    assert len(page.text("#receipt code")) == 64
    page.wait("document.activeElement.id === 'receipt'")
    page.wait("document.querySelector('#people').innerText === 'Nobody is enrolled.'")
    assert httpx.get(f"{nobody}/v1/people").json()["people"] == []


@pytest.mark.parametrize(
    ("leave", "sentence"),
    [("#person-name", "Write the name."), ("#consent", "Write how consent was given."), ("#agreed", "tick the box")],
)
def test_nobody_is_enrolled_without_a_name_and_consent(
    visit: Open, photos: Path, nobody: str, leave: str, sentence: str
) -> None:
    page = visit("/people")
    for field, text in (("#person-name", "Somebody"), ("#consent", "by letter")):
        page.write(field, "" if field == leave else text)
    if leave != "#agreed":
        page.click("#agreed")
    page.give("#files", photos / "hopper.jpg")
    page.click("#enrol > button")
    page.wait(f"document.querySelector('#enrolled').innerText.includes('{sentence}')")
    assert page.focused() == leave[1:]
    assert page.do(f"document.querySelector('{leave}').getAttribute('aria-invalid')") == "true"
    assert httpx.get(f"{nobody}/v1/people").json()["people"] == []


def test_a_name_that_is_a_script_is_shown_as_text(visit: Open, photos: Path, nobody: str) -> None:
    name = "<script>window.hit=1</script><img src=x onerror=window.hit=1>"
    page = visit("/people")
    enrol(page, name, photos / "hopper.jpg")
    page.wait("document.querySelector('.people li')")
    assert page.text(".people h3") == name
    go(page, "look")
    page.give("#files", photos / "hopper.jpg")
    page.wait(TRAITS)
    assert page.text("[data-what=person] .answer") == name
    assert page.do("window.hit ?? 0") == 0
    assert page.count("main script, main img[src=x]") == 0


def test_a_wrong_label_is_put_right_listed_exported_and_removed(visit: Open, photos: Path, tmp_path: Path) -> None:
    page = visit()
    page.give("#files", photos / "hopper.jpg")
    page.wait(TRAITS)
    page.click("[data-what=expression] summary")
    page.click("form.correct button")
    assert page.text("form.correct [role=status]") == "Choose a label, or write the right one."
    page.do("document.querySelector('form.correct input[value=happy]').click()")
    page.click("form.correct button")
    assert page.text("form.correct [role=status]") == "The face can be kept only if that person agrees."
    page.click("form.correct [type=checkbox]")
    page.click("form.correct button")
    page.wait("document.querySelector('form.correct [role=status]').innerText === 'Noted: happy.'")

    go(page, "corrections")
    page.wait("document.querySelector('tbody tr')")
    assert page.text("#count") == "1 correction"
    assert page.text("tbody tr").split("\t")[:3] == ["Expression", "neutral", "happy"]
    page.call(
        "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path), browserContextId=page.context
    )
    page.click("#exports button")
    assert arrived(tmp_path / "corrections-expression.parquet").read_bytes()[:4] == b"PAR1"
    page.click("tbody button")
    page.wait("!document.querySelector('tbody tr')")
    assert page.text("#corrections").startswith("Nothing has been corrected yet.")


COUNTED = """(() => {
  const real = window.fetch;
  window.most = window.now = window.asked = 0;
  window.fetch = async (...all) => {
    window.asked += 1;
    window.now += 1;
    window.most = Math.max(window.most, window.now);
    try { return await real(...all); } finally { window.now -= 1; }
  };
})()"""


def test_the_camera_is_looked_at_one_picture_at_a_time_until_it_is_stopped(visit: Open) -> None:
    page = visit()
    page.do(COUNTED)
    page.click("#camera-start")
    page.wait("window.asked > 4 && document.querySelectorAll('#camera .told .row').length >= 5")
    assert page.do("window.most") == 1
    assert "pictures a second" in page.text("#camera-rate")
    assert page.do("document.querySelector('#camera [data-what=glasses] .answer').dataset.label") == "none"
    assert page.focused() == "camera-stop"
    page.click("#camera-take")
    page.wait("document.querySelector('#results .photo')")
    page.do("document.querySelector('#camera-stop').click()")
    assert page.text("#status") == "The camera is off."
    assert page.do("document.querySelector('#camera-video').srcObject.getTracks()[0].readyState") == "ended"
    page.wait(TRAITS)
    asked = page.do("window.asked")
    time.sleep(0.5)
    assert page.do("window.asked") == asked


def test_photos_are_still_there_after_a_look_at_other_pages(visit: Open, photos: Path) -> None:
    page = visit()
    page.give("#files", photos / "hopper.jpg")
    page.wait(TRAITS)
    page.do("window.same = true")
    go(page, "people")
    assert page.do("document.title") == "People · mien"
    assert page.do("document.querySelector('nav [aria-current]').innerText") == "People"
    assert page.focused() == "content"
    page.do("history.back()")
    page.wait("document.querySelector('main[data-page=look] .photo')")
    assert page.do("window.same")
    assert page.do(TRAITS)
    page.click("#clear")
    assert page.count(".photo") == 0


def test_everything_can_be_reached_by_the_keyboard_alone(visit: Open, photos: Path) -> None:
    page = visit()
    page.give("#files", photos / "hopper.jpg")
    page.wait(TRAITS)
    page.do("document.activeElement.blur()")
    reached = []
    for _ in range(20):
        page.press("Tab")
        reached.append(page.focused())
    wanted = ["Skip to the content", "mien", "Look", "People", "Corrections", "Bundles", "한국어"]
    wanted += ["files", "camera-start", "ask"]
    assert reached[: len(wanted)] == wanted
    assert "all-json" in reached
    assert any(each.startswith("Glasses: glasses, ") for each in reached)
    page.do("document.querySelector('[data-what=expression] summary').focus()")
    page.press("Enter")
    page.wait("document.querySelector('form.correct')")
    page.press("Tab")
    page.press("ArrowDown")
    assert page.count("form.correct input:checked") == 1


@pytest.mark.parametrize("path", pages.PAGES.values())
@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_page_fits_a_small_phone_in_both_languages(
    visit: Open, photos: Path, nobody: str, path: str, language: str
) -> None:
    page = visit(path, size=(320, 640), language=language, scheme="dark")
    if path == "/people":
        enrol(page, "Hubert-Blaine-Wolfeschlegelsteinhausenbergerdorff", photos / "hopper.jpg")
        page.wait("document.querySelector('.people li')")
    if path == "/":
        page.give("#files", photos / "both.jpg")
        page.wait(TRAITS)
    assert page.do("document.documentElement.scrollWidth <= innerWidth")
    wide = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
    assert page.do(f"{wide}.map(e => e.outerHTML.slice(0, 80))") == []


def test_korean_is_spoken_where_it_is_preferred(visit: Open, photos: Path) -> None:
    page = visit(language="ko-KR,ko")
    assert page.do("document.documentElement.lang") == "ko"
    page.give("#files", photos / "hopper.jpg")
    page.wait(TRAITS)
    assert page.text("h1") == "얼굴 살펴보기"
    assert page.text("[data-what=glasses] .answer") == "안경"
    assert "얼굴 1개" in page.text("#results .facts")
    page.click(".language")
    page.wait("document.documentElement?.lang === 'en'")
    assert page.text("h1") == "Look at faces"


def test_a_refusal_is_told_in_the_reader_s_language(visit: Open, photos: Path, nobody: str) -> None:
    page = visit("/people", language="ko-KR,ko")
    enrol(page, "아무개", photos / "nobody.png", photos / "both.jpg")
    assert page.text("#enrolled").split("\n\n") == [
        "쓸 수 있는 사진이 없어 등록하지 못했습니다.",
        "nobody.png: 얼굴을 찾지 못했습니다.\nboth.jpg: 얼굴이 여럿이라 누구인지 정할 수 없습니다.",
    ]
    page.do("document.querySelector('#person-name').maxLength = 999")
    page.write("#person-name", "x" * 300)
    page.click("#enrol > button")
    page.wait("document.querySelector('#enrolled').innerText.includes('1~200자')")
    assert httpx.get(f"{nobody}/v1/people").json()["people"] == []
    page.browser.events = [each for each in page.browser.events if "status of 409" not in str(each)]


def test_bundles_show_their_cards_and_their_reports(visit: Open, address: str) -> None:
    page = visit("/bundles", size=(320, 640))
    page.wait("document.querySelectorAll('.bundle').length === 6")
    assert page.text(".bundle:first-child h2") == "Age"
    assert "Grace Hopper" in page.text(".bundle:last-child .labels")
    page.click(".bundle:nth-child(5) summary")
    page.wait("document.querySelector('.text table')")
    assert page.text(".text h3") == "mask"
    assert page.text(".text th") == "what"
    assert "street photos kept apart" in page.text(".text td")
    assert page.count(".text ul li") > 3
    assert page.do("document.documentElement.scrollWidth <= innerWidth")
    report = visit("/bundles")
    report.wait("document.querySelector('a[href$=report]')")
    href = report.do("document.querySelector('a[href$=report]').href")
    assert href == f"{address}/v1/bundles/people/report"
    report.open(href)
    assert "people" in report.text("h1")
    assert report.do("getComputedStyle(document.body).fontFamily") != page.do(
        "getComputedStyle(document.body).fontFamily"
    )


def test_a_report_that_is_a_trap_catches_nobody_and_opens_with_a_key(
    browser: Browser, people: Path, tmp_path: Path, shared_home: Path
) -> None:
    config = Config(tmp_path / "keyed", tmp_path / "bundles", detector="mtcnn", workers=1, keyed=True)
    shutil.copytree(people, tmp_path / "bundles" / "trap.mien")
    trap = "<h1>trap</h1><script>document.title = 'hit'</script><img src=x onerror=\"document.title = 'hit'\">"
    (tmp_path / "bundles" / "trap.mien" / "report.html").write_text(f"<!doctype html><title>trap</title>{trap}")
    (tmp_path / "bundles" / "trap.mien" / "card.md").write_text("# trap\n\n<b>bold</b> [here](javascript:hit)")
    _, key = Keys(config.keys).add(Scope.READ)
    page = Page(browser)
    with serving(config, shared_home) as locked:
        page.open(f"{locked}/bundles")
        page.wait("!document.querySelector('#key').hidden")
        page.write("#key-text", key)
        page.press("Enter")
        page.wait("document.querySelector('a[href$=report]')")
        page.click(".bundle:last-child summary")
        page.wait("document.querySelector('.text h3')")
        assert page.text(".text p") == "<b>bold</b> [here](javascript:hit)"
        page.click("a[href$=report]")
        opened = opened_at(browser, f"{locked}/v1/bundles/trap/report")
        title = browser.call("Runtime.evaluate", opened, expression="document.title", returnByValue=True)
        assert title["result"]["value"] == "trap"
        assert page.do("document.cookie") == ""  # of another path, and gone in a moment
    page.close()


def opened_at(browser: Browser, url: str) -> str:
    """The session of a tab that is loaded from there."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for target in browser.call("Target.getTargets")["targetInfos"]:
            if target["url"] == url and target["title"]:
                session = browser.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
                return str(session)
        time.sleep(0.1)
    raise AssertionError(f"nothing was opened at {url}")


@pytest.mark.parametrize("path", pages.PAGES.values())
def test_a_screen_reader_finds_names_headings_and_news(visit: Open, photos: Path, path: str) -> None:
    page = visit(path)
    if path == "/":
        page.give("#files", photos / "both.jpg")
        page.wait(TRAITS)
        page.click("[data-what=expression] summary")
        page.wait("document.querySelector('form.correct')")
    assert nameless(page) == []
    levels = [
        int(each[1]) for each in page.do("[...document.querySelectorAll('main :is(h1, h2, h3)')].map(e => e.tagName)")
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.count("[role=status][aria-live=polite]") >= 1
    assert page.count("main, header.site, footer.site, nav[aria-label]") == 4
    doubled = (
        "(ids => ids.filter((id, i) => ids.indexOf(id) !== i))([...document.querySelectorAll('[id]')].map(e => e.id))"
    )
    assert page.do(doubled) == []
    assert page.count("img:not([alt])") == 0


def nameless(page: Page) -> list[str]:
    """The things to operate for which a screen reader has no name."""
    wanted = {"button", "link", "textbox", "checkbox", "radio", "combobox", "dialog", "image", "DisclosureTriangle"}
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    seen = [node for node in tree if not node["ignored"] and node["role"]["value"] in wanted]
    assert len(seen) > 5
    return [str(node) for node in seen if not node.get("name", {}).get("value", "").strip()]


def test_a_server_that_is_gone_is_told_in_a_sentence(browser: Browser, address: str, photos: Path) -> None:
    page = Page(browser)
    page.open(address)
    page.wait("document.querySelector('#words')")
    page.call("Network.enable")
    page.call("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
    page.give("#files", photos / "hopper.jpg")
    page.wait("document.querySelector('.panel .problem')")
    assert page.text("#results .panel") == "The server does not answer. Is it still running?"
    page.close()


def test_a_key_is_asked_for_only_where_the_server_wants_one(
    browser: Browser, address: str, photos: Path, tmp_path: Path, shared_home: Path
) -> None:
    page = Page(browser)
    page.open(address)
    page.wait("document.querySelector('#words')")
    assert page.do("document.querySelector('#key').hidden")
    config = Config(tmp_path / "keyed", detector="mtcnn", workers=1, keyed=True)
    _, key = Keys(config.keys).add(Scope.READ)
    with serving(config, shared_home) as locked:
        page.open(locked)
        page.wait("!document.querySelector('#key').hidden")
        assert page.focused() == "key-text"
        page.give("#files", photos / "hopper.jpg")
        page.wait("document.querySelector('.panel .problem')?.innerText .startsWith('This server asks for a key')")
        page.write("#key-text", key)
        page.press("Enter")
        page.wait(TRAITS)
        assert page.do("document.querySelector('#key').hidden")
        assert page.do("[JSON.stringify(localStorage), document.cookie, sessionStorage.length]") == ["{}", "", 1]
        go(page, "people")
        page.wait("document.querySelector('#people .problem')")
        assert page.text("#people") == "This key may not do that."
    refused = [each for each in page.complaints if "status of 40" not in each]
    page.close()
    assert refused == []
