"""Who asked for what, and what was changed: a file of JSON lines a day; knows people by number, and no picture."""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

KEPT_DAYS = 90
"""Older files are removed: a record of who was looked up when is personal data, too."""


class Audit:
    """Adds lines to the file of the day; several processes may do so at once."""

    def __init__(self, folder: Path, kept_days: int = KEPT_DAYS) -> None:
        self.folder, self._kept = folder, kept_days
        self._turn = Lock()
        self._day: date | None = None

    def write(self, action: str, **fields: Any) -> None:
        """A line: when, what, and the fields.

        Raises:
            OSError: it could not be written.
        """
        now = datetime.now(UTC)
        line = json.dumps({"time": now.isoformat(timespec="milliseconds"), "action": action, **fields})
        with self._turn:
            if self._day != now.date():
                self._begin(now.date())
            # One write with O_APPEND: lines of several processes do not get mixed up.
            descriptor = os.open(self._file(now.date()), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, line.encode() + b"\n")
            finally:
                os.close(descriptor)

    def _file(self, day: date) -> Path:
        return self.folder / f"{day.isoformat()}.jsonl"

    def _begin(self, day: date) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        oldest = self._file(day - timedelta(days=self._kept)).name
        for file in self.folder.glob("????-??-??.jsonl"):
            if file.name < oldest:
                file.unlink(missing_ok=True)
        self._day = day
