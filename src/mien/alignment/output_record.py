"""The output folder of `mien align` and `mien augment`: what was made from which photo, and what is left to do.

The record is a file in `.mien` that is only ever added to, in two kinds of lines. `begin` gives a photo its place, the
name of its first crop below the folder, before a file of it is written. `done` says what the photo was and which crops
came of it, once they are on the disk. A line torn by a kill is cut off when the file is opened.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import Any, Self

from mien.errors import DataError
from mien.fileio import JsonLines, sync_folder, write_error
from mien.store.fileops import Stamp
from mien.text import fold_name

_FILE_NAME = "align.jsonl"
_FURTHER_FACE = re.compile(r"(.+)-face[0-9]+", re.DOTALL)


def crop_name(place: str, index: int) -> str:
    """A photo's place and the number of a face -> the name of its crop; the first face has the place itself."""
    path = PurePosixPath(place)
    return str(path.with_stem(f"{path.stem}-face{index}")) if index else place


def possible_places(name: str) -> list[str]:
    """A file's name -> the places, folded, whose crop it may be: its own, and that of `x` for `x-face1`."""
    path = PurePosixPath(fold_name(name))
    match = _FURTHER_FACE.fullmatch(path.stem)
    return [str(path), str(path.with_stem(match[1]))] if match else [str(path)]


class PlaceAllocator:
    """Gives out places so that no crop replaces another one, or a file that is `taken`.

    several: a photo may have more than one crop, so that `x-face1`, `x-face2` ... belong to `x`.
    """

    def __init__(self, taken: Iterable[str], *, several: bool) -> None:
        self._several = several
        self._taken: set[str] = set()
        self._first_crops: set[str] = set()
        for name in taken:
            self._take(name)

    def is_free(self, place: str) -> bool:
        """Whether neither the place nor the names of its further faces are taken."""
        own, *first = possible_places(place)
        if own in self._taken:
            return False
        return not self._several or (own not in self._first_crops and not self._taken.intersection(first))

    def allocate(self, place: str) -> str:
        """The place itself, or the first of `x-1`, `x-2` ... that is free; it is taken from now on."""
        path = PurePosixPath(place)
        numbered = (str(path.with_stem(f"{path.stem}-{number}")) for number in count(1))
        free = next(filter(self.is_free, chain([place], numbered)))
        self._take(free)
        return free

    def _take(self, name: str) -> None:
        own, *first = possible_places(name)
        self._taken.add(own)
        self._first_crops.update(first)


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """What is recorded of one photo.

    begun: no run has finished it since it was begun, so that every file at its place is ours, else `crops` only. stamp:
    the photo's when it was finished, None where it must be looked at again. no_face: stage and detail, where none was
    found in it.
    """

    place: str
    begun: bool = True
    stamp: Stamp | None = None
    crops: tuple[str, ...] = ()
    no_face: tuple[str, str] | None = None


class OutputRecord:
    """The record of one folder, open for adding to; only one run has it open at a time."""

    def __init__(self, lines: JsonLines) -> None:
        self._lines = lines
        self.entries: dict[str, RecordEntry] = {}

    @classmethod
    def open(cls, folder: Path, name: str = _FILE_NAME) -> Self:
        """The record of a folder, `.mien/NAME`, created where there is none.

        Raises:
            DataError: it cannot be written, is damaged elsewhere than in its last line, or another run has it open.
        """
        path = folder / ".mien" / name
        with ExitStack() as stack:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                record = cls(JsonLines(path, os.O_CREAT))
                stack.callback(record.close)
                record._load(record._lines.recover())
                sync_folder(path.parent)
            except BlockingIOError as error:
                raise DataError(f"another run of mien is writing faces into {folder}: wait until it is done") from error
            except OSError as error:
                raise write_error(path, error) from error
            stack.pop_all()
        return record

    @property
    def crops(self) -> list[str]:
        """All crops that are recorded."""
        return [crop for entry in self.entries.values() for crop in entry.crops]

    def begin(self, places: Mapping[str, str]) -> None:
        """Give photos their places; on the disk when it returns."""
        lines = ({"kind": "begin", "source": source, "place": place} for source, place in places.items())
        self._append(lines, durable=True)
        for source, place in places.items():
            self._begin(source, place)

    def finish(self, source: str, stamp: Stamp | None, crops: Iterable[str], no_face: tuple[str, str] | None) -> None:
        """Record that a photo is done."""
        entry = RecordEntry(self.entries[source].place, False, stamp, tuple(crops), no_face)
        line: dict[str, Any] = {"kind": "done", "source": source, "crops": entry.crops}
        if stamp:
            line |= {"size": stamp.size, "mtime_ns": stamp.mtime_ns}
        if no_face:
            line |= {"missed": no_face}
        self._append([line])
        self.entries[source] = entry

    def close(self) -> None:
        """Let other runs open it."""
        self._lines.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, source: str, place: str) -> None:
        # Earlier crops stay recorded: those that are not made again are removed in the end.
        self.entries[source] = replace(self.entries.get(source, RecordEntry(place)), place=place, begun=True)

    def _append(self, lines: Iterable[Mapping[str, Any]], *, durable: bool = False) -> None:
        try:
            self._lines.append(lines, durable=durable)
        except OSError as error:
            raise write_error(self._lines.path, error) from error

    def _load(self, data: bytes) -> None:
        for number, text in enumerate(data.splitlines(), 1):
            try:
                self._replay(json.loads(text))
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"line {number} of {self._lines.path} is damaged, so mien cannot tell what was made:"
                    " choose another folder, or empty this one"
                ) from error

    def _replay(self, line: Mapping[str, Any]) -> None:
        if line["kind"] == "begin":
            self._begin(line["source"], line["place"])
        elif line["kind"] == "done":
            stamp = Stamp(line["size"], line["mtime_ns"]) if "size" in line else None
            missed = line.get("missed")
            no_face = (str(missed[0]), str(missed[1])) if missed else None
            place = self.entries[line["source"]].place
            self.entries[line["source"]] = RecordEntry(place, False, stamp, tuple(line["crops"]), no_face)
        else:
            raise ValueError(line["kind"])


@dataclass(frozen=True, slots=True)
class SourcePhoto:
    """A photo as it is now: the place that its name asks for, and its stamp (None where it cannot be read)."""

    place: str
    stamp: Stamp | None


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """places: the photos to do -> their places. earlier: the files that earlier runs made of each of them."""

    places: Mapping[str, str]
    earlier: Mapping[str, frozenset[str]]


def existing_files(folder: Path, places: Iterable[str]) -> dict[str, str]:
    """The files in the folders of these places: folded name -> name; raises DataError where one cannot be read."""
    files = {}
    for inner in {PurePosixPath(place).parent for place in places}:
        try:
            names = os.listdir(folder / inner)  # noqa: PTH208  (no Path for each file)
        except PermissionError as error:
            raise write_error(folder / inner, error) from error
        except OSError:  # missing, or not a folder: writing will tell
            continue
        files.update({fold_name(path): path for path in (str(inner / name) for name in names)})
    return files


def plan_outputs(
    photos: Mapping[str, SourcePhoto], entries: Mapping[str, RecordEntry], files: Mapping[str, str], *, several: bool
) -> OutputPlan:
    """Photos, the record's entries and the `existing_files` -> what is left to do.

    A photo that is as it was recorded, and all of whose crops exist, is done. A recorded photo keeps its place; new
    ones get places where no file is. several: a photo may have more than one crop.
    """
    owned = _owned_files(entries, files, several)
    ours = frozenset().union(*owned.values())
    others = PlaceAllocator((name for key, name in files.items() if key not in ours), several=several)
    allocator = PlaceAllocator([*files.values(), *(entry.place for entry in entries.values())], several=several)
    places, earlier = {}, {}
    for source, photo in photos.items():
        entry = entries.get(source)
        if entry and _is_done(entry, photo.stamp, files):
            continue
        keeps_place = entry is not None and others.is_free(entry.place)
        places[source] = entry.place if entry and keeps_place else allocator.allocate(photo.place)
        earlier[source] = frozenset(files[key] for key in owned.get(source, ()) if key in files)
    return OutputPlan(places, earlier)


def _is_done(entry: RecordEntry, now: Stamp | None, files: Mapping[str, str]) -> bool:
    unchanged = not entry.begun and now is not None and entry.stamp == now
    return unchanged and all(fold_name(crop) in files for crop in entry.crops)


def _owned_files(entries: Mapping[str, RecordEntry], files: Mapping[str, str], several: bool) -> dict[str, set[str]]:
    """Photo -> the folded names of its files: its crops, and if a run was killed over it, everything at its place."""
    owned = {source: {fold_name(crop) for crop in entry.crops} for source, entry in entries.items()}
    begun = {possible_places(entry.place)[0]: source for source, entry in entries.items() if entry.begun}
    for key, name in files.items() if begun else ():
        for place in possible_places(name)[: None if several else 1]:
            if place in begun:
                owned[begun[place]].add(key)
    return owned
