"""What earlier runs filed in a folder, by the journals that lie there; knows not why, and moves nothing itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Literal

from mien.store import journal
from mien.store.journal import Act, Outcome
from mien.store.placing import Stamp, is_same_file, is_stamped, stamp

Kind = Literal["sort", "clean"]
"""The verbs that file photos, after which their journals are called."""

FOLDER = ".mien"
"""What is mien's own in a folder; who reads data passes over it, as it is hidden."""

_NAME = re.compile(r"(?:sort|clean)-(\d+T\d+Z)-(\d+)\.jsonl")


@dataclass(frozen=True, slots=True)
class Earlier:
    """What lies filed: by source, what it was when it was filed and where it was put; and all files of earlier runs."""

    sources: Mapping[Path, tuple[Stamp, Path]] = field(default_factory=dict)
    targets: frozenset[Path] = frozenset()

    def place(self, source: Path) -> Path | None:
        """Where this source, as it is now, lies filed already."""
        known, target = self.sources.get(source, (None, None))
        return target if known is not None and known == stamp(source) else None


def new_journal(root: Path, kind: Kind) -> Path:
    """The folder that is filed into -> the path of a journal that is not there yet: `.mien/KIND-TIME-N.jsonl`."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    taken = {path.stem.partition("-")[2] for path in _journals(root)}  # of either kind, so that their order is told
    number = next(n for n in count(1) if f"{now}-{n}" not in taken)
    return root / FOLDER / f"{kind}-{now}-{number}.jsonl"


def newest_first(paths: Iterable[Path]) -> list[Path]:
    """Journals in the order in which they have to be taken back: their names hold the time."""
    return sorted(paths, key=lambda path: (path.parent, _time(path)), reverse=True)


def settle(root: Path) -> list[tuple[Path, Outcome]]:
    """Bring the journals of killed runs to their end -> each of them with what was done about it.

    Raises:
        DataError: a journal is damaged, or another run is filing into this folder.
    """
    return [(path, journal.resume(path)) for path in _journals(root) if not journal.is_finished(path)]


def earlier(root: Path, kind: Kind) -> Earlier:
    """What the journals of a verb in a folder say was filed there, and still lies where it was put.

    Raises:
        DataError: a journal is damaged.
    """
    sources: dict[Path, tuple[Stamp, Path]] = {}
    targets = set()
    for path in _journals(root, kind):
        for act, before, after in journal.filed(path):
            if _lies(act, after):
                sources[act.source] = before, act.target
                targets.add(act.target)
    return Earlier(sources, frozenset(targets))


def _journals(root: Path, kind: Kind | Literal["*"] = "*") -> list[Path]:
    found = (path for path in (root / FOLDER).glob(f"{kind}-*.jsonl") if _NAME.fullmatch(path.name))
    return sorted(found, key=_time)


def _time(path: Path) -> tuple[str, int, str]:
    name = _NAME.fullmatch(path.name)
    return (name[1], int(name[2]), path.name) if name else (path.name, 0, path.name)


def _lies(act: Act, after: Stamp) -> bool:
    if act.action == "link":
        return is_same_file(act.target, act.source.resolve())
    return is_stamped(act.target, replace(after, sha256=None))
