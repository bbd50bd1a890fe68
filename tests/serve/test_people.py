"""People come, are known, and go, over HTTP."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from mien.serve.settings import ServiceConfig
from tests.conftest import Mien
from tests.serve.conftest import JPEG, Served, Serving, parts

pytestmark = pytest.mark.anyio

GRACE, EILEEN = "Grace Hopper", "Eileen Collins"


def photos(album: Path, name: str, count: int = 3) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in sorted((album / "photos" / name).iterdir())[:count]]


async def enroll(served: Served, album: Path, name: str, count: int = 3) -> int:
    answer = await served.http.post(
        "/v1/people", data={"name": name, "consent": "for tests"}, files=parts(*photos(album, name, count))
    )
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/people/{answer.json()['id']}"
    number: int = answer.json()["id"]
    return number


async def test_somebody_comes_is_known_and_goes(served: Served, album: Path, mien: Mien) -> None:
    grace, eileen = await enroll(served, album, GRACE), await enroll(served, album, EILEEN)
    held_out = next(iter(sorted((album / "held-out" / GRACE).iterdir())))
    sent = parts((held_out.name, held_out.read_bytes()))
    lines = (await served.http.post("/v1/identify", files=sent)).json()["results"]
    assert lines == [{**line, "image": held_out.name} for line in mien("identify", held_out, "--json").lines]
    assert lines[0]["person"]["id"] == grace
    (look,) = (await served.http.post("/v1/look", files=sent)).json()["results"]
    assert look["faces"][0]["person"]["name"] == GRACE
    assert look == {**mien("look", held_out, "--json").last, "image": held_out.name}

    everybody = (await served.http.get("/v1/people")).json()
    assert everybody["people"] == mien("people", "--json").lines
    assert (await served.http.get(f"/v1/people/{eileen}")).json() in everybody["people"]

    receipt = (await served.http.delete(f"/v1/people/{grace}")).json()
    assert (receipt["person"], receipt["photos"], receipt["vectors"]) == (GRACE, 3, 3)
    assert (await served.http.get(f"/v1/people/{grace}")).status_code == 404
    lines = (await served.http.post("/v1/identify", files=sent)).json()["results"]
    assert lines[0]["label"] == "unknown"

    log = served.audited()
    assert [line["action"] for line in log] == [
        *("enrol", "enrol", "identify", "look", "people", "person", "forget", "identify")
    ]
    assert (log[2]["people"], log[3]["people"], log[6]["person"]) == ([grace], [grace], grace)
    assert GRACE not in json.dumps(log)


async def test_more_photos_of_somebody(served: Served, album: Path) -> None:
    grace = await enroll(served, album, GRACE, 1)
    some = photos(album, GRACE, 3)
    answer = await served.http.post(f"/v1/people/{grace}/photos", files=parts(*some))
    assert answer.status_code == 200
    assert (answer.json()["photos"], answer.json()["enrolled"]) == (3, 2)
    assert [item["reason"] for item in answer.json()["rejected"]] == ["enrolled-before"]
    raw = await served.http.post(f"/v1/people/{grace}/photos", content=photos(album, GRACE, 4)[3][1], headers=JPEG)
    assert raw.json()["photos"] == 4


async def test_several_faces_are_refused_unless_the_main_one_is_meant(served: Served, astronaut: bytes) -> None:
    sent = parts(("two.png", astronaut))
    refused = await served.http.post("/v1/people", data={"name": EILEEN}, files=sent)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:mien:problem:no-usable-photo")
    assert [(item["image"], item["reason"]) for item in refused.json()["rejected"]] == [
        (sent[0][1][0], "several-faces")
    ]
    assert (await served.http.get("/v1/people")).json()["people"] == []
    taken = await served.http.post("/v1/people", data={"name": EILEEN, "largest": "true"}, files=sent)
    assert (taken.status_code, taken.json()["enrolled"]) == (201, 1)


async def test_what_cannot_be_is_refused(served: Served, hopper: bytes) -> None:
    http, sent = served.http, parts(("a.jpg", hopper))
    assert (await http.post("/v1/people", files=sent)).status_code == 422
    assert (await http.post("/v1/people", files=sent, data={"name": "  "})).status_code == 422
    assert (await http.post("/v1/people", files=sent, data={"name": "a\x00b"})).status_code == 409
    assert (await http.post("/v1/people", files=sent, data={"name": "x" * 999})).status_code == 409
    assert (await http.post("/v1/people", files=sent, data={"name": "x", "largest": "maybe"})).status_code == 422
    assert (await http.post("/v1/people", content=hopper, headers=JPEG)).status_code == 422
    assert (await http.post("/v1/people", files=parts(("a", b"x")), data={"name": "x"})).status_code == 409
    for id, status in {"7": 404, "0": 422, "-1": 422, "x": 422, str(2**63): 422, str(2**63 - 1): 404}.items():
        assert (await http.get(f"/v1/people/{id}")).status_code == status, id
        assert (await http.delete(f"/v1/people/{id}")).status_code == status, id
        assert (await http.post(f"/v1/people/{id}/photos", files=sent)).status_code == status, id
    named = (await http.post("/v1/people", files=sent, data={"name": "\x07"})).json()
    assert named["type"] == "urn:mien:problem:no-name"
    assert (await http.get("/v1/people")).json() == {"people": [], "threshold": None}


async def test_a_photo_of_somebody_else_is_told_as_such(served: Served, hopper: bytes) -> None:
    http, sent = served.http, parts(("a.jpg", hopper))
    assert (await http.post("/v1/people", files=sent, data={"name": "one"})).status_code == 201
    refused = await http.post("/v1/people", files=sent, data={"name": "other"})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:mien:problem:no-usable-photo")
    assert refused.json()["rejected"] == [
        {"image": "a.jpg", "stage": "enroll", "reason": "enrolled-before", "detail": "as one"}
    ]


async def test_who_is_enrolled_by_another_program_is_known(served: Served, album: Path, mien: Mien) -> None:
    photo = sorted((album / "photos" / GRACE).iterdir())[0]
    assert (await served.http.post("/v1/identify", content=photo.read_bytes(), headers=JPEG)).status_code == 409
    assert mien("enroll", GRACE, photo, "--detector", "mtcnn").code == 0
    answer = await served.http.post("/v1/identify", content=photo.read_bytes(), headers=JPEG)
    assert answer.json()["results"][0]["label"] == GRACE


async def test_many_enroll_at_the_same_time(serving: Serving, config: ServiceConfig, album: Path) -> None:
    some = photos(album, GRACE, 4)
    async with serving(replace(config, workers=3)) as served:
        answers = await asyncio.gather(
            *(
                served.http.post("/v1/people", data={"name": f"person {i}"}, files=parts(photo))
                for i, photo in enumerate(some)
            )
        )
        assert [answer.status_code for answer in answers] == [201] * 4
        assert len((await served.http.get("/v1/people")).json()["people"]) == 4


async def test_where_the_detector_is_another_than_the_gallery_s_a_look_names_nobody(
    serving: Serving, config: ServiceConfig, album: Path, mien: Mien, caplog: pytest.LogCaptureFixture
) -> None:
    photo = sorted((album / "photos" / GRACE).iterdir())[0]
    assert mien("enroll", GRACE, photo, "--detector", "mtcnn").code == 0
    async with serving(replace(config, detector="hog")) as served:
        look = await served.http.post("/v1/look", content=photo.read_bytes(), headers=JPEG)
        assert look.json()["results"][0]["faces"][0]["person"] is None
        identified = await served.http.post("/v1/identify", content=photo.read_bytes(), headers=JPEG)
        assert identified.json()["results"][0]["label"] == GRACE
    assert any(record.message == "people are not named" for record in caplog.records)


async def test_a_gallery_that_cannot_be_read_is_no_fault_of_the_request(
    served: Served, own_gallery: Path, hopper: bytes
) -> None:
    own_gallery.write_text("this is no database")
    for answer in (
        await served.http.get("/v1/people"),
        await served.http.post("/v1/identify", content=hopper, headers=JPEG),
    ):
        assert answer.status_code == 503
        assert str(own_gallery) not in answer.text
    look = await served.http.post("/v1/look", content=hopper, headers=JPEG)
    assert look.json()["results"][0]["faces"][0]["person"] is None
