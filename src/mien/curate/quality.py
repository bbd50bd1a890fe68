"""How well a face can be seen: pixels in, figures out; knows no threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from mien.types import Pixels

SIDE = 112
"""All faces are measured at this size, in pixels, so that sharpness compares across photos."""

# Second differences along rows, columns and both diagonals. The variance of the Laplacian, their sum (Pech-Pacheco et
# al. 2000), stays high for a face that moved, which is blurred along one direction only: with a hundredth of the sharp
# photos blamed, it finds 44 to 94 % of those smeared over a tenth of the face, and the least of the four 88 % or more
# (LFW, ORL, CK+, UTKFace; both as shares of the luma's variance).
_BENDS = [np.array(rows, np.float32) for rows in ([[1, -2, 1]], [[1], [-2], [1]])]
_BENDS += [np.diag([0.5, -1, 0.5]).astype(np.float32)[:, ::step] for step in (1, -1)]
_ALIKE = 4.5
"""Brings the least of them to the size of the Laplacian's variance for sharp faces, whose figures are widely known."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How a face comes out in its photo.

    side: pixels of the box's shorter side in the photo. sharpness: of the face at 112 pixels, how much its luma bends
    in the direction in which it bends least (below about 50 it looks blurred). brightness, contrast: mean and standard
    deviation of the luma, 0 to 1.
    """

    side: int
    sharpness: float
    brightness: float
    contrast: float

    def as_json(self) -> dict[str, Any]:
        """The fields that `mien look` prints."""
        return {
            "side": self.side,
            "sharpness": round(self.sharpness, 1),
            "brightness": round(self.brightness, 3),
            "contrast": round(self.contrast, 3),
        }


def quality(face: Pixels, side: int) -> Quality:
    """The pixels inside a face's box (h, w, 3), and that box's side in the photo -> its quality."""
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA if grey.shape[0] > SIDE else cv2.INTER_LINEAR)
    sharpness = _ALIKE * min(float(cv2.filter2D(small, cv2.CV_32F, bend).var()) for bend in _BENDS)
    return Quality(side, sharpness, float(np.mean(small)) / 255, float(np.std(small)) / 255)
