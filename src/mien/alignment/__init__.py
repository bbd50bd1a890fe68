"""From faces in a photo to upright crops."""

from __future__ import annotations

from typing import Protocol

from mien.registry import Registry
from mien.types import Box, Floats, Pixels


class LandmarkModel(Protocol):
    """Pixels (h, w, 3) RGB and the box of a face in them -> (n, 2) points, float32."""

    def __call__(self, pixels: Pixels, box: Box) -> Floats: ...


class LandmarkModelFactory(Protocol):
    """Makes the model of that name; its file is opened on first use."""

    def __call__(self, name: str, /) -> LandmarkModel: ...


_DLIB = "mien.alignment.landmarks:DlibLandmarks"
_MODELS = ("dlib-5", "dlib-68")
LANDMARKS: Registry[LandmarkModelFactory] = Registry(
    "landmark model", dict.fromkeys(_MODELS, _DLIB), extras=dict.fromkeys(_MODELS, "dlib")
)
