"""Which photos are to be cut and where to, by what earlier runs did; knows names and stamps, and cuts nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mien.align.places import Places, families, folded
from mien.align.record import Entry
from mien.fileio import write_error
from mien.store.fileops import Stamp


@dataclass(frozen=True, slots=True)
class Wanted:
    """A photo as it is now: the place that its name asks for, and its stamp (None where it cannot be read)."""

    place: str
    stamp: Stamp | None


@dataclass(frozen=True, slots=True)
class Plan:
    """places: the photos to cut -> their places. before: the files of each that earlier runs left, by their names."""

    places: Mapping[str, str]
    before: Mapping[str, frozenset[str]]


def lying(folder: Path, places: Iterable[str]) -> dict[str, str]:
    """What lies in the folders of these places: folded name -> name.

    Raises:
        DataError: one of them cannot be read.
    """
    found = {}
    for inner in {PurePosixPath(place).parent for place in places}:
        try:
            names = os.listdir(folder / inner)  # noqa: PTH208  (no Path for each file)
        except PermissionError as error:
            raise write_error(folder / inner, error) from error
        except OSError:  # not there yet, or no folder: whoever writes will see
            continue
        found.update({folded(name): name for name in (str(inner / name) for name in names)})
    return found


def plan(
    photos: Mapping[str, Wanted], entries: Mapping[str, Entry], there: Mapping[str, str], *, several: bool
) -> Plan:
    """Photos, the record and what lies in the folder -> what is left to do.

    A photo that the record knows as it is now, and all of whose crops lie there, is done. One that it knows keeps its
    place; the others get places where nothing of anyone lies. several: a photo may have more than one crop.
    """
    owned = _owned(entries, there, several)
    ours = frozenset().union(*owned.values())
    strangers = Places((name for key, name in there.items() if key not in ours), several=several)
    taken = Places([*there.values(), *(entry.place for entry in entries.values())], several=several)
    places, before = {}, {}
    for source, photo in photos.items():
        entry = entries.get(source)
        if entry and _is_done(entry, photo.stamp, there):
            continue
        keeps = entry is not None and strangers.is_free(entry.place)
        places[source] = entry.place if entry and keeps else taken.free(photo.place)
        before[source] = frozenset(there[key] for key in owned.get(source, ()) if key in there)
    return Plan(places, before)


def crops_of(entries: Mapping[str, Entry]) -> list[str]:
    """All crops that the record knows of."""
    return [crop for entry in entries.values() for crop in entry.crops]


def _is_done(entry: Entry, now: Stamp | None, there: Mapping[str, str]) -> bool:
    known = not entry.begun and now is not None and entry.stamp == now
    return known and all(folded(crop) in there for crop in entry.crops)


def _owned(entries: Mapping[str, Entry], there: Mapping[str, str], several: bool) -> dict[str, set[str]]:
    """Photo -> the folded names of its files: its crops, and where a run was killed over it, all at its place."""
    owned = {source: {folded(crop) for crop in entry.crops} for source, entry in entries.items()}
    begun = {families(entry.place)[0]: source for source, entry in entries.items() if entry.begun}
    for key, name in there.items() if begun else ():
        for place in families(name)[: None if several else 1]:
            if place in begun:
                owned[begun[place]].add(key)
    return owned
