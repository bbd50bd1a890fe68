"""dlib's landmark models: pixels and a box in, points out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

import dlib
import numpy as np

from mien import models
from mien.alignment.views import LANDMARK_WEIGHTS
from mien.types import Box, Floats, Pixels

_opening = Lock()


@cache
def _open(name: str) -> Any:
    return dlib.shape_predictor(str(models.ensure(name)))


@dataclass(frozen=True, slots=True)
class DlibLandmarks:
    """dlib's regression trees (Kazemi and Sullivan 2014): `dlib-5` gives 5 points, `dlib-68` gives 68.

    The model is opened on first use and shared by all threads: predicting does not change it.
    """

    name: str

    def __call__(self, pixels: Pixels, box: Box) -> Floats:
        """Pixels (h, w, 3) and the box of a face -> (n, 2) points, float32.

        The models were trained on squares, so they get the square with the box's mean side around its centre.
        """
        x1, y1, x2, y2 = box
        x, y, half = (x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1 + y2 - y1) / 4
        square = dlib.rectangle(round(x - half), round(y - half), round(x + half), round(y + half))
        with _opening:
            predictor = _open(LANDMARK_WEIGHTS[self.name])
        parts = predictor(pixels, square).parts()
        return np.array([(point.x, point.y) for point in parts], np.float32)
