"""Faces without labels are grouped by person."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

import mien
from mien.curation.grouping import MAX_COSINE_DISTANCE, group_faces
from mien.types import Floats, Ints


def _people(count: int, each: int, spread: float, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(count, 64)), each, axis=0)
    vectors = centres + rng.normal(size=centres.shape) * spread
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _partition(labels: Ints) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@pytest.mark.parametrize("spread", [0.1, 0.25, 0.33])
def test_parts_of_the_graph_give_the_groups_of_average_linkage_over_all_faces(spread: float) -> None:
    vectors = _people(40, 6, spread)
    whole = fcluster(linkage(pdist(vectors, "sqeuclidean") / 2, "average"), MAX_COSINE_DISTANCE, "distance")
    assert _partition(group_faces(vectors, np.arange(len(vectors)))) == _partition(whole)


def test_two_faces_of_one_photo_are_two_people() -> None:
    vectors = _people(1, 2, 0.01)
    assert len(set(group_faces(vectors, np.array([0, 1])).tolist())) == 1
    assert len(set(group_faces(vectors, np.array([0, 0])).tolist())) == 2


def test_no_faces_give_no_groups() -> None:
    assert len(group_faces(np.empty((0, 0), np.float32), np.empty(0, np.int64))) == 0


@pytest.mark.usefixtures("models_home")
def test_photos_are_grouped_by_person(album: Path) -> None:
    groups = mien.group(album / "photos", detector="mtcnn")
    for group in groups:
        assert len({Path(photo).parent.name for photo in group.photos}) == 1
    people = Counter(Path(group.exemplar).parent.name for group in groups)
    assert set(people) == {"Eileen Collins", "Grace Hopper"}
    assert sum(map(len, groups)) + len(groups.ungrouped) == 24
    assert groups[0].as_json()["exemplar"] in groups[0].photos
    assert "<table>" in groups._repr_html_()


def test_people_of_orl_are_kept_apart(data: Path, models_home: Path) -> None:
    groups = mien.group(data / "identity" / "orl", detector="mtcnn")
    pure = sum(Counter(Path(p).parent.name for p in group.photos).most_common(1)[0][1] for group in groups)
    assert pure >= 0.99 * sum(len(group.photos) for group in groups)
    assert len(groups.ungrouped) <= 4
