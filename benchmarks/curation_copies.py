"""How many planted copies of photos `mien check` finds, and how often it takes two photos for one.

MIEN_DATA=... .venv/bin/python benchmarks/curation_copies.py [--photos 500] [--json FILE]

Each change is made to so many photos, and the changed ones are put among all photos. `found`: whole photos, of LFW's
people, with the rest of LFW, ORL's ten photos of each person and `celeb5` beside them. `cut`: FER2013's faces of 48
pixels. A pair of different photos that is told to be one counts as false, unless it was told so of the data as they
are, too: those were looked at by eye, and are copies. Then the pool of FER2013 is searched, and what is said of
identical pictures is compared with a count of them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from mien.curation.duplicates import duplicate_findings
from mien.curation.features import ImageFeatures, grey_thumbnail
from mien.curation.findings import Finding, Kind
from mien.data import open_data, photos
from mien.images import encode
from mien.images.stage import Decode
from mien.types import Origin, Photo, PhotoRef, Pixels

ONE = (Kind.COPY, Kind.NEAR_COPY)


def resized(pixels: Pixels, factor: float) -> Pixels:
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=way), np.uint8)


def cropped(pixels: Pixels, left: float, top: float, right: float, bottom: float) -> Pixels:
    """Without these shares of its sides."""
    height, width = pixels.shape[:2]
    return pixels[
        round(height * top) : height - round(height * bottom), round(width * left) : width - round(width * right)
    ]


def lit(pixels: Pixels, gain: float, more: float = 0, gamma: float = 1) -> Pixels:
    return np.asarray(np.clip(255 * (pixels / 255.0) ** gamma * gain + more, 0, 255), np.uint8)


CHANGES: Mapping[str, Callable[[Pixels], bytes]] = {
    "half the size": lambda p: encode(resized(p, 0.5), "jpeg"),
    "0.7 of the size": lambda p: encode(resized(p, 0.7), "jpeg"),
    "twice the size": lambda p: encode(resized(p, 2), "jpeg"),
    "JPEG quality 40": lambda p: encode(p, "jpeg", 40),
    "cropped by 5 %, all around": lambda p: encode(cropped(p, 0.025, 0.025, 0.025, 0.025), "jpeg"),
    "cropped by 5 % at a corner": lambda p: encode(cropped(p, 0.05, 0.05, 0, 0), "jpeg"),
    "cropped by 5 % at each side": lambda p: encode(cropped(p, 0.05, 0.05, 0.05, 0.05), "jpeg"),
    "mirrored": lambda p: encode(p[:, ::-1], "jpeg"),
    "brighter by 15 %": lambda p: encode(lit(p, 1.15, 5), "jpeg"),
    "gamma 0.8": lambda p: encode(lit(p, 1, gamma=0.8), "jpeg"),
    "mirrored, cropped, 0.7, quality 40": lambda p: encode(
        resized(cropped(p[:, ::-1], 0.025, 0.025, 0.025, 0.025), 0.7), "jpeg", 40
    ),
}


@dataclass(frozen=True)
class Told:
    """What came of a change: its share found, and pairs of different photos per 100 photos."""

    recall: float
    false: float


def shown(refs: Sequence[PhotoRef]) -> Iterator[ImageFeatures]:
    """What copies are found by, without looking for faces."""
    none = np.empty(0, np.float32)
    for photo in Decode(1000, 50)(refs):
        if isinstance(photo, Photo):
            yield ImageFeatures(
                origin=photo.origin,
                digest=photo.key.encode(),
                width=photo.width,
                height=photo.height,
                thumb=grey_thumbnail(photo.pixels),
                colour=none,
                boxes=none.reshape(0, 4),
                scores=none,
                landmarks=None,
                quality={},
                vectors={},
                traits={},
            )


def planted(refs: Sequence[PhotoRef], change: Callable[[Pixels], bytes]) -> list[ImageFeatures]:
    """Photos -> the changed ones, under the same label; their keys end with `#`."""
    made = []
    for photo in Decode(None, 50)(refs):
        if isinstance(photo, Photo):
            origin = replace(photo.origin, uri=f"{photo.key}#")
            made.append(PhotoRef(origin, data=change(photo.pixels)))
    return list(shown(made))


def pairs(findings: Sequence[Finding]) -> set[tuple[str, str]]:
    """The photos that are told to be one."""
    return {(str(finding.path), str(finding.other)) for finding in findings if finding.kind in ONE}


def told(every: Sequence[ImageFeatures], copied: Sequence[ImageFeatures], known: set[tuple[str, str]]) -> Told:
    """All photos and the copies of some -> how many of the copies are found, and what else."""
    lots = _lots(known)
    found = pairs(duplicate_findings([*every, *copied]))
    true = {pair for pair in found if len({lots.get(key.rstrip("#"), key.rstrip("#")) for key in pair}) == 1}
    hit = {key for pair in true for key in pair if key.endswith("#")}
    return Told(len(hit) / len(copied), 100 * len(found - true) / (len(every) + len(copied)))


def _lots(known: set[tuple[str, str]]) -> dict[str, str]:
    """Photos that are one in the data as they are -> the one that stands for all."""
    lots = {other: other for _, other in known}
    return lots | {path: lots[other] for path, other in known}


def of_fer2013(data: Path) -> dict[str, Any]:
    """FER2013's pool -> what is said of it, beside a count of identical pictures."""
    refs = list(open_data(data / "pools" / "fer2013.parquet").refs)
    every = list(shown(refs))
    same: dict[bytes, list[Origin]] = defaultdict(list)
    for photo in Decode(None, 50)(refs):
        if isinstance(photo, Photo):
            same[sha256(photo.pixels.tobytes()).digest()].append(photo.origin)
    start = time.process_time()
    findings = duplicate_findings(every)
    seconds = time.process_time() - start
    counts = Counter(finding.kind for finding in findings)
    suspect = {finding.path for finding in findings if finding.kind is Kind.LABEL_SUSPECT}
    exact = {finding.path for finding in findings if finding.kind is Kind.COPY}
    several = [lot for lot in same.values() if len(lot) > 1]
    torn = [lot for lot in several if len({origin.label for origin in lot}) > 1]
    return {
        "photos": len(every),
        "seconds": round(seconds, 1),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "identical, counted": sum(len(lot) - 1 for lot in several),
        "copies": counts[Kind.COPY],
        "identical, missed": sum(len(lot) - 1 - len({o.uri for o in lot} & exact) for lot in several),
        "near-copies": counts[Kind.NEAR_COPY],
        "identical under two labels, counted": sum(len(lot) for lot in torn),
        "of them suspected": sum(len({origin.uri for origin in lot} & suspect) for lot in torn),
        "under two labels": len(suspect),
        "leaks": counts[Kind.LEAK],
    }


def bases(data: Path, count: int) -> Iterator[tuple[str, list[PhotoRef], list[PhotoRef]]]:
    """For whole photos and cut faces: their name, those that are copied, and all."""
    people = photos([data / "identity" / "lfw"])
    first = [ref for ref in people if ref.key.endswith("_0001.jpg")]
    others = photos([data / "identity" / "orl", data / "identity" / "celeb5"])
    draw = np.random.default_rng(0)
    yield "found", [first[i] for i in draw.permutation(len(first))[:count]], [*people, *others]
    faces = photos([data / "expression" / "fer2013_train"])
    yield "cut", [faces[i] for i in draw.permutation(len(faces))[:count]], faces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=500, help="so many photos are copied for each change")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data = Path(os.environ["MIEN_DATA"])
    table = Table("change", "faces", "recall", "false pairs per 100 photos", title="Copies that are found")
    results: dict[str, Any] = {}
    for name, some, refs in bases(data, options.photos):
        every = list(shown(refs))
        known = pairs(duplicate_findings(every))
        results[f"{name}: pairs in {len(every)} photos as they are"] = len(known)
        for change, made in CHANGES.items():
            found = told(every, planted(some, made), known)
            results[f"{name}: {change}"] = {"recall": found.recall, "false": found.false}
            table.add_row(change, name, f"{found.recall:.1%}", f"{found.false:.2f}")
    results["FER2013"] = of_fer2013(data)
    Console().print(table)
    Console().print({name: value for name, value in results.items() if not isinstance(value, dict)}, results["FER2013"])
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
