"""Photos are looked at over HTTP, and the answers are those of the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mien.serve.settings import ServiceConfig, ServiceLimits
from tests.conftest import Mien
from tests.serve.conftest import JPEG, Served, Serving, parts

pytestmark = pytest.mark.anyio


@pytest.fixture
def grace(album: Path) -> Path:
    return album / "originals" / "Grace Hopper.jpg"


async def test_a_look_is_what_the_command_line_prints(served: Served, grace: Path, mien: Mien) -> None:
    answer = await served.http.post("/v1/look", files=parts((grace.name, grace.read_bytes())))
    assert answer.status_code == 200
    (line,) = answer.json()["results"]
    assert line == {**mien("look", grace, "--detector", "mtcnn", "--json").last, "image": grace.name}


@pytest.mark.parametrize("trait", ["mask", "gender"])
async def test_classifying_is_what_the_command_line_prints(served: Served, grace: Path, mien: Mien, trait: str) -> None:
    answer = await served.http.post(f"/v1/classify/{trait}?top=2", files=parts((grace.name, grace.read_bytes())))
    printed = mien("classify", trait, grace, "--top", 2, "--json").lines
    assert answer.json()["results"] == [{**line, "image": grace.name} for line in printed]


async def test_verifying_is_what_the_command_line_prints(
    served: Served, grace: Path, astronaut: bytes, mien: Mien, tmp_path: Path
) -> None:
    other = tmp_path / "astronaut.png"
    other.write_bytes(astronaut)
    answer = await served.http.post("/v1/verify", files=parts(("a", grace.read_bytes()), ("b", astronaut)))
    assert answer.json() == mien("verify", grace, other, "--detector", "mtcnn", "--json").last
    wide = await served.http.post("/v1/verify?threshold=2", files=parts(("a", grace.read_bytes()), ("b", astronaut)))
    assert wide.json()["same"] is True


async def test_a_body_of_bytes_is_a_photo(served: Served, hopper: bytes) -> None:
    for kind in ("image/jpeg", "image/x-anything", "application/octet-stream"):
        answer = await served.http.post("/v1/look", content=hopper, headers={"Content-Type": kind})
        (line,) = answer.json()["results"]
        assert (line["image"], len(line["faces"])) == ("photo", 1)


async def test_there_is_an_answer_for_every_photo_in_their_order(
    served: Served, hopper: bytes, astronaut: bytes
) -> None:
    sent = parts(("a.jpg", hopper), ("broken.jpg", b"nothing"), ("empty.jpg", b""), ("a.jpg", astronaut))
    lines = (await served.http.post("/v1/look", files=sent)).json()["results"]
    assert [line["image"] for line in lines] == ["a.jpg", "broken.jpg", "empty.jpg", "a.jpg"]
    assert [line.get("rejected", {}).get("reason") for line in lines] == [None, "unreadable", "empty", None]


async def test_requests_that_come_together_are_answered_together(served: Served, hopper: bytes) -> None:
    alone = (await served.http.post("/v1/look", content=hopper, headers=JPEG)).json()["results"]
    answers = await asyncio.gather(
        *(served.http.post("/v1/look", content=hopper, headers=JPEG) for _ in range(12)),
        *(served.http.post("/v1/classify/mask", content=hopper, headers=JPEG) for _ in range(4)),
    )
    assert [answer.status_code for answer in answers] == [200] * 16
    assert all(_near(answer.json()["results"], alone) for answer in answers[:12])
    text = (await served.http.get("/metrics")).text
    together = {
        line.split()[0]: float(line.split()[1]) for line in text.splitlines() if "mien_jobs_together" in line[:18]
    }
    assert together["mien_jobs_together_sum"] > together["mien_jobs_together_count"]


def _near(a: object, b: object) -> bool:
    """Equal but for the last digits: int8 networks are not the same to a bit for other sizes of a batch."""
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) < 0.02 * max(1.0, abs(a))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_near(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_near, a, b))
    return a == b


async def test_names_of_files_are_cut_down_to_what_can_be_shown(served: Served, hopper: bytes) -> None:
    names = ["../../etc/passwd", "C:\\photos\\a.jpg", "\u202egpj.exe", "a" * 500, "/"]
    answer = await served.http.post("/v1/look", files=parts(*((name, hopper[:20]) for name in names)))
    shown = [line["image"] for line in answer.json()["results"]]
    assert shown == ["passwd", "a.jpg", "\\u202egpj.exe", "a" * 120, "photo"]


async def test_a_crowd_over_the_limit_is_refused(serving: Serving, config: ServiceConfig, astronaut: bytes) -> None:
    async with serving(replace(config, limits=ServiceLimits(faces=1))) as served:
        answer = await served.http.post("/v1/look", content=astronaut, headers={"Content-Type": "image/png"})
    assert answer.json()["results"][0]["rejected"] == {
        "stage": "limit",
        "reason": "too-large",
        "detail": "2 faces, over the limit of 1",
    }


async def test_no_more_pixels_are_decoded_than_allowed(
    served: Served, hopper: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIEN_MAX_MEGAPIXELS", "0.1")
    answer = await served.http.post("/v1/look", content=hopper, headers=JPEG)
    assert answer.json()["results"][0]["rejected"]["reason"] == "too-large"


async def test_what_cannot_be_used_is_a_problem(serving: Serving, config: ServiceConfig, hopper: bytes) -> None:
    async with serving(replace(config, limits=ServiceLimits(megabytes=0.1, photos=2))) as served:
        http = served.http
        answers = {
            413: await http.post("/v1/look", content=b"x" * 200_000, headers=JPEG),
            415: await http.post("/v1/look", json={"url": "http://example.com/a.jpg"}),
            400: await http.post("/v1/look", content=b"x", headers={"Content-Type": "multipart/form-data"}),
            404: await http.post("/v1/classify/nobody", content=hopper, headers=JPEG),
            405: await http.put("/v1/look", content=hopper, headers=JPEG),
            409: await http.post("/v1/identify", content=hopper, headers=JPEG),
        }
        refused = [
            await http.post("/v1/look", files=parts(("a", b""), ("b", b""), ("c", b""))),
            await http.post("/v1/look", files=[("file", ("a", hopper))]),
            await http.post("/v1/look", files=parts(("a", b"")), data={"path": "/etc/passwd"}),
            await http.post("/v1/look", files=[], data={"photo": "/etc/passwd"}),
            await http.post("/v1/verify", files=parts(("a", hopper))),
            await http.post("/v1/verify?threshold=-1", files=parts(("a", hopper), ("b", hopper))),
            await http.post("/v1/verify", files=parts(("a", hopper), ("b", b"broken"))),
        ]
    for status, answer in answers.items():
        assert answer.status_code == status, (status, answer.text)
    assert [answer.status_code for answer in refused] == [422, 422, 422, 415, 422, 422, 409]
    for answer in (*answers.values(), *refused):
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (problem["status"], problem["type"][:17]) == (answer.status_code, "urn:mien:problem:")
        assert "passwd" not in answer.text
    assert refused[-1].json()["rejected"][0]["image"] == "b"


async def test_a_body_that_says_nothing_of_its_length_is_cut_off_all_the_same(
    serving: Serving, config: ServiceConfig
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b"x" * 1000

    async with serving(replace(config, limits=ServiceLimits(megabytes=0.01))) as served:
        answer = await served.http.post("/v1/look", content=endless(), headers=JPEG)
        slow = replace(config, limits=ServiceLimits(seconds=0.1))
    assert answer.status_code == 413

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(50):
            await asyncio.sleep(0.05)
            yield b"x"

    async with serving(slow) as served:
        answer = await served.http.post("/v1/look", content=slowly(), headers=JPEG)
    assert answer.status_code == 408


async def test_a_full_house_is_told_and_answered_again_later(
    serving: Serving, config: ServiceConfig, hopper: bytes
) -> None:
    async with serving(replace(config, limits=ServiceLimits(waiting=2))) as served:
        calls = [served.http.post("/v1/look", content=hopper, headers=JPEG) for _ in range(8)]
        answers = await asyncio.gather(*calls)
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [200, 200, 503, 503, 503, 503, 503, 503]
        assert {answer.headers.get("retry-after") for answer in answers if answer.status_code == 503} == {"1"}
        assert (await served.http.post("/v1/look", content=hopper, headers=JPEG)).status_code == 200


async def test_whoever_takes_too_long_is_told(serving: Serving, config: ServiceConfig, hopper: bytes) -> None:
    async with serving(replace(config, limits=ServiceLimits(seconds=0.001))) as served:
        answer = await served.http.post("/v1/look", content=hopper, headers=JPEG)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_the_audit_log_tells_of_looks_and_holds_no_name(served: Served, hopper: bytes) -> None:
    answer = await served.http.post("/v1/look", files=parts(("Grace Hopper.jpg", hopper)))
    (line,) = served.audited()
    assert (line["action"], line["photos"], line["people"], line["key"]) == ("look", 1, [], None)
    assert line["request"] == answer.headers["x-request-id"]
    assert "Hopper" not in json.dumps(line)


async def test_the_figures_count_photos_faces_and_time_by_stage(served: Served, hopper: bytes) -> None:
    await served.http.post("/v1/look", files=parts(("a", hopper), ("b", b"broken")))
    text = (await served.http.get("/metrics")).text
    for line in (
        'mien_photos_total{result="faces"} 1.0',
        'mien_photos_total{result="unreadable"} 1.0',
        "mien_faces_total 1.0",
        'mien_requests_total{method="POST",route="/v1/look",status="200"} 1.0',
        "mien_inside 0.0",
    ):
        assert line in text, line
    assert all(f'mien_stage_seconds_count{{stage="{stage}"}}' in text for stage in ("decode", "detect", "describe"))
    assert 'mien_model_info{name="mtcnn"' in text
