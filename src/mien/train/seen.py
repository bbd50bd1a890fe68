"""Short digests by which vectors are known again, and which cannot be turned back; knows no head and no bundle."""

from __future__ import annotations

from hashlib import sha256
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mien.types import Floats

SEEN = "trained_on"
"""The name of the array of digests beside a head's own, in a bundle."""

Digests: TypeAlias = npt.NDArray[np.uint64]


def digests(vectors: Floats) -> Digests:
    """Vectors (n, d) -> (n,) the first 8 bytes of the SHA-256 of each one's float32, both little-endian.

    The same photo through the same chain gives the same vector to the last bit, and a photo saved anew another.
    """
    rows = np.ascontiguousarray(vectors, dtype="<f4")
    return np.array([int.from_bytes(sha256(row.tobytes()).digest()[:8], "little") for row in rows], dtype=np.uint64)
