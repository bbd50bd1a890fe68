"""Rows are put in an order of their own, whichever they came in, without a second copy of all of them."""

from __future__ import annotations

import tracemalloc

import numpy as np

from mien.train.roles import assign
from tests.train.clusters import clusters


def test_rows_come_by_label_then_content_then_group() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 3, (60, 24, 24)).astype(np.uint8)
    inputs[:, :20] = 0  # alike for longer than is looked at first
    inputs[30:40] = inputs[0]
    labels = ["ab"[i % 2] for i in range(60)]
    groups = [None if i % 3 else f"g{i % 7}" for i in range(60)]
    whole = sorted(range(60), key=lambda i: (labels[i], inputs[i].tobytes(), groups[i] or ""))
    assert assign(inputs, labels, groups).train.tolist() == whole


def test_ordering_large_crops_takes_little_memory() -> None:
    inputs = np.random.default_rng(0).integers(0, 256, (200, 96, 96, 3)).astype(np.uint8)
    labels = ["a", "b"] * 100
    tracemalloc.start()
    assign(inputs, labels)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < inputs.nbytes / 4


def test_photos_that_the_data_has_in_two_splits_are_counted() -> None:
    vectors, labels = clusters([20, 20])
    splits = ["val" if i % 4 == 0 else "train" for i in range(40)]
    assert not any("flatter" in note for note in assign(vectors, labels, splits=splits).notes)
    vectors[[0, 20]] = vectors[[1, 21]]
    notes = assign(vectors, labels, splits=splits).notes
    assert "photos of the val split that are also in training: 2 of 10; the figures flatter" in notes
