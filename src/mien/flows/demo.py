"""The main job from end to end on two public-domain photographs that installed packages carry, without a download."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mien import fileio
from mien.config import settings
from mien.errors import DataError, MissingExtra
from mien.flows.evaluate import evaluate
from mien.flows.look import look
from mien.flows.sort import sort
from mien.flows.train import train
from mien.images import decode, encode
from mien.models import builtin_traits
from mien.pipeline.annotate import PhotoReport
from mien.pipeline.progress import Progress
from mien.text import pluralize
from mien.types import Pixels

_PEOPLE = {
    "Eileen Collins": ("skimage", "data/astronaut.png"),
    "Grace Hopper": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
}
_FACELESS = ("coffee.png", "chelsea.png", "rocket.jpg")
_TO_LEARN, _TO_SORT = 12, 6
# Expression is for research only, and gender is wrong of one of these two people.
_TRAITS = ("age", "glasses")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Where the demo wrote, and what came of it."""

    folder: Path
    faces: int
    accuracy: float | None
    filed: int
    rejected: int

    def as_json(self) -> dict[str, Any]:
        """The line of `mien demo --json`."""
        return {
            "folder": str(self.folder),
            "faces": self.faces,
            "accuracy_all": self.accuracy,
            "filed": self.filed,
            "rejected": self.rejected,
        }


def demo(folder: Path, say: Say, *, progress: bool | Progress = False) -> DemoResult:
    """Look, train, evaluate and sort in `folder`, naming each step and the command that does it.

    Raises:
        MissingExtra: scikit-image, which carries the photos, is not installed.
        DataError: `folder` holds something already, or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file: name a folder")
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty: the demo writes into a folder of its own, name another or remove it")
    album(folder)
    say(
        f"This demo is tiny: {_TO_LEARN + _TO_SORT} renditions (cropped, turned, darker, smaller) of one photograph of"
        f" each of {len(_PEOPLE)} people. It shows that everything runs; its figures say nothing about accuracy."
    )
    traits = ",".join(name for name in _TRAITS if name in builtin_traits.enabled_traits()) or builtin_traits.NONE
    options = f"--min-face 40 --traits {traits} --draw {folder}/look"
    say(f"\n1. Look at the photos:  mien look {folder}/originals {options}")
    faces = 0
    originals = [folder / "originals"]
    for report in look(originals, draw=folder / "look", traits=traits, min_face=40, progress=progress):
        found = report.faces if isinstance(report, PhotoReport) else []
        faces += len(found)
        words = [", ".join(face.words()) for face in found]
        say(f"   {Path(report.key).name}: {'; '.join([pluralize(len(found), 'face'), *filter(None, words)])}")
    bundle = folder / "people.mien"
    say(f"\n2. Learn who is who:  mien train {folder}/photos --out {bundle}")
    training = train(folder / "photos", bundle, progress=progress).training
    counts = training.fit.counts
    say(f"   {sum(counts.values())} photos of {len(counts)} people in {training.seconds:.1f} s")
    say(f"\n3. Measure it on other renditions:  mien evaluate {bundle} {folder}/held-out --report {folder}/report.html")
    measured = evaluate(bundle, folder / "held-out", report=folder / "report.html", progress=progress)
    say(f"   {measured.accuracy_all.right} of {measured.n} right")
    say(f"\n4. File a messy folder:  mien sort {bundle} {folder}/inbox {folder}/sorted")
    done = sort(bundle, folder / "inbox", folder / "sorted", progress=progress)
    for label, count in {**done.plan.counts, "unknown": done.plan.unknown, "rejected": done.plan.rejected}.items():
        say(f"   {label}: {count}")
    say(f"\n5. Take it back:  mien undo {done.journal}")
    say(f"\nOpen {folder}/report.html, {bundle}/report.html and the pictures in {folder}/look.")
    return DemoResult(folder, faces, measured.accuracy_all.value, len(done.outcome.done), done.plan.rejected)


def album(folder: Path) -> None:
    """Write the photos: `originals/`, label folders in `photos/` and `held-out/`, and a messy `inbox/`.

    Raises:
        MissingExtra: scikit-image is not installed. DataError: `folder` cannot be written.
    """
    for number, (name, where) in enumerate(_PEOPLE.items()):
        pixels = _photo(*where)
        fileio.write(folder / "originals" / f"{name}.jpg", encode(pixels, "jpeg"))
        for i, rendition in enumerate(_renditions(pixels, _TO_LEARN + _TO_SORT, seed=number)):
            if i < _TO_LEARN:
                fileio.write(folder / "photos" / name / f"{i:02d}.jpg", encode(rendition, "jpeg", 80))
            else:
                fileio.write(folder / "held-out" / name / f"{i:02d}.jpg", encode(rendition, "jpeg", 80))
                fileio.write(folder / "inbox" / f"{number}{i:02d}.jpg", encode(rendition, "jpeg", 80))
    for name in _FACELESS:
        fileio.write(folder / "inbox" / name, _file("skimage", f"data/{name}").read_bytes())


def _renditions(pixels: Pixels, count: int, seed: int) -> Iterator[Pixels]:
    """The same photograph, framed, turned and lit in other ways."""
    rng = np.random.default_rng(seed)
    height, width = pixels.shape[:2]
    for i in range(count):
        matrix = cv2.getRotationMatrix2D((width / 2, height / 3), rng.uniform(-12, 12), rng.uniform(0.8, 1.3))
        turned = cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
        small = cv2.resize(
            turned, None, fx=(fraction := rng.uniform(0.45, 1)), fy=fraction, interpolation=cv2.INTER_AREA
        )
        lit = 255 * (small / 255) ** rng.uniform(0.6, 1.7) * rng.uniform(0.8, 1.1)
        lit = np.clip(lit + rng.normal(0, rng.uniform(0, 8), small.shape), 0, 255).astype(np.uint8)
        yield np.ascontiguousarray(lit[:, ::-1] if i % 2 else lit)


def _photo(package: str, path: str) -> Pixels:
    return decode(_file(package, path).read_bytes(), max_megapixels=settings().max_megapixels).pixels


def _file(package: str, path: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingExtra(f"the demo's photographs come with other packages ({package}): pip install 'mien[demo]'")
    return Path(spec.origin).parent / path
