"""`mien serve` as a process: it listens, answers many at once, changes bundles, drains, and may be killed."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest

from mien.client import Client, ServiceError
from mien.errors import DataError
from mien.serve.app import check_config, listen
from mien.serve.settings import ServiceConfig
from tests.conftest import Mien
from tests.serve.conftest import JPEG, Start

pytestmark = pytest.mark.slow


def test_two_clients_at_once_and_a_bundle_that_changes_between(
    start: Start, people: Path, tmp_path: Path, hopper: bytes
) -> None:
    folder = tmp_path / "bundles"
    shutil.copytree(people, folder / "people.mien")
    running = start("--bundles", folder, "--workers", 2)
    stop, failures, answers = threading.Event(), [], []

    def ask() -> None:
        with Client(running.url) as client:
            while not stop.is_set():
                try:
                    answers.append(client.classify("people", hopper)[0]["label"])
                except ServiceError as error:
                    failures.append(str(error))

    with ThreadPoolExecutor(2) as pool:
        clients = [pool.submit(ask), pool.submit(ask)]
        for _ in range(3):
            more = len(answers) + 10
            shutil.rmtree(folder / "fresh", ignore_errors=True)
            shutil.copytree(people, folder / "fresh")
            (folder / "people.mien").rename(folder / "old")
            (folder / "fresh").rename(folder / "people.mien")
            shutil.rmtree(folder / "old")
            _until(partial(_has, answers, more))
        time.sleep(1.5)
        stop.set()
        for client in clients:
            client.result(60)
    assert failures == []
    assert set(answers) == {"Grace Hopper"}
    loads = httpx.get(f"{running.url}/metrics").text
    assert float(loads.partition('mien_bundle_loads_total{bundle="people"} ')[2].split()[0]) >= 2
    assert running.stop() in (0, -signal.SIGTERM)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_what_was_begun_is_finished_when_it_is_told_to_stop(start: Start, hopper: bytes, how: signal.Signals) -> None:
    running = start("--workers", 1)
    with ThreadPoolExecutor(6) as pool:
        requests = [pool.submit(_post, running.url, hopper) for _ in range(6)]
        _until(lambda: _inside(running.url) >= 4)
        running.process.send_signal(how)
        assert [request.result(60) for request in requests] == [200] * 6
    running.process.wait(60)
    with pytest.raises(httpx.ConnectError):
        httpx.get(running.url)


def test_who_is_acknowledged_is_there_after_a_kill_and_nobody_is_there_by_half(
    start: Start, album: Path, mien: Mien
) -> None:
    running = start("--workers", 2)
    photos = [path.read_bytes() for path in sorted((album / "photos").glob("*/*.jpg"))]
    acknowledged: list[str] = []

    def enroll() -> None:
        with Client(running.url) as client:
            for i, photo in enumerate(photos):
                try:
                    client.enroll(f"person {i}", photo)
                except ServiceError:
                    return
                acknowledged.append(f"person {i}")

    thread = threading.Thread(target=enroll)
    thread.start()
    _until(lambda: len(acknowledged) >= 5)
    running.process.kill()
    thread.join(60)
    listed = {line["name"]: line["photos"] for line in mien("people", "--json").lines}
    assert set(acknowledged) <= set(listed)
    assert len(listed) <= len(acknowledged) + 1
    assert set(listed.values()) == {1}
    again = start()
    with Client(again.url) as client:
        assert {person["name"] for person in client.people()} == set(listed)
        assert client.identify(photos[0])[0]["person"] is not None


def test_several_processes_share_a_port_and_the_figures(start: Start, hopper: bytes) -> None:
    running = start("--processes", 2)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: _post(running.url, hopper, patient=True), range(8))) == {200}
    text = httpx.get(f"{running.url}/metrics").text
    count = text.partition('mien_requests_total{method="POST",route="/v1/look",status="200"} ')[2].split()[0]
    assert float(count) == 8
    running.stop()


def test_others_are_let_in_with_keys_only(mien: Mien, tmp_path: Path) -> None:
    refused = mien("serve", "--host", "0.0.0.0", "--port", 0)
    assert refused.code == 1
    assert "needs a key: make one with 'mien serve keys add" in refused.err
    assert mien("serve", "--require-keys").code == 1
    assert mien("serve", "--host", "example.com").code == 1
    assert "no such folder" in mien("serve", "--bundles", tmp_path / "nowhere").err
    with pytest.raises(DataError, match="needs a key"):
        check_config(ServiceConfig(tmp_path, host="::"))


def test_a_service_with_keys_answers_those_who_have_one(start: Start, mien: Mien, hopper: bytes) -> None:
    key = mien("serve", "keys", "add", "--scope", "read", "--json").last
    running = start("--host", "0.0.0.0")
    url = running.url.replace("0.0.0.0", "127.0.0.1")
    with Client(url, key["key"]) as client:
        assert len(client.look(hopper)) == 1
        with pytest.raises(ServiceError, match="enrol is needed") as error:
            client.people()
        assert error.value.status == 403
        assert mien("serve", "keys", "revoke", key["id"]).code == 0
        with pytest.raises(ServiceError, match="Unknown or revoked"):
            client.look(hopper)


def test_a_port_that_is_taken_is_a_sentence(mien: Mien) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = mien("serve", "--port", taken.getsockname()[1])
    assert ran.code == 1
    assert "choose another --port" in ran.err


def test_the_end_of_an_answer_does_not_wait_for_its_beginning(tmp_path: Path) -> None:
    with listen(ServiceConfig(tmp_path, port=0)) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_the_log_is_json_and_tells_no_name(start: Start, hopper: bytes, tmp_path: Path) -> None:
    running = start()
    httpx.post(f"{running.url}/v1/look", files=[("photo", ("Grace Hopper.jpg", hopper))], timeout=60)
    running.stop()
    text = (tmp_path / "serve-0.log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert "Hopper" not in text
    looked = next(line for line in lines if line.get("route") == "/v1/look")
    assert (looked["method"], looked["status"], looked["level"]) == ("POST", 200, "info")


def test_help_loads_none_of_it() -> None:
    code = "import sys; from mien.cli.app import app\ntry: app(['serve', '--help'])\nexcept SystemExit: pass\n"
    code += "print([name for name in ('fastapi', 'uvicorn', 'numpy', 'httpx') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


def _has(things: list[str], count: int) -> bool:
    return len(things) >= count


def _post(url: str, photo: bytes, *, patient: bool = False) -> int:
    while True:
        status = httpx.post(f"{url}/v1/look", content=photo, headers=JPEG, timeout=60).status_code
        if status != 503 or not patient:
            return status
        time.sleep(0.2)


def _inside(url: str) -> float:
    text = httpx.get(f"{url}/metrics", timeout=60).text
    return float(text.partition("\nmien_inside ")[2].split()[0])


def _until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
