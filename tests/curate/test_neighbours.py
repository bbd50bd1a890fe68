"""Near rows are those that a plain comparison of all finds, however many there are."""

from __future__ import annotations

import numpy as np
import pytest

from mien.curate import neighbours
from mien.curate.neighbours import near
from mien.types import Floats


def vectors(count: int, seed: int = 0) -> Floats:
    made = np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("cells", [1, 1000, 1 << 23])
def test_all_near_rows_are_found_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    monkeypatch.setattr(neighbours, "_CELLS", cells)
    table = vectors(50)
    rows, columns = near(table, table, 0.5, 50)
    similar = table @ table.T
    np.fill_diagonal(similar, -1)
    wanted = set(zip(*(each.tolist() for each in np.nonzero(similar >= 0.5)), strict=True))
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == wanted
    assert len(rows) == len(wanted)


def test_of_many_the_nearest_are_given() -> None:
    queries, table = vectors(20, 1), vectors(60, 2)
    rows, columns = near(queries, table, -0.5, 4)
    similar = queries @ table.T
    similar[np.arange(20), np.arange(20)] = -2
    for row in range(20):
        assert set(columns[rows == row]) == set(np.argsort(-similar[row])[:4])


def test_nothing_is_near_nothing() -> None:
    empty = np.empty((0, 5), np.float32)
    for queries, table in ((empty, empty), (vectors(3), empty), (empty, vectors(3)), (vectors(1), vectors(1))):
        rows, columns = near(queries, table, 0.0, 3)
        assert len(rows) == len(columns) == 0
