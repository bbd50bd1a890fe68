"""The recipe auto: the same photos in the same folds for all, and one that fails is not chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from mien.data import DataSet
from mien.errors import DataError
from mien.evaluate.comparison import Trial
from mien.experiment import select
from mien.experiment.recipes import FaceOptions, Recipe, TrainOptions
from mien.experiment.select import RecipeChoice, choose_recipe
from mien.experiment.study_data import StudyData
from mien.experiment.trial import run_trial
from mien.flows.train import train
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec
from mien.types import Crop, Detection, Embedding, Ints, Origin, PhotoRef, Reason, Rejected

pytestmark = pytest.mark.usefixtures("models_home")

FACE = Detection(0, (0.0, 0.0, 9.0, 9.0), 1.0)
FACES = FaceOptions("mtcnn")


@dataclass(frozen=True, slots=True)
class MadeUp(RunOptions):
    """A drive whose vectors and crops are drawn anew for each chain; `lost` are photos that make no crop."""

    lost: frozenset[str] = field(default_factory=frozenset)

    def inputs(self, spec: PipelineSpec, refs: Sequence[PhotoRef]) -> Iterator[Embedding | Crop | Rejected]:
        rng = np.random.default_rng(spec.view.size)
        for ref in refs:
            bright = ref.origin.label == "ann"
            if spec.embedder != "none":
                size = 4096 if spec.embedder.endswith("block") else 128
                vector = rng.normal(size=size) + 3 * bright * np.eye(size)[0]
                yield Embedding(ref.origin, FACE, vector.astype(np.float32))
            elif ref.key in self.lost:
                yield Rejected(ref.origin, "detect", Reason.NO_FACE)
            else:
                side = spec.view.size
                yield Crop(ref.origin, FACE, rng.integers(0, 99 + 99 * bright, (side, side)).astype(np.uint8))


@pytest.fixture
def data() -> DataSet:
    names = [(f"{label}/{i}", label) for label in ("ann", "bob") for i in range(12)]
    return DataSet.of([PhotoRef(Origin(name, label)) for name, label in names], [])


def flawless(photos: StudyData, rows: Ints, seed: int, fold: int) -> Trial:
    return Trial(seed, fold, rows, photos.y[rows], 1.0, 0.1, 1, 1)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """The recipes that were tried, and the photos that each fold tested them on."""
    found: list[tuple[str, list[str]]] = []

    def watched(recipe: Recipe, photos: StudyData, rows: Ints, seed: int, fold: int) -> Trial:
        found.append((recipe.name, [photos.keys[i] for i in rows]))
        if recipe.settings is None:
            return run_trial(recipe, photos, rows, seed, fold)
        return flawless(photos, rows, seed, fold)

    monkeypatch.setattr(select, "run_trial", watched)
    return found


def test_every_recipe_is_tested_on_the_same_photos(data: DataSet, seen: list[tuple[str, list[str]]]) -> None:
    chosen = choose_recipe(data, TrainOptions("auto"), FACES, MadeUp(1))
    assert [one.recipe for one in chosen.tried] == list(select.CHEAPEST_FIRST)
    folds = {name: [keys for tried, keys in seen if tried == name] for name in select.CHEAPEST_FIRST}
    assert len(folds["head"]) == 3
    assert all(each == folds["head"] for each in folds.values())


def test_a_photo_that_makes_no_crop_is_left_out_and_the_others_keep_their_folds(
    data: DataSet, seen: list[tuple[str, list[str]]]
) -> None:
    choose_recipe(data, TrainOptions("auto"), FACES, MadeUp(1, lost=frozenset({"ann/3", "bob/5"})))
    folds = {name: [keys for tried, keys in seen if tried == name] for name in ("head", "resnet-small")}
    kept = [[key for key in keys if key not in ("ann/3", "bob/5")] for keys in folds["head"]]
    assert folds["resnet-small"] == kept


def test_a_recipe_that_fails_is_not_chosen_and_says_why(data: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(recipe: Recipe, photos: StudyData, rows: Ints, seed: int, fold: int) -> Trial:
        if recipe.name == "embedding-cnn":
            raise DataError("the loss was no longer a number")
        return (
            run_trial(recipe, photos, rows, seed, fold)
            if recipe.settings is None
            else flawless(photos, rows, seed, fold)
        )

    monkeypatch.setattr(select, "run_trial", failing)
    tried = {one.recipe: one for one in choose_recipe(data, TrainOptions("auto"), FACES, MadeUp(1)).tried}
    assert (tried["embedding-cnn"].accuracy, tried["embedding-cnn"].why) == (None, "the loss was no longer a number")
    assert tried["fer-cnn"].accuracy == 1.0


@pytest.mark.parametrize("faces", [replace(FACES, size=64), replace(FACES, grey=True)])
def test_what_concerns_one_recipe_is_refused(data: DataSet, faces: FaceOptions) -> None:
    with pytest.raises(DataError, match="goes with one recipe"):
        choose_recipe(data, TrainOptions("auto"), faces, MadeUp(1))


def test_the_report_says_that_choosing_flatters(data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(_: DataSet, options: TrainOptions, *rest: object) -> RecipeChoice:
        return RecipeChoice(replace(options, recipe="head"), (select.RecipeScore("head", 1.0, 1.0, 0.1),))

    monkeypatch.setattr("mien.flows.train.choose_recipe", chosen)
    pages = []
    for recipe in ("auto", "head"):
        train(data, "made up", tmp_path / "x.mien", TrainOptions(recipe), FACES, MadeUp(1))
        pages.append((tmp_path / "x.mien" / "report.html").read_text("utf-8"))
    assert ["flatter a little" in page for page in pages] == [True, False]
