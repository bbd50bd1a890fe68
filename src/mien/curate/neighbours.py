"""Which rows of one table point the same way as rows of another, block by block; knows numbers only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mien.types import Floats, Ints

_CELLS = 1 << 23  # similarities at one time: 32 MB


def near(queries: Floats, table: Floats, least: float, most: int) -> tuple[Ints, Ints]:
    """Unit vectors (n, d) and (m, d) -> rows of both whose scalar product is `least` or more.

    Of a query's rows only the `most` nearest are given, beside the one of its own number, which is left out.
    """
    found = list(_blocks(queries, table, least, most)) or [(np.empty(0, np.int64), np.empty(0, np.int64))]
    return np.concatenate([rows for rows, _ in found]), np.concatenate([columns for _, columns in found])


def _blocks(queries: Floats, table: Floats, least: float, most: int) -> Iterator[tuple[Ints, Ints]]:
    step = max(1, _CELLS // max(len(table), 1))
    for start in range(0, len(queries), step):
        products = queries[start : start + step] @ table.T
        own = np.arange(min(len(products), max(len(table) - start, 0)))
        products[own, start + own] = -2
        rows, columns = np.divmod(np.flatnonzero(products >= least), len(table))
        crowded = np.flatnonzero(np.bincount(rows, minlength=len(products)) > most)
        if len(crowded):
            nearest = np.argpartition(-products[crowded], most - 1, axis=1)[:, :most]
            calm = ~np.isin(rows, crowded)
            rows = np.concatenate([rows[calm], np.repeat(crowded, most)])
            columns = np.concatenate([columns[calm], nearest.ravel()])
        yield rows + start, columns
