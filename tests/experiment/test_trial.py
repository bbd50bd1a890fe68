"""One training and its test."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.data import DataSet
from mien.experiment.features import prepare_study
from mien.experiment.trial import run_trial
from mien.experiment.variants import StudyOptions, build_variants
from mien.pipeline.execute import RunOptions
from tests.experiment.factories import FACES, photos

pytestmark = pytest.mark.usefixtures("made_up")


def test_a_hierarchy_is_tested_like_any_other_variant(tmp_path: Path, home: Path) -> None:
    tree = tmp_path / "mine.toml"
    tree.write_text('[tree]\nleft = ["ann", "bob"]\nright = ["cy", "dee"]\n')
    data = DataSet.of([ref for label in ("ann", "bob", "cy", "dee") for ref in photos(label, 10)], [])
    variant = build_variants(StudyOptions("hierarchy", trees=(tree,)), FACES, RunOptions(1))[1]
    found = prepare_study(data, [variant.recipe.spec], RunOptions(1), 3)
    seed, fold, rows = next(found.tests(1))
    trial = run_trial(variant.recipe, found, rows, seed, fold)
    assert (trial.answers == found.y[rows]).mean() > 0.8
    assert 0.8 < trial.learnt <= 1.0
