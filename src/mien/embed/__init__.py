"""From crops to vectors; knows networks by name, and nothing of what a vector is used for."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from mien.registry import Registry
from mien.types import Floats


class Embedder(Protocol):
    """Crops in, vectors out: (n, size, size, 3) uint8 RGB -> (n, dim) float32, each row by itself.

    `size` is the side of the crops in pixels and `dim` the length of a vector. Safe to call from several threads.
    """

    @property
    def size(self) -> int: ...

    @property
    def dim(self) -> int: ...

    def __call__(self, crops: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], /) -> Floats: ...


class EmbedderFactory(Protocol):
    """Makes the embedder of a name; opens nothing yet."""

    def __call__(self, name: str, /) -> Embedder: ...


_ONNX = "mien.embed.network:Network"
_NAMES = ("dlib-resnet", "dlib-resnet-int8", "dlib-resnet-block", "traits", "expression-features")
_MORE = ("sface", "arcface", "mobilefacenet")
EMBEDDERS: Registry[EmbedderFactory] = Registry(
    "embedder",
    dict.fromkeys((*_NAMES, *_MORE), _ONNX),
)
