"""Numbers out of seeds: even, independent, and the same wherever they are asked for."""

from __future__ import annotations

import numpy as np

from mien.augmentation.keyed_random import keys, normals, uniforms


def test_a_rows_numbers_depend_on_its_seed_alone() -> None:
    together = uniforms(keys([5, 6, 7]), 9)
    assert (together[1] == uniforms(keys([6]), 9)[0]).all()
    assert (together[:, 4:] == uniforms(keys([5, 6, 7]), 5, start=4)).all()
    assert (normals(keys([5, 6, 7]), 2, 50)[2] == normals(keys([7]), 2, 50)[0]).all()


def test_any_integer_is_a_seed() -> None:
    assert len(set(keys([0, -1, 1, 2**63, 2**64 - 2, np.int64(3)]))) == 6  # type: ignore[list-item]
    assert keys([2**64 + 7])[0] == keys([7])[0]


def test_neighbouring_seeds_and_numbers_have_nothing_in_common() -> None:
    drawn = uniforms(keys(range(4000)), 12)
    assert ((drawn >= 0) & (drawn < 1)).all()
    assert np.abs(drawn.mean(axis=0) - 0.5).max() < 0.02
    assert np.abs(drawn.var(axis=0) - 1 / 12).max() < 0.005
    between_numbers = np.corrcoef(drawn.T) - np.eye(12)
    assert np.abs(between_numbers).max() < 0.06
    assert abs(np.corrcoef(drawn[:-1, 0], drawn[1:, 0])[0, 1]) < 0.06


def test_the_numbers_are_those_of_every_other_day() -> None:
    """What was drawn for a seed must not change with a library: a study could not be repeated."""
    assert np.round(uniforms(keys([0, 1]), 2), 6).tolist() == [[0.652448, 0.701212], [0.36819, 0.943564]]


def test_grain_is_normal_to_the_eye_and_has_no_pattern() -> None:
    grain = normals(keys(range(20)), 0, 96 * 96)
    assert grain.dtype == np.float32
    assert abs(float(grain.mean())) < 0.01
    assert abs(float(grain.std()) - 1) < 0.01
    assert 2.5 < float((grain**4).mean()) < 3.2
    plane = grain[0].reshape(96, 96)
    for shifted in (plane[1:] * plane[:-1], plane[:, 1:] * plane[:, :-1]):
        assert abs(float(shifted.mean())) < 0.04
    assert np.abs(np.corrcoef(grain) - np.eye(20)).max() < 0.06


def test_two_steps_have_grain_of_their_own() -> None:
    one, other = normals(keys([3]), 0, 5000)[0], normals(keys([3]), 1, 5000)[0]
    assert abs(float((one * other).mean())) < 0.05
