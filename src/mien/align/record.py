"""What was made in a folder, and from which photos: a file in `.mien`, only ever added to; makes nothing itself.

Two kinds of lines. `begin` gives a photo its place, before a file of it is written. `done` says what the photo was
and which crops came of it, once they are on the disk. A line that a kill tore is cut off when the file is opened.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from mien.errors import DataError
from mien.fileio import JsonLines, sync_folder, write_error
from mien.store.fileops import Stamp

_NAME = "align.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one photo.

    place: the name of its first crop below the folder, with `/`. begun: no run has finished it since it was begun, so
    that whatever lies at its place is of ours; else just `crops` are. stamp: what the photo was when it was finished,
    None where it is to be looked at again. missed: stage and detail, where it is known to hold no face.
    """

    place: str
    begun: bool = True
    stamp: Stamp | None = None
    crops: tuple[str, ...] = ()
    missed: tuple[str, str] | None = None


class Record:
    """The record of one folder, open for adding to; only one run has it open at a time."""

    def __init__(self, lines: JsonLines) -> None:
        self._lines = lines
        self.entries: dict[str, Entry] = {}

    @classmethod
    def open(cls, folder: Path, name: str = _NAME) -> Self:
        """The record of a folder, `.mien/NAME`, made where there is none.

        Raises:
            DataError: it cannot be written, is damaged elsewhere than in its last line, or another run has it open.
        """
        path = folder / ".mien" / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            record = cls(JsonLines(path, os.O_CREAT))
        except BlockingIOError as error:
            raise DataError(f"another run of mien is writing faces into {folder}: wait until it is done") from error
        except OSError as error:
            raise write_error(path, error) from error
        try:
            record._load(record._lines.recover())
            sync_folder(path.parent)
        except OSError as error:
            record.close()
            raise write_error(path, error) from error
        except DataError:
            record.close()
            raise
        return record

    def begin(self, places: Mapping[str, str]) -> None:
        """Photos and the places that are theirs from now on; on the disk when it returns."""
        lines = ({"kind": "begin", "source": source, "place": place} for source, place in places.items())
        self._append(lines, durable=True)
        for source, place in places.items():
            self._begin(source, place)

    def done(self, source: str, stamp: Stamp | None, crops: Iterable[str], missed: tuple[str, str] | None) -> None:
        """A photo that was begun is finished."""
        entry = Entry(self.entries[source].place, False, stamp, tuple(crops), missed)
        line: dict[str, Any] = {"kind": "done", "source": source, "crops": entry.crops}
        if stamp:
            line |= {"size": stamp.size, "mtime_ns": stamp.mtime_ns}
        if missed:
            line |= {"missed": missed}
        self._append([line])
        self.entries[source] = entry

    def close(self) -> None:
        """Let others open it."""
        self._lines.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, source: str, place: str) -> None:
        # The crops of before stay known: those that are not cut again are taken away in the end.
        self.entries[source] = replace(self.entries.get(source, Entry(place)), place=place, begun=True)

    def _append(self, lines: Iterable[Mapping[str, Any]], *, durable: bool = False) -> None:
        try:
            self._lines.append(lines, durable=durable)
        except OSError as error:
            raise write_error(self._lines.path, error) from error

    def _load(self, data: bytes) -> None:
        for number, text in enumerate(data.splitlines(), 1):
            try:
                self._take(json.loads(text))
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"line {number} of {self._lines.path} is damaged, so that it is not known what was made: "
                    "choose another folder, or empty this one"
                ) from error

    def _take(self, line: Mapping[str, Any]) -> None:
        if line["kind"] == "begin":
            self._begin(line["source"], line["place"])
        elif line["kind"] == "done":
            stamp = Stamp(line["size"], line["mtime_ns"]) if "size" in line else None
            stage_and_detail = line.get("missed")
            missed = (str(stage_and_detail[0]), str(stage_and_detail[1])) if stage_and_detail else None
            place = self.entries[line["source"]].place
            self.entries[line["source"]] = Entry(place, False, stamp, tuple(line["crops"]), missed)
        else:
            raise ValueError(line["kind"])
