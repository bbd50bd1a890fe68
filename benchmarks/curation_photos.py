"""What `mien check` says of single photos: of good ones, where it should say little, and of ones damaged on purpose.

MIEN_DATA=... python benchmarks/curation_photos.py [--photos 80] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from mien.curation.checks import photo_findings, rejected_finding
from mien.curation.features import ImageFeatures
from mien.curation.findings import Kind
from mien.images import decode, encode
from mien.pipeline.execute import RunOptions
from mien.pipeline.extract_features import check_spec, extract_features
from mien.types import Box, Origin, PhotoRef, Pixels

SEED = 0
SETS = {
    "LFW": ("identity/lfw/*/*.jpg", "find"),
    "ORL": ("identity/orl/*/*.pgm", "find"),
    "CK+ 48 px": ("expression/ck48/*/*.png", "cut"),
    "FER2013 48 px": ("expression/fer2013_train/*/*.*", "cut"),
    "FairFace": ("attributes/fairface/**/*.jpg", "find"),
    "UTKFace": ("attributes/six_class/*/*.jpg", "find"),
    "street photos": ("mask/andrewmvd/*.*", "find"),
}
DAMAGED = ("LFW", "ORL")
"""Whose good photos are damaged."""

Damage = Callable[[Pixels, Box, np.random.Generator], Pixels]


@dataclass(frozen=True, slots=True)
class Planted:
    """A way to spoil a photo, and what should be found of it."""

    name: str
    kind: Kind
    damage: Damage


def blurred(share: float) -> Damage:
    """A Gaussian blur, its sigma a share of the face's side."""
    return lambda pixels, box, _: _whole(cv2.GaussianBlur(pixels, (0, 0), share * _side(box)))


def moved(share: float) -> Damage:
    """A face that moved in some direction while the shutter was open, by a share of its side."""

    def damage(pixels: Pixels, box: Box, rng: np.random.Generator) -> Pixels:
        reach = max(round(share * _side(box)), 2)
        angle = rng.uniform(0, np.pi)
        way = np.linspace(-reach / 2, reach / 2, 8 * reach)
        streak = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
        places = np.round(reach + way * np.sin(angle)).astype(int), np.round(reach + way * np.cos(angle)).astype(int)
        np.add.at(streak, places, 1)
        return _whole(cv2.filter2D(pixels, -1, streak / streak.sum()))

    return damage


def lit(gain: float, gamma: float = 1.0) -> Damage:
    """Brighter or darker: value -> gain * value ** gamma, of full brightness."""
    return lambda pixels, *_: _whole(255 * gain * (pixels / 255.0) ** gamma)


def cut(share: float) -> Damage:
    """The picture ends within the face, a share of whose width or height is missing at one of the four sides."""

    def damage(pixels: Pixels, box: Box, rng: np.random.Generator) -> Pixels:
        x1, y1, x2, y2 = (round(value) for value in box)
        wide, high = round(share * (x2 - x1)), round(share * (y2 - y1))
        parts = [pixels[:, x1 + wide :], pixels[:, : x2 - wide], pixels[y1 + high :], pixels[: y2 - high]]
        return np.ascontiguousarray(parts[rng.integers(4)])

    return damage


def shrunk(side: int) -> Damage:
    """Made so small that the face has as many pixels."""

    def damage(pixels: Pixels, box: Box, _: np.random.Generator) -> Pixels:
        scale = side / _side(box)
        return _whole(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))

    return damage


PLANTED = (
    Planted("Gaussian blur, 3 % of the face", Kind.BLURRED, blurred(0.03)),
    Planted("Gaussian blur, 5 %", Kind.BLURRED, blurred(0.05)),
    Planted("motion blur, 10 %", Kind.BLURRED, moved(0.1)),
    Planted("motion blur, 20 %", Kind.BLURRED, moved(0.2)),
    Planted("a quarter of the light", Kind.DARK, lit(0.25)),
    Planted("gamma 4", Kind.DARK, lit(1, 4)),
    Planted("three times the light", Kind.BRIGHT, lit(3)),
    Planted("40 % of the face cut off", Kind.CUT_OFF, cut(0.4)),
    Planted("face of 24 pixels", Kind.SMALL, shrunk(24)),
)


def refs_of(data: Path, name: str, count: int | None) -> list[PhotoRef]:
    """Photos of a set, evenly out of all: so many, or all of them."""
    files = sorted(data.glob(SETS[name][0]))
    some = files if count is None else files[:: max(len(files) // count, 1)][:count]
    return [PhotoRef(Origin(file.relative_to(data).as_posix(), file.parent.name), file) for file in some]


def spoilt(good: Sequence[tuple[PhotoRef, ImageFeatures]], damage: Damage) -> Iterator[PhotoRef]:
    """Photos with a face -> the same, damaged, as JPEG."""
    for number, (ref, shown) in enumerate(good):
        assert ref.path is not None
        pixels = decode(ref.path.read_bytes(), max_megapixels=100).pixels
        x1, y1, x2, y2 = (float(value) for value in shown.boxes[0])
        changed = damage(pixels, (x1, y1, x2, y2), np.random.default_rng([SEED, number]))
        yield PhotoRef(ref.origin, data=encode(changed, "jpeg"))


def kinds(refs: Sequence[PhotoRef], faces: str) -> tuple[list[ImageFeatures], list[set[Kind]]]:
    """Photos -> what they show, and the kinds of what was found in each of them."""
    looked = list(extract_features(refs, check_spec("auto", faces), RunOptions(cache=False)))
    found = [photo_findings(each) if isinstance(each, ImageFeatures) else [rejected_finding(each)] for each in looked]
    return [each for each in looked if isinstance(each, ImageFeatures)], [{one.kind for one in each} for each in found]


def shares(found: Sequence[set[Kind]]) -> dict[str, float]:
    """How many of all photos have a finding of each kind, and of any."""
    counts = Counter(str(kind) for each in found for kind in each)
    counts["any"] = sum(bool(each) for each in found)
    return {kind: count / max(len(found), 1) for kind, count in counts.items()}


def _side(box: Box) -> float:
    return min(box[2] - box[0], box[3] - box[1])


def _whole(pixels: np.ndarray) -> Pixels:
    return np.ascontiguousarray(np.clip(np.round(pixels), 0, 255).astype(np.uint8))


def _good(data: Path, count: int) -> dict[str, tuple[int, dict[str, float]]]:
    result = {}
    for name, (_, faces) in SETS.items():
        refs = refs_of(data, name, 8 * count)
        if refs:
            result[name] = len(refs), shares(kinds(refs, faces)[1])
    return result


def _spoilt(data: Path, count: int) -> dict[str, dict[str, dict[str, float]]]:
    result: dict[str, dict[str, dict[str, float]]] = {planted.name: {} for planted in PLANTED}
    for name in DAMAGED:
        refs = refs_of(data, name, count)
        shown = {each.key: each for each in kinds(refs, "find")[0] if len(each)}
        good = [(ref, shown[ref.key]) for ref in refs if ref.key in shown]
        for planted in PLANTED:
            result[planted.name][name] = shares(kinds(list(spoilt(good, planted.damage)), "find")[1])
    return result


def _tables(
    good: Mapping[str, tuple[int, dict[str, float]]], bad: Mapping[str, Mapping[str, dict[str, float]]]
) -> None:
    console = Console(width=140)
    table = Table("as they are", "photos", "any", "of which")
    for name, (count, found) in good.items():
        rest = sorted(((share, kind) for kind, share in found.items() if kind != "any"), reverse=True)
        words = ", ".join(f"{kind} {share:.1%}" for share, kind in rest)
        table.add_row(name, str(count), f"{found['any']:.1%}", words)
    console.print(table)
    table = Table("damaged", "expected", *(f"{name}: found" for name in DAMAGED), "no face found")
    for planted in PLANTED:
        rows = [bad[planted.name][name] for name in DAMAGED]
        cells = [f"{row.get(str(planted.kind), 0):.0%}" for row in rows]
        lost = " / ".join(f"{row.get(str(Kind.NO_FACE), 0):.0%}" for row in rows)
        table.add_row(planted.name, str(planted.kind), *cells, lost)
    console.print(table)


def main() -> None:
    """Look at good photos, spoil some, look again, print two tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=int, default=80)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data = Path(os.environ["MIEN_DATA"])
    good, bad = _good(data, options.photos), _spoilt(data, options.photos)
    _tables(good, bad)
    if options.json:
        options.json.write_text(json.dumps({"good": good, "damaged": bad}, indent=1))


if __name__ == "__main__":
    main()
