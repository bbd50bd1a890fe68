"""Plans which file of a folder of label folders goes where by what was decided, and cuts and turns photos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from mien.curation.verdicts import CHANGES, Action, Decision, Decisions, Verdict
from mien.images import ImageError, decode, encode, turn
from mien.store.fileops import FreeNames
from mien.store.journal import FilingHistory, Transfer
from mien.text import safe_name
from mien.types import Box, Origin, PhotoRef, Reason

_NOT_LABELS = ("__macosx", "thumbs.db", "desktop.ini")
"""Safe names that are skipped all the same when data is read."""


class PhotoEditor(Protocol):
    """A photo and what was decided -> the file of the picture that is to take its place, outside of the data.

    With `write=False` it is not made, and only its name is given. Raises ImageError.
    """

    def __call__(self, ref: PhotoRef, decision: Decision, *, write: bool = True) -> Path: ...


@dataclass(frozen=True, slots=True)
class CleaningSite:
    """Where photos are and go: the data's folder without links, the folder for dropped photos, and earlier runs."""

    root: Path
    dropped: Path
    earlier: FilingHistory
    edit: PhotoEditor


@dataclass(frozen=True, slots=True)
class CleaningStep:
    """What is done with one photo: its file move, and for "face" and "turn" that of the picture that replaces it.

    label: the one afterwards, None where nothing replaces a dropped photo.
    """

    key: str
    verdict: Action
    act: Transfer
    label: str | None
    edited: Transfer | None = None

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        """Its file moves in order: the picture comes first, unless it gets the name of the photo."""
        if self.edited is None:
            return (self.act,)
        return (self.act, self.edited) if self.edited.after else (self.edited, self.act)


@dataclass(frozen=True, slots=True)
class CleaningPlan:
    """What to do, and how many photos need nothing.

    kept: photos that stay as they are. before: photos that an earlier run dealt with. gone: verdicts on photos that do
    not exist. refused: photos that are left alone, with the reason.
    """

    steps: Sequence[CleaningStep]
    kept: int
    before: int
    gone: Sequence[Verdict]
    refused: Sequence[tuple[str, str]]

    @property
    def acts(self) -> tuple[Transfer, ...]:
        """All file moves, in an order in which a photo is in the data at any time, whole or cut, or makes way."""
        return tuple(act for step in self.steps for act in step.transfers)

    def as_json(self) -> Iterator[dict[str, str | None]]:
        """The fields of a line a photo: `path`, `verdict`, `source`, `target`, `cut`, `turned` and `label`."""
        for step in self.steps:
            files = {"source": str(step.act.source), "target": str(step.act.target)}
            edited = None if step.edited is None else str(step.edited.target)
            pictures = {name: edited if step.verdict == verb else None for name, verb in _PICTURES}
            yield {"path": step.key, "verdict": step.verdict, **files, **pictures, "label": step.label}


_PICTURES = (("cut", "face"), ("turned", "turn"))


def plan_cleaning(refs: Sequence[PhotoRef], decisions: Decisions, site: CleaningSite) -> CleaningPlan:
    """Photos of label folders, and the decisions on them -> what goes where.

    A dropped photo keeps its path below the folder of dropped photos. No file gets a name that a verdict is about, or
    that a photo had before it was moved, so that applying the same verdicts twice never hits another photo.
    """
    by_key = {ref.key: ref for ref in refs}
    missing = {verdict.path: verdict for verdict in decisions.missing if verdict.verdict in CHANGES}
    gone = [verdict for path, verdict in missing.items() if site.root / path not in site.earlier.sources]
    reserved = [*(site.root / verdict.path for verdict in decisions.missing), *site.earlier.sources]
    reserved += [path for key in decisions.photos if (path := by_key[key].path)]
    depth = int(any(ref.origin.split for ref in refs))
    planner = _Planner(site, depth, _label_folders(refs, site.root, depth), FreeNames(reserved))
    steps = [step for verdict in missing.values() if (step := planner.unfinished(verdict))]
    refused, before = [], len(missing) - len(gone) - len(steps)
    for key in sorted(key for key, decision in decisions.photos.items() if decision.changes):
        try:
            if step := planner.step(by_key[key], decisions.photos[key]):
                steps.append(step)
            else:
                before += 1
        except (_Refusal, ImageError) as error:
            refused.append((key, error.detail if isinstance(error, ImageError) else str(error)))
    kept = sum(not decision.changes for decision in decisions.photos.values())
    return CleaningPlan(steps, kept, before, gone, refused)


class _Refusal(Exception):
    """Why a photo is left alone."""


@dataclass(slots=True)
class _Planner:
    """Finds a place for each photo; `depth` is the number of folders above the label folders."""

    site: CleaningSite
    depth: int
    folders: Mapping[tuple[Path, str], Path]
    names: FreeNames
    inside: dict[Path, bool] = field(default_factory=dict)

    def step(self, ref: PhotoRef, decision: Decision) -> CleaningStep | None:
        """What is to be done with a photo; None where an earlier run did it."""
        source = self._source(ref)
        if decision.turn and self._was_turned(ref, source, decision):
            if decision.box is not None:
                raise _Refusal("it was turned before, so its faces are elsewhere now: check the data again")
            decision = replace(decision, turn=0)
            if not decision.changes:
                return None
        if decision.to is not None and not decision.edits:
            folder = self._folder(source, decision.to)
            act = Transfer(source, self.names.claim(folder / source.name), "move")
            return CleaningStep(ref.key, "move", act, decision.to)
        target = self.names.claim(self.site.dropped / source.relative_to(self.site.root))
        if not decision.edits:
            return CleaningStep(ref.key, "drop", Transfer(source, target, "move"), None)
        label = decision.to or ref.origin.label
        verdict: Action = "turn" if decision.box is None else "face"
        folder = source.parent if decision.to is None else self._folder(source, decision.to)
        edited = self.site.edit(ref, decision)
        if edited in self.site.earlier.sources:  # placed by an earlier run, which was then killed
            return CleaningStep(ref.key, verdict, Transfer(source, target, "move"), label)
        if verdict == "turn" and folder == source.parent:
            placed = Transfer(edited, source, "move", after=source)
            return CleaningStep(ref.key, verdict, Transfer(source, target, "move"), label, placed)
        name = source.name if verdict == "turn" else f"{source.stem}-face0{edited.suffix}"
        placed = Transfer(edited, self.names.claim(folder / name), "move")
        return CleaningStep(ref.key, verdict, Transfer(source, target, "move", after=edited), label, placed)

    def unfinished(self, verdict: Verdict) -> CleaningStep | None:
        """What is left to do for a photo that a run took away to turn it, and was killed before it put it back."""
        place = self.site.root / verdict.path
        _, original = self.site.earlier.sources.get(place, (None, None))
        if verdict.verdict != "turn" or original is None or verdict.to is None:
            return None
        ref = PhotoRef(Origin(place.relative_to(self.site.root).as_posix(), verdict.label), original)
        try:
            edited = self.site.edit(ref, Decision(turn=int(verdict.to)), write=False)
        except ImageError:  # it can no longer be read
            return None
        if edited in self.site.earlier.sources or not edited.exists():
            return None
        return CleaningStep(ref.key, "turn", Transfer(edited, place, "move"), verdict.label)

    def _was_turned(self, ref: PhotoRef, source: Path, decision: Decision) -> bool:
        """Whether what is there now is what an earlier run put in the photo's place, by the same verdict."""
        _, original = self.site.earlier.sources.get(source, (None, None))
        if original is None:
            return False
        turned = self.site.edit(PhotoRef(ref.origin, original), Decision(turn=decision.turn), write=False)
        return turned in self.site.earlier.sources

    def _source(self, ref: PhotoRef) -> Path:
        path, root = ref.path, self.site.root
        assert path is not None
        if path.is_symlink():
            raise _Refusal("it is a symbolic link, which is not moved: clean the folder that it leads to")
        folder = path.parent
        if folder not in self.inside:
            self.inside[folder] = folder.resolve().is_relative_to(root)
        if not self.inside[folder]:
            raise _Refusal(f"{folder} leads out of {root}: clean the folder that it leads to")
        return path

    def _folder(self, source: Path, label: str) -> Path:
        """The label's folder, on the side of a split where the photo is."""
        parts = source.relative_to(self.site.root).parts[: self.depth]
        if source.name in parts:
            raise _Refusal("it is next to the split folders, not inside one: move it into one")
        top = self.site.root.joinpath(*parts)
        if known := self.folders.get((top, label)):
            return known
        if safe_name(label) != label or label.lower().endswith(".mien") or label.lower() in _NOT_LABELS:
            raise _Refusal(f"{label!r} cannot be the name of a label folder: choose another label")
        return top / label


def _label_folders(refs: Sequence[PhotoRef], root: Path, depth: int) -> dict[tuple[Path, str], Path]:
    """The folder above label folders, and a label -> the label's folder, spelt as it is on the disk."""
    folders: dict[tuple[Path, str], Path] = {}
    for ref in refs:
        if ref.path is not None and ref.origin.label is not None:
            folder = root.joinpath(*ref.path.relative_to(root).parts[: depth + 1])
            folders.setdefault((folder.parent, ref.origin.label), folder)
    return folders


# Cutting the face that is meant out of a photo, and turning a photo upright.

MARGIN = 0.25
"""Added on each side of the face's box, as a share of its longer side.

Of 76 faces in photos of several, MTCNN took the one that was meant for the main face of every cut with a margin of 0.2
or 0.3, and found it alone in 100 and 93 %; with 0.5, in 71 %. Vectors of dlib's network move by 0.03 at either.
"""


def cut_face(data: bytes, box: Box, max_megapixels: float) -> tuple[bytes, str]:
    """A photo's bytes, and the box of a face in pixels of the upright photo -> a picture of it, and its suffix.

    A JPEG stays a JPEG, and anything else becomes a PNG. Raises ImageError for a box that is not inside the photo.
    """
    decoded = decode(data, max_megapixels=max_megapixels)
    x1, y1, x2, y2 = box
    room = MARGIN * max(x2 - x1, y2 - y1)
    low = np.floor([x1 - room, y1 - room]).clip(0).astype(int)
    high = np.ceil([x2 + room, y2 + room]).clip(None, [decoded.width, decoded.height]).astype(int)
    if min(x2, decoded.width) - max(x1, 0) < 1 or min(y2, decoded.height) - max(y1, 0) < 1:
        size = f"{decoded.width} x {decoded.height}"
        raise ImageError(Reason.NO_FACE, f"the box of the face is outside this photo of {size} pixels")
    pixels = np.ascontiguousarray(decoded.pixels[low[1] : high[1], low[0] : high[0]])
    is_jpeg = data[:2] == b"\xff\xd8"
    return (encode(pixels, "jpeg"), ".jpg") if is_jpeg else (encode(pixels, "png"), ".png")


def edit_photo(data: bytes, decision: Decision, max_megapixels: float) -> tuple[bytes, str | None]:
    """A photo's bytes -> the picture that is to take its place, cut and turned as was decided, and its suffix.

    The suffix is None where it is that of the photo. Raises ImageError as `cut_face` and `turn`.
    """
    suffix = None
    if decision.box is not None:
        data, suffix = cut_face(data, decision.box, max_megapixels)
    return (turn(data, decision.turn, max_megapixels) if decision.turn else data), suffix
