"""What a network is made of, layer by layer, to and from JSON; knows nothing of weights, of torch and of ONNX."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mien.train.layers import KINDS, MOST_VALUES, NAMES, Dense, Layer, Shape
from mien.validate import from_dict

MOST_LAYERS = 256
MOST_WEIGHTS = 2**27
"""As float32 they fill 512 MiB, which is what a part of a bundle may have."""
MOST_SIDE = 1024
MOST_DIMENSION = 65536

Initial = Literal["he-normal", "glorot-uniform"]
"""How the first weights are drawn: He et al. 2015, equation 10; Glorot and Bengio 2010, equation 16."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network: what it takes, (channels, side, side) or (dimension,), and its layers, the last of which gives logits.

    Raises:
        ValueError: the layers do not fit each other, or are too many or too large.
    """

    name: str
    input: tuple[int, ...]
    layers: tuple[Layer, ...]
    initial: Initial = "he-normal"

    def __post_init__(self) -> None:
        if not 0 < len(self.layers) <= MOST_LAYERS or not isinstance(self.layers[-1], Dense):
            raise ValueError(f"a network has 1 to {MOST_LAYERS} layers, and the last one is dense")
        match self.input:
            case (dimension,) if 1 <= dimension <= MOST_DIMENSION:
                pass
            case (1 | 3, height, width) if height == width and 1 <= height <= MOST_SIDE:
                pass
            case _:
                raise ValueError(f"a network takes a vector, or a square picture in grey or colour, not {self.input}")
        if largest := next((shape for shape in self.shapes if math.prod(shape) > MOST_VALUES), None):
            raise ValueError(f"the network {self.name} would hold {largest} values for one picture: that is too many")
        if self.weights > MOST_WEIGHTS:
            raise ValueError(f"the network {self.name} would have {self.weights} weights, and may have {MOST_WEIGHTS}")

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """What comes into each layer, and last what leaves the network."""
        shapes = [self.input]
        for layer in self.layers:
            shapes.append(layer.shape(shapes[-1]))
        return tuple(shapes)

    @property
    def classes(self) -> int:
        """How many logits it gives."""
        return self.shapes[-1][0]

    @property
    def weights(self) -> int:
        """How many numbers training fits."""
        return sum(layer.weights(shape) for layer, shape in zip(self.layers, self.shapes[:-1], strict=True))

    @property
    def names(self) -> tuple[str, ...]:
        """What each layer is called among the weights: its number and its kind, as `03-conv`."""
        return tuple(f"{number:02d}-{NAMES[type(layer)]}" for number, layer in enumerate(self.layers))

    def to_json(self) -> dict[str, Any]:
        """The whole of it, as strict JSON."""
        layers = [{"kind": NAMES[type(layer)], **_fields(layer)} for layer in self.layers]
        return {"name": self.name, "input": list(self.input), "initial": self.initial, "layers": layers}

    @classmethod
    def from_json(cls, fields: object) -> Architecture:
        """What `to_json` gave -> the same; nothing in it is trusted.

        Raises:
            ValueError: a field is missing, unknown or out of range, or the layers do not fit each other.
        """
        if not isinstance(fields, Mapping) or not isinstance(fields.get("layers"), list):
            raise ValueError("a network has a list of layers")  # noqa: TRY004  (one kind of error for all of it)
        if len(fields["layers"]) > MOST_LAYERS:
            raise ValueError(f"a network has {MOST_LAYERS} layers at most")
        frame = from_dict(_Frame, {name: value for name, value in fields.items() if name != "layers"})
        return cls(frame.name, frame.input, tuple(_layer(each) for each in fields["layers"]), frame.initial)


@dataclass(frozen=True, slots=True)
class _Frame:
    name: str
    input: tuple[int, ...]
    initial: Initial


def _fields(layer: Layer) -> dict[str, Any]:
    return asdict(layer)  # type: ignore[call-overload,no-any-return]  # every layer is a dataclass


def _layer(fields: object) -> Layer:
    if not isinstance(fields, Mapping) or not isinstance(fields.get("kind"), str):
        raise ValueError("a layer is an object that names its kind")  # noqa: TRY004  (as above)
    if fields["kind"] not in KINDS:
        raise ValueError(f"there is no layer {fields['kind']!r:.40}: there are {', '.join(KINDS)}")
    return from_dict(KINDS[fields["kind"]], {name: value for name, value in fields.items() if name != "kind"})
