"""The stage Crop -> Varied: how many variants a face gets, and by which seeds they are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np

from mien.augment.policy import Policy
from mien.stage import Needs
from mien.types import Crop, Detection, Origin, Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Varied:
    """A face and its variants: `pictures` (n, h, w, 3) RGB or (n, h, w) grey, the first of them the face as it is."""

    origin: Origin
    face: Detection
    pictures: Pixels

    @property
    def key(self) -> str:
        return self.origin.uri


@dataclass(frozen=True, slots=True)
class Vary:
    """Makes `count` variants of a face: Crop -> Varied.

    seeded: what a photo is drawn by, for each key, so that a folder gives the same variants wherever it lies. A
    picture whose channels are the same is varied in grey, so that its grain has no colour.
    """

    policy: Policy
    count: int
    seed: int
    seeded: Mapping[str, str] = field(default_factory=dict)
    name: str = "augment"
    batch_size: int = 1
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Crop], /) -> Iterator[Varied]:
        for crop in batch:
            face = plain(crop.pixels)
            first = seed_of(self.seed, self.seeded.get(crop.key, crop.key), crop.face.index)
            made = self.policy.pictures(face, [first + number for number in range(1, self.count)])
            yield Varied(crop.origin, crop.face, np.concatenate([face[None], made]))


def seed_of(seed: int, key: str, face: int) -> int:
    """The run's seed, a photo's key and the number of a face -> the seed of its variant 0; n more for variant n."""
    text = f"{seed}\n{face}\n{key}".encode("utf-8", "surrogateescape")
    return int.from_bytes(sha256(text).digest()[:8], "little")


def plain(pixels: Pixels) -> Pixels:
    """Pixels (h, w, 3) -> (h, w) where the three are the same everywhere, else as they are."""
    if pixels.ndim == 3 and (pixels[..., :1] == pixels[..., 1:]).all():
        return pixels[..., 0]
    return pixels
