"""The boxes of the mask data: which were trained on, how they are cut, and whose found face is whose; asks no trait."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from mien.images import decode, encode
from mien.types import UNCERTAIN, Box
from traits_asking import Rows, share

MARGINS = (0.0, 0.15, 0.3)
LEAST = 24
"""Pixels on the shorter side of a box."""
SAME = 0.4
COLOURS = Path(__file__).with_name("mask_colours.csv")
TWICE = "mask/andrewmvd/maksssksksss1.jpg"
"""Would be held out, but the same photo was trained on, as maksssksksss157.jpg."""


@dataclass(frozen=True, slots=True)
class Boxed:
    """A face by its box: part is "held out", "trained on" or "synthetic"; colour of its mask, where labelled by eye."""

    path: str
    label: str
    box: Box
    part: str
    colour: str

    @property
    def name(self) -> str:
        return f"{Path(self.path).stem}_{self.box[0]:.0f}_{self.box[1]:.0f}.png"


def faces_of(data: Path) -> list[Boxed]:
    """The boxes that are large enough.

    Held out are the street photos whose number, in the order in which they first appear, is divisible by 4: as
    `recipes.traits.train` leaves them out.
    """
    with (data / "mask" / "boxes.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with COLOURS.open(newline="", encoding="utf-8") as file:
        colours = {(row["path"], row["xmin"], row["ymin"]): row["colour"] for row in csv.DictReader(file)}
    number = {path: i for i, path in enumerate(dict.fromkeys(row["path"] for row in rows))}
    faces = []
    for row in rows:
        x1, y1, x2, y2 = (float(row[name]) for name in ("xmin", "ymin", "xmax", "ymax"))
        path = row["path"]
        part = "held out" if number[path] % 4 == 0 and path != TWICE else "trained on"
        if "andrewmvd" not in path:
            part = "synthetic"
        if min(x2 - x1, y2 - y1) >= LEAST:
            colour = colours.get((path, row["xmin"], row["ymin"]), "")
            faces.append(Boxed(path, row["label"], (x1, y1, x2, y2), part, colour))
    return faces


def cuts(data: Path, faces: Sequence[Boxed], margin: float) -> Rows:
    """The rectangle of each box with a margin, a share of its sides, as far as the photo goes."""
    for face in faces:
        pixels = decode((data / face.path).read_bytes(), max_megapixels=100).pixels
        x1, y1, x2, y2 = face.box
        across, down = margin * (x2 - x1), margin * (y2 - y1)
        left, top = max(round(x1 - across), 0), max(round(y1 - down), 0)
        cut = pixels[top : round(y2 + down), left : round(x2 + across)]
        yield face.name, face.label, encode(np.ascontiguousarray(cut), "png")


def matched(faces: Sequence[Boxed], seen: Sequence[Mapping[str, Any]]) -> list[tuple[Boxed, Mapping[str, Any]]]:
    """Boxes and the lines of `mien look` -> a box with the face found in it, the best pairs first, each once."""
    found = {Path(line["image"]).name: line.get("faces", []) for line in seen}
    pairs = [
        (overlap(face.box, other["box"]), i, j)
        for i, face in enumerate(faces)
        for j, other in enumerate(found.get(Path(face.path).name, []))
    ]
    taken: set[int] = set()
    used: set[tuple[str, int]] = set()
    result = []
    for same, i, j in sorted(pairs, reverse=True):
        name = Path(faces[i].path).name
        if same >= SAME and i not in taken and (name, j) not in used:
            taken.add(i)
            used.add((name, j))
            result.append((faces[i], found[name][j]))
    return result


def scored(pairs: Sequence[tuple[Boxed, Mapping[str, Any]]], boxes: int) -> dict[str, Any]:
    """Boxes with the faces found in them -> how many were found, and the figures of `mask` among these."""
    told = [(face.label, other["traits"]["mask"]) for face, other in pairs if "mask" in other["traits"]]
    truth = [label for label, _ in told]
    likeliest = [max(trait["scores"], key=trait["scores"].get) for _, trait in told]
    return {
        "found": share([i < len(pairs) for i in range(boxes)]),
        "accuracy": share([a == b for a, b in zip(truth, likeliest, strict=True)]),
        "macro_f1": float(f1_score(truth, likeliest, labels=sorted(set(truth)), average="macro")) if told else 0.0,
        "uncertain": float(np.mean([trait["label"] == UNCERTAIN for _, trait in told])) if told else 0.0,
    }


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """What two boxes have in common, as a share of what they cover together."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(wide, 0.0) * max(high, 0.0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)
