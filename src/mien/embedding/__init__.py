"""From crops to vectors: what an embedder is, and the table of embedders."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from mien import models
from mien.registry import Registry
from mien.types import Floats, Pixels


class Embedder(Protocol):
    """Crops (n, size, size, 3) uint8 RGB -> (n, dim) float32, each row by itself.

    `size` is the side of the crops in pixels, and `dim` the length of a vector. Safe to call from several threads.
    """

    @property
    def size(self) -> int: ...

    @property
    def dim(self) -> int: ...

    def __call__(self, crops: Pixels, /) -> Floats: ...


class EmbedderFactory(Protocol):
    """Makes the embedder of that name; its weights are opened on first use."""

    def __call__(self, name: str, /) -> Embedder: ...


_ONNX = (
    *("dlib-resnet", "dlib-resnet-int8", "dlib-resnet-block", "traits", "expression-features"),
    *("sface", "arcface", "mobilefacenet"),
)


def _own(name: str) -> EmbedderFactory | None:
    """A network that the user added runs as the built-in ones do."""
    return EMBEDDERS.load(_ONNX[0]) if models.own_card(name, "embedder") else None


EMBEDDERS: Registry[EmbedderFactory] = Registry(
    "embedder",
    dict.fromkeys(_ONNX, "mien.embedding.stage:OnnxEmbedder"),
    own=_own,
    own_names=partial(models.own_names, "embedder"),
)
