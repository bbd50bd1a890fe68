"""The stage Crop -> FaceVariants: how many variants a face gets, and their seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np

from mien.augmentation.policy import Policy
from mien.stage import Needs
from mien.types import Crop, Detection, Origin, Pixels


@dataclass(frozen=True, slots=True, eq=False)
class FaceVariants:
    """A face and its variants: `pictures` (n, h, w, 3) RGB or (n, h, w) grey, the first of them the face as it is."""

    origin: Origin
    face: Detection
    pictures: Pixels

    @property
    def key(self) -> str:
        return self.origin.uri


@dataclass(frozen=True, slots=True)
class MakeVariants:
    """Makes `count` variants of a face: Crop -> FaceVariants.

    seed_names: the name that a photo's seed is made from, by its key, so that a folder gives the same variants wherever
    it is. A picture with equal channels is processed in grey, so that its noise has no colour.
    """

    policy: Policy
    count: int
    seed: int
    seed_names: Mapping[str, str] = field(default_factory=dict)
    name: str = "augment"
    batch_size: int = 1
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Crop], /) -> Iterator[FaceVariants]:
        for crop in batch:
            face = drop_equal_channels(crop.pixels)
            first = variant_seed(self.seed, self.seed_names.get(crop.key, crop.key), crop.face.index)
            variants = self.policy.variants(face, [first + number for number in range(1, self.count)])
            yield FaceVariants(crop.origin, crop.face, np.concatenate([face[None], variants]))


def variant_seed(seed: int, key: str, face: int) -> int:
    """The run's seed, a photo's key and the index of a face -> the seed of variant 0; that of variant n is n more."""
    text = f"{seed}\n{face}\n{key}".encode("utf-8", "surrogateescape")
    return int.from_bytes(sha256(text).digest()[:8], "little")


def drop_equal_channels(pixels: Pixels) -> Pixels:
    """Pixels (h, w, 3) -> (h, w) if the three channels are equal, else as they are."""
    if pixels.ndim == 3 and (pixels[..., :1] == pixels[..., 1:]).all():
        return pixels[..., 0]
    return pixels
