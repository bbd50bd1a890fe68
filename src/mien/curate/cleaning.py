"""Which file of a folder of label folders goes where, by what was decided; moves nothing, and reads no photo."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mien.curate.decisions import Decided, Decision
from mien.curate.verdicts import Verdict, Word
from mien.images import ImageError
from mien.store.journal import Act
from mien.store.journals import Earlier
from mien.store.names import Names, safe_name
from mien.types import Box, PhotoRef

_NOT_LABELS = ("__macosx", "thumbs.db", "desktop.ini")
"""Names that are safe and that reading data passes over all the same."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where photos lie and go: the data's folder without links, the folder of what is dropped, and what was done there.

    cut: a photo and the box of a face in it -> the file of the cut, outside of the data; raises ImageError.
    """

    root: Path
    dropped: Path
    earlier: Earlier
    cut: Callable[[PhotoRef, Box], Path]


@dataclass(frozen=True, slots=True)
class Cleaning:
    """One photo that is filed elsewhere, and for "face" what takes its place; `label` is None where nothing does."""

    key: str
    verdict: Word
    act: Act
    label: str | None
    cut: Act | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, and on how many photos there is nothing to do.

    kept: photos that stay as they are. before: photos that an earlier run dealt with. gone: verdicts on photos that are
    not there. refused: photos that are left alone, with the reason.
    """

    cleanings: Sequence[Cleaning]
    kept: int
    before: int
    gone: Sequence[Verdict]
    refused: Sequence[tuple[str, str]]

    @property
    def acts(self) -> tuple[Act, ...]:
        """All of it in an order in which a photo is in the data at any time, whole or cut."""
        return tuple(act for each in self.cleanings for act in (each.cut, each.act) if act is not None)

    def as_json_lines(self) -> Iterator[str]:
        """One JSON object a photo: `path`, `verdict`, `source`, `target`, and `cut` and `label`, which may be null."""
        for each in self.cleanings:
            where = {"source": str(each.act.source), "target": str(each.act.target)}
            cut = None if each.cut is None else str(each.cut.target)
            yield json.dumps({"path": each.key, "verdict": each.verdict, **where, "cut": cut, "label": each.label})


def plan(refs: Sequence[PhotoRef], decided: Decided, ground: Ground) -> Plan:
    """Photos of label folders, and what becomes of them -> what goes where.

    What is dropped keeps its path below the folder of what is dropped. No file gets a name that a verdict is about, or
    that a photo had before it was filed elsewhere, so that verdicts followed twice do not hit another photo.
    """
    by_key = {ref.key: ref for ref in refs}
    before, gone = _gone(decided.gone, ground)
    named = [*(ground.root / verdict.path for verdict in decided.gone), *ground.earlier.sources]
    named += [path for key in decided.photos if (path := by_key[key].path)]
    depth = int(any(ref.origin.split for ref in refs))
    places = _Places(ground, depth, _folders(refs, ground.root, depth), Names(named))
    cleanings, refused = [], []
    for key in sorted(key for key, decision in decided.photos.items() if decision.changes):
        try:
            cleanings.append(places.cleaning(by_key[key], decided.photos[key]))
        except (_Refused, ImageError) as error:
            refused.append((key, error.detail if isinstance(error, ImageError) else str(error)))
    kept = sum(not decision.changes for decision in decided.photos.values())
    return Plan(cleanings, kept, before, gone, refused)


class _Refused(Exception):
    """A photo is left alone; the message says why."""


@dataclass(slots=True)
class _Places:
    """Hands out the places that photos go to; `depth` is how many folders lie above label folders."""

    ground: Ground
    depth: int
    folders: Mapping[tuple[Path, str], Path]
    names: Names
    inside: dict[Path, bool] = field(default_factory=dict)

    def cleaning(self, ref: PhotoRef, decision: Decision) -> Cleaning:
        source = self._source(ref)
        if decision.to is not None and decision.box is None:
            folder = self._folder(source, decision.to)
            return Cleaning(ref.key, "move", Act(source, self.names.free(folder / source.name), "move"), decision.to)
        target = self.names.free(self.ground.dropped / source.relative_to(self.ground.root))
        if decision.box is None:
            return Cleaning(ref.key, "drop", Act(source, target, "move"), None)
        label = decision.to or ref.origin.label
        folder = source.parent if decision.to is None else self._folder(source, decision.to)
        cut = self.ground.cut(ref, decision.box)
        if cut in self.ground.earlier.sources:  # a run that was killed came so far
            return Cleaning(ref.key, "face", Act(source, target, "move"), label)
        placed = Act(cut, self.names.free(folder / f"{source.stem}-face0{cut.suffix}"), "move")
        return Cleaning(ref.key, "face", Act(source, target, "move", after=cut), label, placed)

    def _source(self, ref: PhotoRef) -> Path:
        path, root = ref.path, self.ground.root
        assert path is not None
        if path.is_symlink():
            raise _Refused("it is a symbolic link, which is not moved: clean the folder that it leads to")
        folder = path.parent
        if folder not in self.inside:
            self.inside[folder] = folder.resolve().is_relative_to(root)
        if not self.inside[folder]:
            raise _Refused(f"{folder} leads out of {root}: clean the folder that it leads to")
        return path

    def _folder(self, source: Path, label: str) -> Path:
        """The label's folder, on the side of a split where the photo is."""
        parts = source.relative_to(self.ground.root).parts[: self.depth]
        if source.name in parts:
            raise _Refused("it lies beside the splits, in none of them: put it into one")
        top = self.ground.root.joinpath(*parts)
        if known := self.folders.get((top, label)):
            return known
        if safe_name(label) != label or label.lower().endswith(".mien") or label.lower() in _NOT_LABELS:
            raise _Refused(f"{label!r} cannot be the name of a label folder: choose another label")
        return top / label


def _gone(verdicts: Sequence[Verdict], ground: Ground) -> tuple[int, list[Verdict]]:
    """Verdicts on photos that are not there -> how many of these an earlier run dealt with; one on each other photo."""
    asked = {v.path: v for v in verdicts if v.verdict in ("drop", "move", "face")}
    found = [v for path, v in asked.items() if ground.root / path not in ground.earlier.sources]
    return len(asked) - len(found), found


def _folders(refs: Sequence[PhotoRef], root: Path, depth: int) -> dict[tuple[Path, str], Path]:
    """Where each label's photos lie: folder of label folders and label -> label folder, spelt as it is on the disk."""
    found: dict[tuple[Path, str], Path] = {}
    for ref in refs:
        if ref.path is not None and ref.origin.label is not None:
            folder = root.joinpath(*ref.path.relative_to(root).parts[: depth + 1])
            found.setdefault((folder.parent, ref.origin.label), folder)
    return found
