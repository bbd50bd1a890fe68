"""Aligned faces for the tests of embedders, cut by dlib itself."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
import numpy.typing as npt

from mien.models import ensure
from mien.types import Floats, Pixels


def decoded(data: bytes) -> Pixels:
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert found is not None
    return cv2.cvtColor(found, cv2.COLOR_BGR2RGB).astype(np.uint8)


@cache
def _finder() -> Any:
    return dlib.get_frontal_face_detector()


@cache
def _points(path: Path) -> Any:
    return dlib.shape_predictor(str(path))


def chip(pixels: Pixels) -> Pixels | None:
    """The largest face that dlib finds, 150 x 150."""
    boxes = sorted(_finder()(pixels), key=lambda box: box.area())
    if not boxes:
        return None
    points = _points(ensure("dlib-landmarks-5"))(pixels, boxes[-1])
    cut: Pixels = dlib.get_face_chip(pixels, points, size=150, padding=0.25)
    return cut


def chips(paths: list[Path]) -> npt.NDArray[np.uint8]:
    cut = (chip(decoded(path.read_bytes())) for path in paths)
    return np.stack([face for face in cut if face is not None])


def tensor(faces: npt.NDArray[np.uint8]) -> Floats:
    return np.ascontiguousarray(faces.transpose(0, 3, 1, 2), dtype=np.float32)


def embed(session: Any, faces: npt.NDArray[np.uint8]) -> Floats:
    found: Floats = session.run(None, {"input": tensor(faces)})[0]
    return found
