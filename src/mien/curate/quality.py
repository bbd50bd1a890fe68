"""How well a face can be seen: pixels in, figures out; knows no threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from mien.types import Pixels

SIDE = 112
"""All faces are measured at this size, in pixels, so that sharpness compares across photos."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How a face comes out in its photo.

    side: pixels of the box's shorter side in the photo. sharpness: variance of the Laplacian of the face at 112 pixels
    (Pech-Pacheco et al. 2000; below about 50 it looks blurred). brightness, contrast: mean and standard deviation of
    the luma, 0 to 1.
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
    sharpness = float(cv2.Laplacian(small, cv2.CV_32F).var())
    return Quality(side, sharpness, float(np.mean(small)) / 255, float(np.std(small)) / 255)
