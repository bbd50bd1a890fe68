"""What distances between faces mean, and how each photo fits its folder."""

from __future__ import annotations

import numpy as np

from mien.curation.person_model import (
    KNOWN,
    FolderSums,
    fit_scale,
    folders_of_one_person,
    nearest_others,
    own_distances,
    to_distance,
)
from tests.curation.samples import faces, persons


def test_a_folder_goes_by_the_photos_that_are_trusted() -> None:
    vectors = faces(persons(1)[0], 5)
    trusted = np.array([True, True, False, True, False])
    folders = FolderSums.of(vectors, np.array([1, 1, 1, 0, 0]), 3, trusted)
    assert folders.photos.tolist() == [1, 2, 0]
    np.testing.assert_allclose(folders.sums[1], vectors[0] + vectors[1], rtol=1e-5)
    assert not folders.sums[2].any()


def test_the_distance_to_one_photo_is_that_of_the_two_vectors() -> None:
    vectors = faces(persons(1)[0], 2)
    folder, inside = np.zeros(2, np.int64), np.ones(2, bool)
    own, photos = own_distances(vectors, folder, FolderSums.of(vectors, folder, 1, inside), vectors, inside, KNOWN)
    np.testing.assert_allclose(own, np.linalg.norm(vectors[0] - vectors[1]), atol=1e-3)
    assert photos.tolist() == [1, 1]


def test_a_distance_means_the_same_however_many_photos_a_folder_has() -> None:
    for n in (3, 10, 40):
        vectors = faces(persons(1)[0], n)
        folder, inside = np.zeros(n, np.int64), np.ones(n, bool)
        own, _ = own_distances(vectors, folder, FolderSums.of(vectors, folder, 1, inside), vectors, inside, KNOWN)
        pairs = to_distance((vectors @ vectors.T)[~np.eye(n, dtype=bool)])
        assert abs(np.median(own) - np.median(pairs)) < 0.03


def test_more_photos_are_worth_more_and_none_are_worth_nothing() -> None:
    near, far = np.full(3, 0.3, np.float32), np.full(3, 0.55, np.float32)
    photos = np.array([0, 1, 10], np.float32)
    assert (np.diff(KNOWN.evidence(near, photos)) > 0).all()
    assert (np.diff(KNOWN.evidence(far, photos)) < 0).all()
    assert KNOWN.evidence(near, photos)[0] == 0


def test_the_nearest_other_is_of_another_person_and_has_photos() -> None:
    centres = persons(3)
    vectors = np.concatenate([faces(centre, 4, i) for i, centre in enumerate(centres)])
    folder = np.repeat(np.arange(3), 4)
    folders = FolderSums.of(vectors, folder, 4, np.ones(12, bool))
    near = nearest_others(vectors, np.full(12, 9), folders, np.arange(4), KNOWN)
    assert near.folder.tolist() == folder.tolist()
    one_person = np.array([0, 0, 2, 3])
    assert (nearest_others(vectors[:4], np.zeros(4, np.int64), folders, one_person, KNOWN).folder == 2).all()
    nobody = nearest_others(vectors[:4], np.zeros(4, np.int64), folders, np.zeros(4, np.int64), KNOWN)
    assert (nobody.folder == -1).all()
    assert np.isinf(nobody.evidence).all()


def test_blocks_of_rows_change_nothing() -> None:
    vectors = faces(persons(1)[0], 2500, spread=2.0)
    folder = np.arange(2500) % 7
    folders = FolderSums.of(vectors, folder, 7, np.ones(2500, bool))
    whole = nearest_others(vectors, folder, folders, np.arange(7), KNOWN)
    part = nearest_others(vectors[1500:], folder[1500:], folders, np.arange(7), KNOWN)
    np.testing.assert_array_equal(whole.folder[1500:], part.folder)
    np.testing.assert_allclose(whole.distance[1500:], part.distance, atol=1e-3)


def test_two_folders_of_one_person_are_a_pair_once() -> None:
    centres = persons(3)
    vectors = np.concatenate([faces(centres[0], 4, 1), faces(centres[0], 3, 2), faces(centres[1], 4, 3)])
    folders = FolderSums.of(vectors, np.repeat([2, 0, 1], [4, 3, 4]), 4, np.ones(11, bool))
    pairs = folders_of_one_person(folders, KNOWN, 0.0)
    assert [pair[:2] for pair in pairs] == [(0, 2)]


def test_the_scale_is_measured_where_there_is_enough_and_known_otherwise() -> None:
    centres = persons(20)
    vectors = np.concatenate([faces(centre, 6, i) for i, centre in enumerate(centres)])
    folder, trusted = np.repeat(np.arange(20), 6), np.ones(120, bool)
    found = fit_scale(vectors, folder, 20, trusted)
    assert 0.35 < found.limit < 0.5
    assert found.cosine > 0.9
    assert fit_scale(vectors[:12], folder[:12], 2, trusted[:12]) == KNOWN
    everybody = np.random.default_rng(0).permutation(folder)
    assert fit_scale(vectors, everybody, 20, trusted) == KNOWN


def test_a_tenth_of_wrong_photos_moves_the_limit_little() -> None:
    centres = persons(20)
    vectors = np.concatenate([faces(centre, 10, i) for i, centre in enumerate(centres)])
    folder, trusted = np.repeat(np.arange(20), 10), np.ones(200, bool)
    right = fit_scale(vectors, folder, 20, trusted)
    wrong = folder.copy()
    wrong[::10] = (wrong[::10] + 3) % 20
    assert abs(fit_scale(vectors, wrong, 20, trusted).limit - right.limit) < 0.03
