"""Short digests by which vectors are known again, and which cannot be turned back; knows no head and no bundle."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

SEEN = "trained_on"
"""The name of the array of digests beside a head's own, in a bundle."""

Digests: TypeAlias = npt.NDArray[np.uint64]


def digests(rows: Iterable[npt.NDArray[Any]]) -> Digests:
    """Vectors or crops, n of them -> (n,) the first 8 bytes of the SHA-256 of each one's float32, both little-endian.

    The same photo through the same chain gives the same vector to the last bit, and a photo saved anew another.
    """
    # One after the other: all crops at once would take four times their room as float32.
    sums = (sha256(np.asarray(row, dtype="<f4").tobytes()).digest() for row in rows)
    return np.array([int.from_bytes(each[:8], "little") for each in sums], dtype=np.uint64)
