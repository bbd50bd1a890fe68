"""The file of lines under every journal: only added to, whole lines only, one process at a time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mien.store.lines import Lines


def test_lines_are_added_and_read_back(tmp_path: Path) -> None:
    for n in range(2):
        with Lines(tmp_path / "x", os.O_CREAT) as lines:
            lines.append([{"n": n}, {"이름": "가"}], durable=n == 1)
    with Lines(tmp_path / "x") as lines:
        assert [json.loads(line) for line in lines.whole().splitlines()] == [
            {"n": 0},
            {"이름": "가"},
            {"n": 1},
            {"이름": "가"},
        ]


def test_a_torn_last_line_is_cut_off_for_good(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b'{"n": 1}\n{"n": 2')
    with Lines(tmp_path / "x") as lines:
        assert lines.whole() == b'{"n": 1}\n'
        lines.append([{"n": 3}])
    assert (tmp_path / "x").read_bytes() == b'{"n": 1}\n{"n": 3}\n'


def test_a_file_that_another_has_open_is_refused(tmp_path: Path) -> None:
    with Lines(tmp_path / "x", os.O_CREAT), pytest.raises(BlockingIOError):
        Lines(tmp_path / "x")
    Lines(tmp_path / "x").close()


def test_lines_that_cannot_all_be_written_are_not_written_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        write(descriptor, bytes(data)[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with Lines(tmp_path / "x", os.O_CREAT) as lines:
        lines.append([{"n": 1}])
        monkeypatch.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space"):
            lines.append([{"n": 2}])
    assert (tmp_path / "x").read_bytes() == b'{"n": 1}\n'


def test_a_file_that_is_not_there_is_made_only_where_asked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Lines(tmp_path / "x")
