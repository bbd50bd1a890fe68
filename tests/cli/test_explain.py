"""`mien explain` as a user types it."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Mien


def test_it_writes_one_page_and_prints_a_line_a_photo(mien: Mien, album: Path, tmp_path: Path) -> None:
    ran = mien("explain", album / "originals", "--out", tmp_path / "way", "--traits", "mask", "--json")
    assert ran.code == 0
    page = tmp_path / "way" / "explain.html"
    assert [line["page"] for line in ran.lines] == [str(page)] * 2
    fields = {"image", "width", "height", "detector", "turned", "faces", "weak", "page"}
    assert all(line.keys() == fields for line in ran.lines)
    assert page.stat().st_size < 3_000_000
    assert f"page: {page}" in ran.err


def test_a_person_reads_each_answer_and_what_is_left_of_it(mien: Mien, album: Path, tmp_path: Path) -> None:
    ran = mien("explain", album / "originals" / "Grace Hopper.jpg", "--out", tmp_path, "--traits", "glasses", "--quiet")
    assert "Grace Hopper.jpg: 1 face by " in ran.out
    assert "glasses glasses 1.00 (" in ran.out
    assert ran.err == ""
    ran = mien("explain", album / "inbox" / "coffee.png", "--out", tmp_path, "--traits", "none", "--quiet")
    assert "coffee.png: 0 faces by " in ran.out


def test_photos_that_are_missing_end_in_failure(mien: Mien, tmp_path: Path) -> None:
    ran = mien("explain", tmp_path / "gone.jpg", "--out", tmp_path / "way", "--json")
    assert (ran.code, ran.last["rejected"]["reason"]) == (1, "missing")
    assert mien("explain", tmp_path / "gone.jpg").code == 2
