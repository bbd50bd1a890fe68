"""A file of JSON lines that is only ever added to, by one process at a time; knows nothing of what the lines mean."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Self

from mien.store.placing import write_all


class Lines:
    """Such a file, open and locked; a line that a kill tore is cut off by `whole`.

    Raises:
        BlockingIOError: another process has it open.
        OSError: it cannot be opened; `flags` are added to those of `os.open`.
    """

    def __init__(self, path: Path, flags: int = 0) -> None:
        self.path = path
        access = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(path, access | flags, 0o666)
        self._turn = Lock()
        try:
            self._lock()
        except OSError:
            self.close()
            raise

    def whole(self) -> bytes:
        """All lines that were written to their end; what follows them is cut off."""
        data = self.path.read_bytes()
        data = data[: data.rfind(b"\n") + 1]
        os.ftruncate(self._descriptor, len(data))
        return data

    def append(self, lines: Iterable[Mapping[str, Any]], *, durable: bool = False) -> None:
        """Add lines, and with `durable` return only when they are on the disk.

        Raises:
            OSError: not all of it could be written; then none of it was.
        """
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        with self._turn:
            end = os.fstat(self._descriptor).st_size
            try:
                write_all(self._descriptor, data)
            except OSError:
                os.ftruncate(self._descriptor, end)
                raise
        if durable:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Let others open it."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lock(self) -> None:
        if sys.platform == "win32":
            return
        import fcntl  # not there on Windows

        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
