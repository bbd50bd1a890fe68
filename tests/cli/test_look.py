"""`mien look` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.images import decode
from mien.models.builtin_traits import TRAITS
from mien.pipeline.annotate import PhotoReport
from mien.types import Origin
from tests.conftest import Mien


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MIEN_LICENCE", "MIEN_TRAITS"):
        monkeypatch.delenv(name, raising=False)


def test_it_prints_a_line_a_photo_with_every_field(mien: Mien, album: Path) -> None:
    ran = mien("look", album / "originals", "--json", "--detector", "mtcnn", "--min-face", 40)
    assert ran.code == 0
    assert len(ran.lines) == 2
    for line in ran.lines:
        assert {"image", "width", "height", "turned", "faces"} <= line.keys()
        assert line["turned"] == 0
        (face,) = line["faces"]
        assert {"box", "score", "landmarks", "quality", "traits", "person"} <= face.keys()
        x1, y1, x2, y2 = face["box"]
        assert 0 <= x1 < x2 <= line["width"]
        assert 0 <= y1 < y2 <= line["height"]
        assert len(face["landmarks"]) == 5
        assert line["detector"] == "mtcnn"


def test_a_photo_without_a_face_has_a_reason(mien: Mien, album: Path) -> None:
    ran = mien("look", album / "inbox" / "coffee.png", "--json")
    assert ran.last["rejected"]["reason"] == "no-face"
    assert ran.code == 0


def test_it_draws_what_it_found(mien: Mien, album: Path, tmp_path: Path) -> None:
    mien("look", album / "originals", album / "inbox" / "coffee.png", "--draw", tmp_path / "drawn", "--quiet")
    drawn = sorted((tmp_path / "drawn").iterdir())
    assert len(drawn) == 2
    before = decode((album / "originals" / "Eileen Collins.jpg").read_bytes(), max_megapixels=1).pixels
    after = decode(drawn[0].read_bytes(), max_megapixels=1).pixels
    assert before.shape == after.shape
    assert (before != after).any()


def test_results_go_to_stdout_and_notes_to_stderr(mien: Mien, album: Path) -> None:
    ran = mien("look", album / "originals", "--min-face", 40)
    assert "Eileen Collins.jpg: 512 x 512, 1 face" in ran.out
    assert "detector: yunet" in ran.err
    assert "detector" not in ran.out


@pytest.mark.parametrize(
    ("turned", "words"),
    [
        (90, "400 x 300, on its side (turned 90 degrees clockwise), 0 faces"),
        (180, "400 x 300, upside down, 0 faces"),
        (270, "400 x 300, on its side (turned 90 degrees counter-clockwise), 0 faces"),
    ],
)
def test_a_photo_on_its_side_is_named_in_words(
    mien: Mien, album: Path, monkeypatch: pytest.MonkeyPatch, turned: int, words: str
) -> None:
    report = PhotoReport(Origin("a.jpg"), 400, 300, [], "mtcnn", turned=turned)
    monkeypatch.setattr("mien.flows.look.look", lambda *_, **__: iter([report]))
    assert f"a.jpg: {words}" in mien("look", "a.jpg").out
    assert mien("look", "a.jpg", "--json").last["turned"] == turned


def test_quiet_says_nothing_but_the_result(mien: Mien, album: Path) -> None:
    assert mien("look", album / "originals", "--quiet").err == ""


def test_a_missing_photo_costs_only_itself(mien: Mien, album: Path) -> None:
    ran = mien("look", album / "gone.jpg", album / "originals" / "Grace Hopper.jpg", "--json")
    assert ran.code == 0
    assert [line.get("rejected", {}).get("reason") for line in ran.lines] == ["missing", None]


def test_every_face_has_its_traits(mien: Mien, album: Path) -> None:
    ran = mien("look", album / "originals", "--json", "--min-face", 40)
    for face in (face for line in ran.lines for face in line["faces"]):
        assert set(TRAITS) - set(face["traits"]) <= {"gender"}
        for trait in face["traits"].values():
            assert trait.keys() == {"label", "score", "scores"}
            assert trait["score"] == max(trait["scores"].values())
            assert trait["label"] in {*trait["scores"], "uncertain"}
            assert sum(trait["scores"].values()) == pytest.approx(1, abs=1e-3)


def test_traits_are_those_that_are_asked_for(mien: Mien, album: Path) -> None:
    ran = mien("look", album / "originals", "--json", "--traits", "glasses,mask")
    assert {tuple(face["traits"]) for line in ran.lines for face in line["faces"]} == {("mask", "glasses")}
    ran = mien("look", album / "originals", "--json", "--traits", "none")
    assert {tuple(face["traits"]) for line in ran.lines for face in line["faces"]} == {()}


def test_traits_can_be_turned_off_for_good(mien: Mien, album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_TRAITS", "none")
    ran = mien("look", album / "originals", "--json")
    assert {tuple(face["traits"]) for line in ran.lines for face in line["faces"]} == {()}
    ran = mien("look", album / "originals", "--traits", "mask")
    assert ran.code == 1
    assert "turned off by MIEN_TRAITS=none" in ran.err


def test_a_trait_that_there_is_not_is_refused_with_those_that_there_are(mien: Mien, album: Path) -> None:
    ran = mien("look", album / "originals", "--traits", "mood")
    assert ran.code == 1
    assert "no built-in trait called 'mood' (there are: expression, mask, age, gender, glasses; all; none)" in ran.err
    assert ran.out == ""


def test_commercially_the_others_are_shown_and_a_note_says_what_is_left_out(
    mien: Mien, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIEN_LICENCE", "commercial")
    ran = mien("look", album / "originals", "--json", "--min-face", 40)
    assert ran.code == 0
    assert all("mask" in face["traits"] for line in ran.lines for face in line["faces"])
    assert not any("expression" in face["traits"] for line in ran.lines for face in line["faces"])
    assert "note: expression is left out" in ran.err


def test_a_person_reads_the_traits_under_each_face(mien: Mien, album: Path) -> None:
    out = mien("look", album / "originals", "--min-face", 40).out
    assert out.count("    expression ") == out.count("  glasses ") == 2
