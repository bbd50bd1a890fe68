"""The command line, Python, the service and both runners give the same answer for the same photo, field by field."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mien as api
from mien.serve.settings import ServiceConfig
from mien.types import Rejected
from tests.conftest import Mien
from tests.serve.conftest import Served, Serving, parts

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("models_home")]


def _pictures(album: Path) -> list[Path]:
    """60 photos: one face, many, none, and files that are broken or odd; a few of them without the real data."""
    data = os.environ.get("MIEN_DATA")
    if not data:
        return [*sorted((album / "inbox").iterdir())[:6], *sorted((album / "originals").iterdir())]
    folder = Path(data)
    odd = sorted((folder / "bad_input").iterdir())
    groups = [*sorted((folder / "detection").glob("*/*.jpg"))]
    people = sorted((folder / "identity" / "lfw").glob("*/*.jpg"))[:: 1856 // (60 - len(odd) - len(groups))]
    return [*odd, *groups, *people][:60]


@pytest.fixture
def pictures(album: Path, tmp_path: Path) -> list[Path]:
    """The pictures under names that a request may have, each a name of its own."""
    named = []
    for i, picture in enumerate(_pictures(album)):
        link = tmp_path / f"{i:02d}{picture.suffix}"
        link.symlink_to(picture)
        named.append(link)
    return named


def _assert_same(lines: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Equal field by field; a rounded figure may differ in its last digit, since networks add up in another order."""
    assert len(lines) == len(expected)
    for line, other in zip(lines, expected, strict=True):
        _compare(line, other)


def _compare(value: Any, other: Any) -> None:
    assert type(value) is type(other)
    if isinstance(value, dict):
        assert value.keys() == other.keys()
        for name in value:
            _compare(value[name], other[name])
    elif isinstance(value, list):
        assert len(value) == len(other)
        for item, its_other in zip(value, other, strict=True):
            _compare(item, its_other)
    elif isinstance(value, float):
        assert value == pytest.approx(other, abs=1.01e-4)
    else:
        assert value == other


def _line(result: Any) -> dict[str, Any]:
    fields: dict[str, Any] = result.line() if isinstance(result, Rejected) else result.as_json()
    return fields


async def _served(served: Served, route: str, pictures: list[Path]) -> list[dict[str, Any]]:
    lines = []
    for picture in pictures:
        answer = await served.http.post(route, files=parts((picture.name, picture.read_bytes())))
        assert answer.status_code == 200, answer.text
        lines += [{**line, "image": str(picture)} for line in answer.json()["results"]]
    return lines


async def test_look_gives_the_same_answer_everywhere(
    serving: Serving, config: ServiceConfig, pictures: list[Path], mien: Mien
) -> None:
    printed = mien("look", *pictures, "--detector", "mtcnn", "--json", "--workers", 2).lines
    in_python = [_line(report) for report in api.look(pictures, detector="mtcnn", workers=1)]
    from_memory = [_line(report) for report in api.look([p.read_bytes() for p in pictures], detector="mtcnn")]
    async with serving(config) as served:
        over_http = await _served(served, "/v1/look", pictures)
    assert [line["image"] for line in printed] == [str(picture) for picture in pictures]
    _assert_same(in_python, printed)
    _assert_same(over_http, printed)
    _assert_same([{**line, "image": ""} for line in from_memory], [{**line, "image": ""} for line in printed])


@pytest.mark.parametrize("bundle", ["people", "mask"])
async def test_classify_gives_the_same_answer_everywhere(
    serving: Serving, config: ServiceConfig, pictures: list[Path], mien: Mien, people: Path, bundle: str
) -> None:
    path = people if bundle == "people" else Path(bundle)
    printed = mien("classify", path, *pictures, "--json", "--workers", 2, "--no-cache").lines
    model = api.load(path)
    in_python = [_line(answer) for answer in model.predict(pictures, workers=1)]
    cached = [_line(answer) for answer in model.predict(pictures)]
    async with serving(replace(config, bundles=people.parent)) as served:
        over_http = await _served(served, f"/v1/classify/{bundle}", pictures)
    assert {line["image"] for line in printed} == {str(picture) for picture in pictures}
    _assert_same(in_python, printed)
    _assert_same(cached, printed)
    _assert_same(over_http, printed)


def test_one_picture_in_any_form_gives_the_same_answer(album: Path, people: Path) -> None:
    path = album / "inbox" / "012.jpg"
    model = api.load(people)
    with Image.open(path) as opened:
        opened.load()
    forms: list[Any] = [str(path), path, path.read_bytes(), np.asarray(opened), opened]
    answers = [[(p.label, p.top, p.face.as_json()) for p in model(form)] for form in forms]
    assert answers[0]
    assert all(answer == answers[0] for answer in answers)
