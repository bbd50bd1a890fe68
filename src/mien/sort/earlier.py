"""What earlier runs filed in a folder, by the journals that lie there; knows no prediction and moves nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from mien.store import journal
from mien.store.journal import Act, Outcome
from mien.store.placing import Stamp, is_same_file, is_stamped, stamp

_FOLDER = ".mien"


@dataclass(frozen=True, slots=True)
class Earlier:
    """What lies filed: by source, what it was when it was filed and where it was put; and all files of earlier runs."""

    sources: Mapping[Path, tuple[Stamp, Path]] = field(default_factory=dict)
    targets: frozenset[Path] = frozenset()

    def place(self, source: Path) -> Path | None:
        """Where this source, as it is now, lies filed already."""
        known, target = self.sources.get(source, (None, None))
        return target if known is not None and known == stamp(source) else None


def new_journal(root: Path) -> Path:
    """The folder that is sorted into -> the path of a journal that is not there yet: `.mien/sort-TIME-N.jsonl`."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    paths = (root / _FOLDER / f"sort-{now}-{n}.jsonl" for n in count(1))
    return next(path for path in paths if not path.exists())


def settle(root: Path) -> list[tuple[Path, Outcome]]:
    """Bring the journals of killed runs to their end -> each of them with what was done about it.

    Raises:
        DataError: a journal is damaged, or another run is sorting into this folder.
    """
    return [(path, journal.resume(path)) for path in _journals(root) if not journal.is_finished(path)]


def earlier(root: Path) -> Earlier:
    """What the journals in a folder say was filed there, and still lies where it was put.

    Raises:
        DataError: a journal is damaged.
    """
    sources: dict[Path, tuple[Stamp, Path]] = {}
    targets = set()
    for path in _journals(root):
        for act, before, after in journal.filed(path):
            if _lies(act, after):
                sources[act.source] = before, act.target
                targets.add(act.target)
    return Earlier(sources, frozenset(targets))


def _journals(root: Path) -> list[Path]:
    return sorted((root / _FOLDER).glob("sort-*.jsonl"))


def _lies(act: Act, after: Stamp) -> bool:
    if act.action == "link":
        return is_same_file(act.target, act.source.resolve())
    return is_stamped(act.target, replace(after, sha256=None))
