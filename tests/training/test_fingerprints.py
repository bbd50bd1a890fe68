from __future__ import annotations

import tracemalloc

import numpy as np

from mien.training import fingerprints
from tests.training.clusters import clusters


def test_a_vector_is_known_again_by_eight_bytes() -> None:
    vectors, _ = clusters([50])
    made = fingerprints(vectors)
    assert (str(made.dtype), made.shape) == ("uint64", (50,))
    assert len(set(made.tolist())) == 50
    assert np.array_equal(fingerprints(vectors[::-1]), made[::-1])
    assert fingerprints(vectors[7:8]) == made[7]


def test_the_last_bit_makes_it_another() -> None:
    vectors, _ = clusters([1])
    other = vectors.copy()
    other[0, 3] = np.nextafter(other[0, 3], np.float32(1))
    assert fingerprints(other) != fingerprints(vectors)


def test_it_is_the_same_on_every_machine() -> None:
    # The first 8 bytes of the SHA-256 of 00 00 80 3f 00 00 00 c0 (1.0 and -2.0 in little-endian float32).
    assert fingerprints(np.array([[1.0, -2.0]], dtype=np.float32)).tolist() == [6230679692635491054]
    assert fingerprints(np.array([[1.0, -2.0]], dtype=">f4")) == fingerprints(np.array([[1.0, -2.0]], dtype=np.float32))


def test_no_vectors_have_no_digests() -> None:
    assert fingerprints(np.empty((0, 8), dtype=np.float32)).tolist() == []


def test_crops_are_looked_at_one_after_the_other() -> None:
    crops = np.random.default_rng(0).integers(0, 255, (50, 64, 64, 3)).astype(np.uint8)
    tracemalloc.start()
    made = fingerprints(crops)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < crops.nbytes
    assert np.array_equal(made, fingerprints(crops.astype(np.float32)))
