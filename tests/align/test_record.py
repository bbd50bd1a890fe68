"""The record of a folder of crops: what it remembers, and what a kill or another run does to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.align.record import Entry, Record
from mien.errors import DataError
from mien.store.fileops import Stamp

STAMP = Stamp(10, 20)
ODD = "/photos/\udcff\nx.png"


def _file(folder: Path) -> Path:
    return folder / ".mien" / "align.jsonl"


def _written(folder: Path) -> dict[str, Entry]:
    with Record.open(folder) as record:
        record.begin({"/a.png": "a.jpg", ODD: "odd.jpg", "/c.png": "c.jpg"})
        record.done("/a.png", STAMP, ["a.jpg", "a-face1.jpg"], None)
        record.done(ODD, STAMP, [], ("detect", "no face"))
        return dict(record.entries)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    made = _written(tmp_path)
    with Record.open(tmp_path) as record:
        assert record.entries == made
    assert made["/a.png"] == Entry("a.jpg", False, STAMP, ("a.jpg", "a-face1.jpg"))
    assert made[ODD].missed == ("detect", "no face")
    assert made["/c.png"] == Entry("c.jpg", True)


def test_a_photo_begun_again_remembers_its_crops(tmp_path: Path) -> None:
    _written(tmp_path)
    with Record.open(tmp_path) as record:
        record.begin({"/a.png": "a-1.jpg"})
    with Record.open(tmp_path) as record:
        assert record.entries["/a.png"] == Entry("a-1.jpg", True, STAMP, ("a.jpg", "a-face1.jpg"))


def test_wherever_a_kill_tears_the_file_it_opens_again(tmp_path: Path) -> None:
    made = _written(tmp_path)
    whole = _file(tmp_path).read_bytes()
    for length in range(len(whole)):
        _file(tmp_path).write_bytes(whole[:length])
        with Record.open(tmp_path) as record:
            assert record.entries.keys() <= made.keys()
        kept = _file(tmp_path).read_bytes()
        assert whole.startswith(kept)
        assert kept[-1:] in (b"", b"\n")


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"3", b'{"kind": "other"}', b'{"kind": "done", "source": "/n", "crops": []}']
)
def test_damage_elsewhere_is_told_with_its_line(tmp_path: Path, line: bytes) -> None:
    _written(tmp_path)
    whole = _file(tmp_path).read_bytes()
    _file(tmp_path).write_bytes(line + b"\n" + whole)
    with pytest.raises(DataError, match="line 1 of"):
        Record.open(tmp_path)
    assert _file(tmp_path).read_bytes() == line + b"\n" + whole


def test_two_runs_do_not_cut_into_one_folder_at_once(tmp_path: Path) -> None:
    with Record.open(tmp_path), pytest.raises(DataError, match="another run"):
        Record.open(tmp_path)
    Record.open(tmp_path).close()


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(DataError, match="could not be written"):
        Record.open(tmp_path / "x")
