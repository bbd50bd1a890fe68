"""Real faces for the tests of networks: small public ones out of packages, and the user's own data where it is set."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from mien.types import Pixels


@cache
def _lfw_faces() -> Pixels:
    """The hundred faces of 25 x 25 that come with scikit-image."""
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    pictures = np.load(Path(spec.origin).parent / "data" / "lfw_subset.npy", allow_pickle=False)
    return np.asarray(np.rint(pictures[:100] * 255), dtype=np.uint8)


def grey(n: int, side: int) -> Pixels:
    """Grey faces (n, side, side): the hundred that there are, then their mirror images, then again."""
    faces = np.concatenate([_lfw_faces(), _lfw_faces()[:, :, ::-1]])
    return _sized(np.stack([faces[i % 200] for i in range(n)]), side)


def colour(photo: bytes, n: int, side: int) -> Pixels:
    """Windows (n, side, side, 3) of a photo of one person, of many sizes and places, drawn from a fixed seed."""
    decoded = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    rng, windows = np.random.default_rng(0), []
    for _ in range(n):
        size = int(rng.integers(60, 256))
        y, x = rng.integers(0, decoded.shape[0] - size), rng.integers(0, decoded.shape[1] - size)
        windows.append(cv2.resize(decoded[y : y + size, x : x + size, ::-1], (side, side)))
    return np.stack(windows).astype(np.uint8)


def from_data(folder: Path, n: int, side: int, *, channels: int) -> Pixels:
    """As many photos of the expression sets (grey) or of LFW (colour) below a folder of real data."""
    if channels == 1:
        files = sorted((folder / "expression" / "ck48").rglob("*.png"))
    else:
        files = sorted((folder / "identity" / "lfw").rglob("*.jpg"))
    files = files[:: len(files) // n][:n]
    read = [cv2.imread(str(file), cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR) for file in files]
    faces = [_middle(face) for face in read if face is not None]
    assert len(faces) == n
    return np.concatenate([_sized(face[None], side) for face in faces])


def _middle(face: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Pixels:
    """LFW's photos show the face in their middle half."""
    if face.shape[0] < 200:
        return face.astype(np.uint8)
    edge = face.shape[0] // 4
    return face[edge:-edge, edge:-edge, ::-1].astype(np.uint8)


def _sized(faces: Pixels, side: int) -> Pixels:
    return np.stack([cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA) for face in faces]).astype(np.uint8)
