"""Brings one act to a clear end after a kill, and takes one back; knows what an act may have left on disk.

Everything is decided by what lies on disk, so that being killed again, at any point, changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mien.store.placing import (
    Stamp,
    digest,
    is_doubled,
    is_reservation,
    is_same_file,
    is_stamped,
    move,
    stamp,
    sync_folder,
)
from mien.store.record import Act, Entry, Record


class Skipped(Exception):
    """The act is left as it is; the message says why."""


def settle(record: Record, entry: Entry) -> Stamp:
    """End an act of which only the intent is known: an act that was begun is finished, and no other is begun.

    Returns what the target is now.

    Raises:
        Left: it was not begun, or what it was about is no longer there; nothing of it remains.
        OSError: the disk refuses.
    """
    act, part = entry.act, record.part(entry, entry.act.target.parent)
    if not os.path.lexists(act.target):
        if not os.path.lexists(act.source):
            raise Skipped("it is no longer there")
        _discard(part)
        raise Skipped("it was not begun")
    if record.reserves and is_reservation(act.target, act.source):
        act.target.unlink()
        _discard(part)
        raise Skipped("it was not begun")
    ours = _OURS[act.action](act, entry.before, part)
    if ours and act.action == "move" and os.path.lexists(act.source):
        sync_folder(act.target.parent)
        act.source.unlink()
    _discard(part)
    if not ours:
        raise Skipped("it was not begun")
    return stamp(act.target, digest(act.target) if act.action == "copy" else None)


def take_back(record: Record, entry: Entry, after: Stamp, reserving: Callable[[], None]) -> bool:
    """Undo an act that was done -> whether there was anything to undo.

    Raises:
        Left: the file was changed since, or it is the last of its kind, or its old place is taken.
        OSError: the disk refuses.
    """
    act = entry.act
    if act.action == "move":
        return _put_back(record, entry, after, reserving)
    if not os.path.lexists(act.target):
        return False
    if act.action == "copy" and not is_stamped(act.target, replace(after, sha256=None)):
        raise Skipped("it was changed since, and stays")
    if not is_doubled(act.target, act.source):
        raise Skipped("its original is gone or was changed since, so that it stays")
    act.target.unlink()
    return True


def _put_back(record: Record, entry: Entry, after: Stamp, reserving: Callable[[], None]) -> bool:
    source, target = entry.act.source, entry.act.target
    part = record.part(entry, source.parent)
    if not os.path.lexists(target):
        if not os.path.lexists(source):
            raise Skipped("it is no longer there")
        _discard(part)
        return False
    if record.reserves and is_reservation(source, target):
        source.unlink()
    elif os.path.lexists(source):
        if not is_doubled(target, source):
            raise Skipped("something else lies in its old place, so that it stays")
        target.unlink()
        _discard(part)
        return True
    if not is_stamped(target, after):
        raise Skipped("it was changed since, and stays")
    source.parent.mkdir(parents=True, exist_ok=True)
    try:
        move(target, source, part, reserving)
    except FileExistsError as error:
        raise Skipped("something else lies in its old place, so that it stays") from error
    return True


def _moved(act: Act, before: Stamp, _part: Path) -> bool:
    if os.path.lexists(act.source):
        return is_doubled(act.source, act.target)
    return stamp(act.target).size == before.size


def _copied(act: Act, before: Stamp, part: Path) -> bool:
    if os.path.lexists(part):
        return is_same_file(part, act.target)
    if os.path.lexists(act.source):
        return is_doubled(act.target, act.source)
    return stamp(act.target).size == before.size


def _linked(act: Act, before: Stamp, _part: Path) -> bool:
    if os.path.lexists(act.source):
        return is_same_file(act.target, act.source.resolve())
    return is_stamped(act.target, before)


_OURS: dict[str, Callable[[Act, Stamp, Path], bool]] = {"move": _moved, "copy": _copied, "link": _linked}


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
