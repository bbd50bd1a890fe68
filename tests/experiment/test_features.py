"""The photos of a study: the same for every variant, with groups kept together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mien.data import DataSet
from mien.experiment.features import prepare_study
from mien.experiment.variants import StudyOptions, build_variants
from mien.pipeline.execute import RunOptions
from tests.experiment.factories import FACES, HEAD, TWO, photos

pytestmark = pytest.mark.usefixtures("made_up")


def test_a_photo_that_one_variant_cannot_use_is_left_out_for_all() -> None:
    refs = [*TWO.refs, *photos("ann", 2, note="no crop "), *photos("bob", 3, note="no vector ")]
    varied = build_variants(StudyOptions("recipe", variants=("head", "fer-cnn")), FACES, RunOptions(1))
    found = prepare_study(DataSet.of(refs, []), [variant.recipe.spec for variant in varied], RunOptions(1), 3)
    assert len(found.y) == 30
    assert len(found.rejected) == 5
    assert [len(inputs) for inputs in found.inputs.values()] == [30, 30]


def test_photos_of_one_group_are_tested_together() -> None:
    refs = [
        replace(ref, origin=replace(ref.origin, group=f"{ref.origin.label}{i % 5}")) for i, ref in enumerate(TWO.refs)
    ]
    found = prepare_study(
        DataSet.of(refs, []), [build_variants(HEAD, FACES, RunOptions(1))[0].recipe.spec], RunOptions(1), 3
    )
    for _, _, rows in found.tests(5):
        apart = set(range(30)) - set(rows.tolist())
        assert not {found.groups[i] for i in rows} & {found.groups[i] for i in apart}


def test_two_photos_of_a_class_at_least_stay_to_learn_from() -> None:
    """Of three groups of a class one holds nearly all: tested on, it would leave one photo in training."""
    sizes = {"a": 8, "b": 1}
    refs = [
        replace(ref, origin=replace(ref.origin, group=f"{ref.origin.label}{group}"))
        for label in ("ann", "bob")
        for group, size in sizes.items()
        for ref in photos(label, size, note=group)
    ]
    found = prepare_study(
        DataSet.of(refs, []), [build_variants(HEAD, FACES, RunOptions(1))[0].recipe.spec], RunOptions(1), 3
    )
    for _, _, rows in found.tests(5):
        left = np.bincount(np.delete(found.y, rows), minlength=2)
        assert (left >= 2).all()
