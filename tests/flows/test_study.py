"""A study from photos to its figures, on vectors and crops made up so that what is better is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mien
from mien.data import DataSet
from mien.errors import DataError, MienWarning
from mien.evaluation.comparison import Trial
from mien.evaluation.study import StudyResult
from mien.experiment.features import StudyData
from mien.experiment.recipes import Recipe
from mien.experiment.trial import run_trial
from mien.experiment.variants import StudyOptions
from mien.flows import study as studying
from mien.flows.study import compare_variants
from mien.models.head import unit
from mien.pipeline.execute import RunOptions
from mien.training import HeldOutPredictions
from mien.training.head import class_centres
from mien.types import UNKNOWN, Ints
from tests.experiment.factories import FACES, HEAD, TWO, photos, prepare_made_up

pytestmark = pytest.mark.usefixtures("made_up")


@pytest.fixture
def made_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.experiment.features.prepare_photos", prepare_made_up)


def studied(options: StudyOptions = HEAD, data: DataSet = TWO, *, cache: bool = True) -> StudyResult:
    return compare_variants(data, "made up", options, FACES, RunOptions(1, cache=cache))


@dataclass(frozen=True, slots=True)
class Centres:
    """A head that takes a face for whoever's mean direction is nearest."""

    labels: tuple[str, ...]
    centres: Any

    def answer(self, inputs: Any) -> tuple[Any, Any]:
        likeness = inputs @ self.centres.T
        return likeness, likeness.max(axis=1)


@dataclass(frozen=True, slots=True)
class Quick:
    """What the quickest of recipes gives."""

    head: Centres
    held_out: HeldOutPredictions
    seen: Any

    def as_json(self) -> dict[str, Any]:
        return {}


def quick_fit(self: Recipe, inputs: Any, labels: Sequence[str], groups: Any, splits: Sequence[str], seed: int) -> Quick:
    """The least that is a recipe: class centres, without the cross-validation that the real one spends its time on."""
    names = tuple(sorted(set(labels)))
    y, learnt = np.array([names.index(label) for label in labels]), np.array(splits) == "train"
    head = Centres(names, class_centres(unit(inputs[learnt]), y[learnt], len(names)))
    tested = np.flatnonzero(~learnt)
    return Quick(head, HeldOutPredictions("test", tested, *head.answer(inputs[tested])), np.flatnonzero(learnt))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recipe, "learn", quick_fit)


@pytest.fixture
def trials(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Which trials were really run, by variant, seed and fold; the memory is the test's own."""
    run: list[tuple[str, int, int]] = []

    def counted(recipe: Recipe, photos: StudyData, rows: Ints, seed: int, fold: int) -> Trial:
        run.append((recipe.name, seed, fold))
        return run_trial(recipe, photos, rows, seed, fold)

    monkeypatch.setattr(studying, "run_trial", counted)
    return run


def test_every_variant_is_tested_on_the_same_photos_with_each_seed(trials: list[tuple[str, int, int]]) -> None:
    options = StudyOptions("recipe", variants=("head", "embedding-cnn"), epochs=2)
    done = studied(options)
    assert sorted(trials) == sorted((name, seed, 0) for name in ("head", "embedding-cnn") for seed in range(3))
    head, network = done.scores
    assert (head.variant, head.trials, head.n) == ("head", 3, network.n)
    assert head.accuracy_mean > 0.9
    assert (head.epochs, network.epochs) == (None, 2.0)
    assert {done.comparisons[0].a, done.comparisons[0].b} == {"head", "embedding-cnn"}
    assert done.verdict


@pytest.mark.usefixtures("quick")
def test_with_all_folds_every_photo_is_tested_with_every_seed(trials: list[tuple[str, int, int]]) -> None:
    done = studied(replace(HEAD, folds=5))
    assert done.scores[0].n == 30
    assert len(trials) == 15


@pytest.mark.usefixtures("quick")
def test_a_study_that_was_broken_off_goes_on_where_it_stopped(
    trials: list[tuple[str, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    counting: Callable[..., Trial] = vars(studying)["run_trial"]

    def killed(recipe: Recipe, photos: StudyData, rows: Ints, seed: int, fold: int) -> Trial:
        if len(trials) == 2:
            raise KeyboardInterrupt
        return counting(recipe, photos, rows, seed, fold)

    monkeypatch.setattr(studying, "run_trial", killed)
    with pytest.raises(KeyboardInterrupt):
        studied()
    monkeypatch.setattr(studying, "run_trial", counting)
    done = studied()
    assert trials == [("head", 0, 0), ("head", 1, 0), ("head", 2, 0)]
    assert done.remembered == 2
    assert any(note.startswith("2 trainings finished by an earlier run") for note in done.notes)
    again = studied()
    assert len(trials) == 3
    assert again.scores == done.scores


@pytest.mark.usefixtures("quick")
def test_what_was_remembered_is_for_these_photos_and_this_way_only(trials: list[tuple[str, int, int]]) -> None:
    studied()
    assert studied(data=DataSet.of(photos("ann", 14) + photos("bob", 15), [])).remembered == 0
    assert studied(StudyOptions("recipe", variants=("embedding-cnn",), epochs=1)).remembered == 0
    assert studied(StudyOptions("recipe", variants=("embedding-cnn",), epochs=2)).remembered == 0
    assert studied(replace(HEAD, seeds=4)).remembered == 3


@pytest.mark.usefixtures("quick")
def test_without_the_cache_nothing_is_remembered(trials: list[tuple[str, int, int]], home: Path) -> None:
    assert studied(cache=False).remembered == studied(cache=False).remembered == 0
    assert len(trials) == 6
    assert not (home / "studies").exists()


@pytest.mark.usefixtures("quick")
def test_where_studies_cannot_be_kept_it_says_whose_folder_that_is(
    trials: list[tuple[str, int, int]], home: Path
) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "studies").write_bytes(b"")
    with pytest.raises(DataError, match=r"could not be written .* \(studies are stored in MIEN_HOME\)$"):
        studied()
    assert not trials


@pytest.mark.usefixtures("quick")
def test_lines_that_were_damaged_are_done_again(trials: list[tuple[str, int, int]], home: Path) -> None:
    studied()
    (file,) = (home / "studies").glob("*.jsonl")
    first, second, third = file.read_text("utf-8").splitlines()
    file.write_text(
        "\n".join([first, '{"name": 1}', second.replace('"rows": [', '"rows": ["x", '), third[:40]]), "utf-8"
    )
    assert studied().remembered == 1
    assert studied().remembered == 3


@pytest.mark.usefixtures("quick")
def test_official_test_photos_and_strangers_have_no_part_in_the_choice(home: Path) -> None:
    refs = [*photos("ann", 12, "train"), *photos("bob", 12, "train"), *photos("ann", 4, "test"), *photos(UNKNOWN, 5)]
    done = studied(data=DataSet.of(refs, []))
    assert done.photos == 24
    assert "4 photos of other splits than train: not used, so that the best can be tested on them" in done.notes


@pytest.mark.usefixtures("quick")
def test_a_label_that_is_one_group_is_said_to_go_untested(home: Path) -> None:
    grouped = [replace(ref, origin=replace(ref.origin, group="burst")) for ref in photos("cy", 10)]
    done = studied(data=DataSet.of([*TWO.refs, *grouped], []))
    assert any(note.startswith("no photo of cy was tested") for note in done.notes)


def test_a_tree_that_does_not_fit_is_refused_before_anything_is_trained(trials: list[tuple[str, int, int]]) -> None:
    with pytest.raises(DataError, match="does not fit the data"):
        studied(StudyOptions("hierarchy"))
    assert trials == []


def test_what_fails_says_which_variant_it_was(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise DataError("the loss is no number")

    monkeypatch.setattr("mien.experiment.recipes.Recipe.learn", fails)
    with pytest.raises(DataError, match="recipe head: head, seed 0: the loss is no number"):
        studied()


@pytest.mark.usefixtures("quick")
def test_the_public_function_writes_a_page_and_gives_tables(tmp_path: Path) -> None:
    page = tmp_path / "study.html"
    result = mien.study(TWO, over="recipe", variants=["head"], detector="mtcnn", report=page, workers=1)
    assert "Which recipe?" in page.read_text("utf-8")
    table = result.to_pandas()
    assert list(table.index) == ["head"]
    assert table.loc["head", "accuracy_mean"] == result.scores[0].accuracy_mean
    assert result.as_json()["photos"] == 30
    assert "<svg" in result._repr_html_()
    (tmp_path / "file").touch()
    with pytest.raises(DataError):
        result.to_html(tmp_path / "file" / "study.html")


def test_where_no_page_can_be_written_nothing_is_trained(trials: list[tuple[str, int, int]], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError):
        mien.study(TWO, over="recipe", variants=["head"], detector="mtcnn", report=tmp_path / "file" / "study.html")
    assert trials == []


@pytest.mark.usefixtures("quick")
def test_what_should_be_known_of_the_result_is_a_warning() -> None:
    with pytest.warns(MienWarning, match="4 photos of other splits than train"):
        mien.study(
            DataSet.of([*TWO.refs, *photos("ann", 4, "test")], []), over="recipe", variants=["head"], detector="mtcnn"
        )
