"""Photos in, a folder of upright crops out, the folders of the photos kept; what is there already is not cut again."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from mien import atomic
from mien.errors import DataError
from mien.flows.chain import Chain
from mien.flows.drive import Drive
from mien.flows.embed import ledger
from mien.images import encode
from mien.stage import Needs
from mien.types import Crop, PhotoRef, Rejected

SUFFIXES = {"jpeg": ".jpg", "png": ".png"}
_MARK = PurePosixPath(".mien/align.json")


@dataclass(frozen=True, slots=True)
class Aligned:
    """What came of it.

    crops: written now. there: photos whose crops an earlier run had written. counts: crops by folder, of both.
    """

    photos: int
    crops: int
    there: int
    rejected: Sequence[Rejected]
    counts: Mapping[str, int]
    seconds: float


def align(src: Path, refs: Sequence[PhotoRef], dst: Path, chain: Chain, form: str, drive: Drive) -> Aligned:
    """Photos under `src` -> crops under `dst`, `a/b/x.png` to `a/b/x.jpg`, and the ledger `dst/rejected.csv`.

    A run that was broken off goes on where it stopped. With all faces, the second face of x becomes x-face1.

    Raises:
        DataError: no such format, `dst` holds crops of another kind, or cannot be written.
    """
    if form not in SUFFIXES:
        raise DataError(f"--format {form}: use {' or '.join(SUFFIXES)}")
    start = time.perf_counter()
    _claim(dst, chain, form)
    targets = _targets(src, refs, SUFFIXES[form])
    todo = [ref for ref in refs if not (dst / targets[ref.key]).exists()]
    chain.ready()
    stages = [*chain.cutting(), Save(dst, targets, form)]
    crops, rejected = 0, []
    for result in drive.run(stages, todo, len(todo), "photos"):
        if isinstance(result, Rejected):
            rejected.append(result)
        else:
            crops += 1
    atomic.write(dst / "rejected.csv", ledger(rejected))
    return Aligned(len(refs), crops, len(refs) - len(todo), rejected, _counts(dst, SUFFIXES[form]), _since(start))


@dataclass(frozen=True, slots=True)
class Save:
    """Writes each crop to its place: Crop -> Crop."""

    folder: Path
    targets: Mapping[str, PurePosixPath]
    form: str
    name: str = "save"
    batch_size: int = 1
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Crop], /) -> Iterator[Crop]:
        for crop in batch:
            target = self.targets[crop.key]
            if crop.face.index:
                target = target.with_stem(f"{target.stem}-face{crop.face.index}")
            atomic.write(self.folder / target, encode(crop.pixels, "png" if self.form == "png" else "jpeg"))
            yield crop


def _claim(dst: Path, chain: Chain, form: str) -> None:
    """Mark the folder with how its crops are cut, so that a later run does not mix two kinds."""
    ours = {**chain.as_json(), "format": form}
    mark = dst / _MARK
    if mark.exists():
        try:
            theirs = json.loads(mark.read_bytes())
        except ValueError:
            theirs = None
        if theirs != json.loads(json.dumps(ours)):
            raise DataError(f"{dst} holds crops that were cut in another way: choose another folder, or empty this one")
    else:
        atomic.write(mark, json.dumps(ours, indent=1).encode())


def _targets(src: Path, refs: Sequence[PhotoRef], suffix: str) -> dict[str, PurePosixPath]:
    """A place for each photo; `x.png` beside `x.jpg` becomes `x-1`. The same photos get the same places every time."""
    taken: set[str] = set()
    targets = {}
    for ref in refs:
        path = ref.path or Path(ref.key)
        relative = PurePosixPath((path.relative_to(src) if path.is_relative_to(src) else Path(path.name)).as_posix())
        place, n = relative.with_suffix(suffix), 0
        while str(place).casefold() in taken:
            n += 1
            place = relative.with_name(f"{relative.stem}-{n}{suffix}")
        taken.add(str(place).casefold())
        targets[ref.key] = place
    return targets


def _counts(dst: Path, suffix: str) -> dict[str, int]:
    folders = Counter(path.relative_to(dst).parts[0] for path in dst.rglob(f"*{suffix}") if path.parent != dst)
    return dict(sorted(folders.items()))


def _since(start: float) -> float:
    return time.perf_counter() - start
