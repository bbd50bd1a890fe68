"""Whatever is sent, there is an answer, and it is no failure of the service."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.serve.uploads import display_name
from tests.serve.conftest import JPEG, Served, parts

pytestmark = pytest.mark.anyio


def broken(hopper: bytes) -> Iterator[bytes]:
    """A photo that was cut off, turned around, or changed here and there."""
    chance = random.Random(0)
    yield from (b"", b"\x00" * 1000, b"\xff\xd8\xff", b"GIF89a", b"<svg/>", b"%PDF-1.4", hopper[::-1])
    yield from (hopper[: chance.randrange(len(hopper))] for _ in range(10))
    for _ in range(20):
        changed = bytearray(hopper)
        for _ in range(chance.randrange(1, 200)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        yield bytes(changed)


async def test_broken_photos_are_answered(served: Served, hopper: bytes) -> None:
    for photo in broken(hopper):
        for path in ("/v1/look", "/v1/classify/glasses"):
            answer = await served.http.post(path, content=photo, headers=JPEG)
            assert answer.status_code == 200
            assert all("rejected" in line or "label" in line or "faces" in line for line in answer.json()["results"])


async def test_bad_pictures_are_answered(served: Served, data: Path) -> None:
    for file in sorted((data / "bad_input").iterdir()):
        sent = parts((file.name, file.read_bytes()))
        for path in ("/v1/look", "/v1/classify/mask"):
            assert (await served.http.post(path, files=sent)).status_code == 200, file
        assert (await served.http.post("/v1/verify", files=[*sent, *sent])).status_code in (200, 409), file
        answer = await served.http.post("/v1/people", files=sent, data={"name": "somebody"})
        assert answer.status_code in (201, 409), file


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n\r\n--x--"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="photo"'),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="photo"\r\n\r\na\r\n--x--'),
        ("multipart/form-data; boundary=", b"--\r\n"),
        ("multipart/form-data; boundary=x; charset=nothing", b"--x--"),
        ("multipart/form-data; boundary=" + "y" * 300, b"--y"),
        ("", b"x"),
        ("text/html", b"x"),
        ("application/json", b"{}"),
        ("application/x-www-form-urlencoded", b"photo=/etc/passwd"),
    ],
)
async def test_odd_bodies_are_refused(served: Served, kind: str, body: bytes) -> None:
    for path in ("/v1/look", "/v1/people", "/v1/corrections", "/v1/people/1/photos", "/v1/verify"):
        answer = await served.http.post(path, content=body, headers={"Content-Type": kind})
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_thousand_parts_are_too_many(served: Served) -> None:
    answer = await served.http.post("/v1/look", files=parts(*[("a", b"")] * 1000))
    assert answer.status_code == 400
    answer = await served.http.post("/v1/look", files=parts(("a", b"")), data={f"f{i}": "x" for i in range(100)})
    assert answer.status_code == 400


@given(st.text())
def test_a_name_is_short_printable_and_no_path(name: str) -> None:
    shown = display_name(name)
    assert 0 < len(shown) <= 120
    assert "/" not in shown
    assert not any(ord(c) < 32 or c in "\u202e\u2028" for c in shown)
