"""What can be done to a face, as data: names, units and limits; changes no pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

GEOMETRY = frozenset({"scale", "flip", "translate", "rotate", "shear", "zoom"})
"""The methods that move pixels, which are carried out together as one warp."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method: what its range measures, what it may hold, the value that changes nothing, and a telling range.

    limits, neutral and usual are None and unused for a method without a range, which is done or not.
    """

    about: str
    limits: tuple[float, float] | None = None
    neutral: float = 0.0
    usual: tuple[float, float] = (0.0, 0.0)

    def strongest(self, low: float, high: float) -> float:
        """The end of a range that changes more, the upper one where both change the same."""
        return low if abs(low - self.neutral) - abs(high - self.neutral) > 1e-9 else high


METHODS: Mapping[str, Method] = {
    "resize": Method("made smaller to this share of its side, and back", (0.05, 1), 1, (0.3, 0.6)),
    "scale": Method("drawn larger or smaller by this factor", (0.1, 4), 1, (0.8, 1.2)),
    "flip": Method("mirrored, left for right"),
    "translate": Method("moved by this share of its side, across and down each by itself", (-1, 1), 0, (-0.1, 0.1)),
    "rotate": Method("turned by so many degrees", (-180, 180), 0, (-20, 20)),
    "noise": Method("grain of this standard deviation, in grey levels of 0 to 255", (0, 128), 0, (10, 25)),
    "brightness": Method("made brighter or darker by this factor", (0, 4), 1, (0.6, 1.5)),
    "contrast": Method("differences from its mean multiplied by this factor", (0, 4), 1, (0.5, 1.7)),
    "shear": Method("its top pushed aside by this share of its height", (-1, 1), 0, (-0.2, 0.2)),
    "zoom": Method("stretched by this factor, across and down each by itself", (0.1, 4), 1, (0.7, 1.4)),
    "erasing": Method("a rectangle filled in, each side this share of the picture's", (0, 1), 0, (0.2, 0.4)),
    "grey": Method("colours taken away"),
    "blur": Method("out of focus: a Gaussian of this share of its side", (0, 0.1), 0, (0.01, 0.02)),
    "jpeg": Method("saved as a JPEG of this quality", (1, 100), 100, (8, 30)),
}
