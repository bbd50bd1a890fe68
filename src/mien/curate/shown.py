"""What one photo of a data set shows, in figures: all that the steps of a check look at, and no pixels at full size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mien.types import Floats, Origin, Pixels

THUMB = 64
"""The side of the small grey picture of a photo, in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageFeatures:
    """A photo that could be read, and its n faces in columns, largest face that is nearest to the middle first.

    digest: SHA-256 of its bytes. width, height: of the whole photo, in pixels. thumb: (THUMB, THUMB) grey uint8, the
    whole photo pressed into a square. colour: statistics of the main face's colours, empty where there is no face.
    boxes (n, 4), scores (n,), landmarks (n, 5, 2) or None: as in `Faces`. quality: names of measures -> (n,) float32,
    `side`, `sharpness`, `brightness`, `contrast` as in `curate.quality`, `roll`, `yaw`, `pitch` (see `curate.pose`)
    and `inside` (the share of the face that lies in the picture). vectors: names of embedders -> (n, d) float32 of
    unit length; traits: names of built-in traits -> (n, k) probabilities in the order of the trait's labels, with NaN
    in rows where nothing is said.
    """

    origin: Origin
    digest: bytes
    width: int
    height: int
    thumb: Pixels
    colour: Floats
    boxes: Floats
    scores: Floats
    landmarks: Floats | None
    quality: Mapping[str, Floats]
    vectors: Mapping[str, Floats]
    traits: Mapping[str, Floats]

    @property
    def key(self) -> str:
        return self.origin.uri

    @property
    def sides(self) -> Floats:
        """The side of a square as large as each face's box (n,), in pixels."""
        return np.asarray(np.sqrt(np.maximum(self.boxes[:, 2:] - self.boxes[:, :2], 0).prod(axis=1)), np.float32)

    def __len__(self) -> int:
        """How many faces were found."""
        return len(self.boxes)
