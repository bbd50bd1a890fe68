"""The audit log adds lines, a file a day, and lets go of old ones."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mien.serve.logs import AuditLog


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]


def test_a_line_says_when_and_what(tmp_path: Path) -> None:
    AuditLog(tmp_path / "audit").write("forget", person=3, key="abc")
    (line,) = lines(tmp_path / "audit")
    assert datetime.fromisoformat(str(line.pop("time"))).tzinfo is UTC or line
    assert line == {"action": "forget", "person": 3, "key": "abc"}


def test_lines_of_many_writers_stay_whole(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: AuditLog(tmp_path).write("look", number=i, text="x" * 500), range(200)))
    assert sorted(int(str(line["number"])) for line in lines(tmp_path)) == list(range(200))


def test_a_line_break_in_a_field_is_no_new_line(tmp_path: Path) -> None:
    AuditLog(tmp_path).write("look", key='a\n{"action": "forget"}')
    assert [line["action"] for line in lines(tmp_path)] == ["look"]


def test_old_files_go_and_others_stay(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    old, young = tmp_path / f"{today - timedelta(days=91)}.jsonl", tmp_path / f"{today - timedelta(days=89)}.jsonl"
    foreign = tmp_path / "notes.jsonl"
    for file in (old, young, foreign):
        file.write_text("{}\n")
    AuditLog(tmp_path).write("look")
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([young.name, f"{today}.jsonl", foreign.name])
