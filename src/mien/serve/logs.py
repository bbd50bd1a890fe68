"""The service's log (JSON lines on stderr) and its audit log (a file of JSON lines for each day)."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

from pythonjsonlogger.json import JsonFormatter

KEPT_DAYS = 90
"""Older files are removed: who was looked up, and when, is personal data, too."""


class LogFormatter(JsonFormatter):
    """A record as JSON: `time`, `level`, `logger`, `message`, the record's own fields, and any `exception`."""

    def __init__(self) -> None:
        super().__init__(rename_fields={"exc_info": "exception"})

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data |= {"level": record.levelname.lower(), "logger": record.name, "message": record.message}
        super().add_fields(log_data, record, message_dict)


def configure(*, quiet: bool) -> None:
    """Send what the service and its server log to stderr; with `quiet`, warnings and errors only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogFormatter())
    for name in ("mien.serve", "uvicorn", "python_multipart"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.WARNING if quiet else logging.INFO)


class AuditLog:
    """Who asked for what and what was changed, with people by number; several processes may write at once."""

    def __init__(self, folder: Path, kept_days: int = KEPT_DAYS) -> None:
        self.folder, self._kept_days = folder, kept_days
        self._lock = Lock()
        self._day: date | None = None

    def write(self, action: str, **fields: Any) -> None:
        """Append a line: the time, the action and the fields; an `OSError` if it cannot be written."""
        now = datetime.now(UTC)
        line = json.dumps({"time": now.isoformat(timespec="milliseconds"), "action": action, **fields})
        with self._lock:
            if self._day != now.date():
                self._start_day(now.date())
            # A single write with O_APPEND keeps the lines of several processes apart.
            descriptor = os.open(self._file(now.date()), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, line.encode() + b"\n")
            finally:
                os.close(descriptor)

    def _file(self, day: date) -> Path:
        return self.folder / f"{day.isoformat()}.jsonl"

    def _start_day(self, day: date) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        oldest = self._file(day - timedelta(days=self._kept_days)).name
        for file in self.folder.glob("????-??-??.jsonl"):
            if file.name < oldest:
                file.unlink(missing_ok=True)
        self._day = day
