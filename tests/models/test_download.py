from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

import pytest

from mien.errors import UnknownName, WeightsError
from mien.models import CARDS, cards, ensure, identity, is_available, licence_terms
from mien.models.cards import Download, KnownFile
from mien.models.download import download, pull

NETWORK = bytes(range(256)) * 600


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _zipped() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pack/other.onnx", b"other")
        archive.writestr("pack/net.onnx", NETWORK)
    return held.getvalue()


ARCHIVE = _zipped()


class Owner(BaseHTTPRequestHandler):
    """Answers as servers do on good and on bad days."""

    def do_GET(self) -> None:
        moved = {
            "/moved": "/good",
            "/away": "http://example.org/net.onnx",
            "/file": "file:///etc/passwd",
            "/loop": "/loop",
        }
        bodies = {"/good": NETWORK, "/short": NETWORK[:9000], "/long": NETWORK * 2, "/zip": ARCHIVE, "/empty": b""}
        if self.path in moved:
            self.send_response(302)
            self.send_header("Location", moved[self.path])
            self.end_headers()
        elif self.path in bodies:
            self.send_response(200)
            promised = NETWORK if self.path == "/short" else bodies[self.path]
            self.send_header("Content-Length", str(len(promised)))
            self.end_headers()
            self.wfile.write(bodies[self.path])
        elif self.path == "/hang-up":
            self.connection.close()
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    owner = ThreadingHTTPServer(("127.0.0.1", 0), Owner)
    thread = threading.Thread(target=owner.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{owner.server_port}"
    owner.shutdown()
    owner.server_close()
    thread.join()


def offer(monkeypatch: pytest.MonkeyPatch, source: Download) -> None:
    """Let `sface` be published there."""
    known = source.member or KnownFile("net.onnx", source.sha256)
    card = replace(CARDS["sface"], source=source, known=(known,))
    monkeypatch.setattr(cards, "CARDS", MappingProxyType({**CARDS, "sface": card}))


def good(url: str) -> Download:
    return Download(url, digest(NETWORK), len(NETWORK))


def test_a_good_file_is_kept_and_used(home: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, good(f"{server}/good"))
    assert not is_available("sface")
    seen: list[tuple[int, int]] = []
    path = pull("sface", lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == NETWORK
    assert ensure("sface") == path
    assert is_available("sface")
    assert identity("sface")
    assert licence_terms(cards.get_card("sface")).commercial == "yes"
    assert seen[-1] == (len(NETWORK), len(NETWORK))
    assert len(seen) > 1
    assert [file.name for file in home.joinpath("models").iterdir()] == [path.name]


def test_pulling_again_replaces_the_file(home: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, good(f"{server}/good"))
    path = pull("sface")
    path.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="damaged"):
        ensure("sface")
    assert pull("sface") == path
    assert ensure("sface").read_bytes() == NETWORK


def test_a_redirect_is_followed(home: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, good(f"{server}/moved"))
    assert pull("sface").read_bytes() == NETWORK


def test_the_member_is_extracted_from_an_archive(home: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, Download(f"{server}/zip", digest(ARCHIVE), len(ARCHIVE), KnownFile("net.onnx", digest(NETWORK))))
    assert pull("sface").read_bytes() == NETWORK


@pytest.mark.parametrize(
    ("page", "changed", "sentence"),
    [
        ("good", {"sha256": "0" * 64}, "sent another file than mien expects"),
        ("short", {}, rf"ended after 9000 of {len(NETWORK)} bytes: try again"),
        ("empty", {}, rf"ended after 0 of {len(NETWORK)} bytes"),
        ("long", {}, rf"sent more than the {len(NETWORK)} bytes"),
        ("nowhere", {}, "answered 404 Not Found$"),
        ("away", {}, "downloaded over https only, not from http://example.org"),
        ("file", {}, "answered 302 Found$"),
        ("loop", {}, "answered 302 Found$"),
        ("hang-up", {}, "cannot be reached .* 'mien models add FILE'"),
        (
            "zip",
            {"sha256": digest(ARCHIVE), "bytes": len(ARCHIVE), "member": KnownFile("no.onnx", "0" * 64)},
            "no.onnx",
        ),
    ],
)
def test_a_bad_response_gives_one_sentence_and_leaves_no_file(
    home: Path, server: str, monkeypatch: pytest.MonkeyPatch, page: str, changed: dict[str, object], sentence: str
) -> None:
    offer(monkeypatch, replace(good(f"{server}/{page}"), **changed))  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match=sentence) as caught:
        pull("sface")
    assert "\n" not in str(caught.value)
    assert not home.exists()
    assert not is_available("sface")


def test_without_a_network_it_says_how_to_add_a_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, good("http://127.0.0.1:9/net.onnx"))  # the port of the discard service, where nobody listens
    with pytest.raises(
        WeightsError, match=r"cannot be reached .*get the file elsewhere and type 'mien models add FILE'"
    ):
        pull("sface")


@pytest.mark.parametrize("url", ["http://example.org/net.onnx", "ftp://example.org/net", "file:///etc/passwd"])
def test_only_https_is_used_beyond_this_machine(url: str) -> None:
    with pytest.raises(WeightsError, match="downloaded over https only"):
        download(good(url), lambda _done, _total: None)


@pytest.mark.parametrize("name", ["scrfd", "mobilefacenet"])
def test_weights_without_a_download_cannot_be_pulled(home: Path, name: str) -> None:
    with pytest.raises(
        WeightsError, match=f"'{name}' cannot be downloaded as one file .* 'mien models add FILE --as {name}'"
    ):
        pull(name)


@pytest.mark.parametrize("name", ["dlib-resnet", "dlib-resnet-int8", "mtcnn", "hog", "haar", "dlib-landmarks-5"])
def test_weights_in_packages_need_not_be_pulled(home: Path, name: str) -> None:
    with pytest.raises(WeightsError, match="nothing to pull"):
        pull(name)


def test_an_unknown_name_lists_the_known_ones(home: Path) -> None:
    with pytest.raises(UnknownName, match="there are: dlib-resnet"):
        pull("facenet")


def test_weights_that_the_licence_setting_refuses_are_not_downloaded(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIEN_LICENCE", "commercial")
    with pytest.raises(WeightsError, match=r"weights 'arcface' .* are refused"):
        pull("arcface")
