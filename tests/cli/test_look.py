"""`mien look` as a user types it."""

from __future__ import annotations

from pathlib import Path

from mien.images import decode
from tests.conftest import Mien


def test_it_prints_a_line_a_photo_with_every_field(mien: Mien, album: Path) -> None:
    ran = mien("look", album / "originals", "--json", "--detector", "mtcnn", "--min-face", 40)
    assert ran.code == 0
    assert len(ran.lines) == 2
    for line in ran.lines:
        assert {"image", "width", "height", "faces"} <= line.keys()
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
    assert "detector: mtcnn" in ran.err
    assert "detector" not in ran.out


def test_quiet_says_nothing_but_the_result(mien: Mien, album: Path) -> None:
    assert mien("look", album / "originals", "--quiet").err == ""


def test_a_missing_photo_costs_only_itself(mien: Mien, album: Path) -> None:
    ran = mien("look", album / "gone.jpg", album / "originals" / "Grace Hopper.jpg", "--json")
    assert ran.code == 0
    assert [line.get("rejected", {}).get("reason") for line in ran.lines] == ["missing", None]
