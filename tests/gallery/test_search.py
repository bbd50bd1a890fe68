"""Search: the likest are found, however many templates there are, and changes are seen."""

from __future__ import annotations

import numpy as np
import pytest

from mien.gallery.search import (
    EXACT_UP_TO,
    NOBODY,
    ExactSearch,
    IvfIndex,
    Search,
    concentration,
    is_suitable,
    search_for,
    template,
    unit,
)
from mien.types import Floats, Ints
from tests.gallery.samples import vectors


def templates(count: int, dim: int = 32) -> tuple[Ints, Floats]:
    """Ids that are no row numbers, and directions as of faces: about a common middle."""
    random = np.random.default_rng(0)
    middle = random.normal(size=dim)
    found = 2 * middle / np.linalg.norm(middle) + random.normal(0, 0.3, (count, dim))
    return np.arange(count) * 3 + 5, unit(found.astype(np.float32))


@pytest.mark.parametrize("kind", [ExactSearch, IvfIndex])
@pytest.mark.parametrize("count", [1, 2, 700])
def test_the_likest_come_first_with_their_cosines(kind: type[Search], count: int) -> None:
    ids, known = templates(count)
    faces = unit(known[:50] + np.random.default_rng(1).normal(0, 0.02, known[:50].shape).astype(np.float32))
    cosines, found = kind(ids, known).nearest(faces, 2)
    likeness = faces @ known.T
    assert found[:, 0].tolist() == ids[likeness.argmax(axis=1)].tolist()
    np.testing.assert_allclose(cosines[:, 0], likeness.max(axis=1), atol=1e-5)
    if count == 1:
        assert set(found[:, 1].tolist()) == {NOBODY}
        assert (cosines[:, 1] <= -1).all()
    else:
        assert (cosines[:, 0] >= cosines[:, 1]).all()


@pytest.mark.parametrize("kind", [ExactSearch, IvfIndex])
def test_changes_are_seen(kind: type[Search]) -> None:
    ids, known = templates(200)
    search = kind(ids[:150], known[:150])
    search.update(ids[10:20], ids[150:], known[150:])
    assert len(search) == 190
    found = search.nearest(known, 1)[1][:, 0]
    gone = np.isin(ids, ids[10:20])
    assert found[~gone].tolist() == ids[~gone].tolist()
    assert not np.isin(found[gone], ids[10:20]).any()
    search.update(search.nearest(known, 1)[1][:5, 0], np.empty(0, np.int64), np.empty((0, 32), np.float32))
    assert len(search) == 185


def test_nobody_is_found_where_there_is_nobody() -> None:
    search = search_for(np.empty(0, np.int64), np.empty((0, 0), np.float32))
    cosines, ids = search.nearest(np.ones((2, 4), np.float32), 2)
    assert ids.tolist() == [[NOBODY, NOBODY]] * 2
    assert (cosines == -1).all()
    search.update(np.empty(0, np.int64), np.array([7]), unit(np.ones((1, 4), np.float32)))
    assert search.nearest(np.ones((1, 4), np.float32), 1)[1].tolist() == [[7]]


def test_many_templates_are_searched_by_neighbourhood_and_name_the_same_people() -> None:
    ids, known = templates(EXACT_UP_TO + 1)
    search = search_for(ids, known)
    assert isinstance(search, IvfIndex)
    assert is_suitable(search)
    faces = unit(known[::100] + np.random.default_rng(1).normal(0, 0.03, known[::100].shape).astype(np.float32))
    same = search.nearest(faces, 1)[1] == ExactSearch(ids, known).nearest(faces, 1)[1]
    assert same.mean() >= 0.99
    search.update(ids[:2], np.empty(0, np.int64), known[:0])
    assert not is_suitable(search)


def test_a_template_is_a_direction_in_which_every_photo_counts() -> None:
    photos = vectors(1, 5)
    assert np.linalg.norm(template(photos)) == pytest.approx(1, abs=1e-6)
    assert not np.allclose(template(photos), template(photos[:4]), atol=1e-4)
    np.testing.assert_allclose(template(photos[::-1] * 3), template(photos), atol=1e-6)


def test_photos_that_agree_are_concentrated() -> None:
    assert concentration(vectors(1, 1)) == pytest.approx(1)
    assert concentration(vectors(1, 5, 0.01)) > concentration(vectors(1, 5, 0.05))
