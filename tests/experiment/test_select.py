"""What `auto` chooses: a recipe by the same photos in the same folds, an embedder where labels may be anything."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from mien import models
from mien.data import DataSet
from mien.errors import DataError, MienWarning
from mien.evaluation.comparison import Trial
from mien.experiment import select
from mien.experiment.features import StudyData
from mien.experiment.recipes import FaceOptions, Recipe, TrainOptions
from mien.experiment.select import RecipeChoice, choose_embedder, choose_recipe
from mien.experiment.trial import run_trial
from mien.flows.train import train
from mien.pipeline.execute import RunOptions, prepare_photos
from mien.pipeline.spec import PipelineSpec
from mien.types import UNKNOWN, Crop, Detection, Embedding, Ints, Origin, PhotoRef, Reason, Rejected

pytestmark = pytest.mark.usefixtures("models_home")

FACE = Detection(0, (0.0, 0.0, 9.0, 9.0), 1.0)
FACES = FaceOptions("mtcnn")


PREPARE = "mien.experiment.features.prepare_photos"


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Vectors and crops are drawn anew for each pipeline; the photos in the set make no crop."""
    lost: set[str] = set()

    def prepare(spec: PipelineSpec, refs: Sequence[PhotoRef], _: RunOptions) -> Iterator[Embedding | Crop | Rejected]:
        rng = np.random.default_rng(spec.view.size)
        for ref in refs:
            bright = ref.origin.label == "ann"
            if spec.embedder != "none":
                size = 4096 if spec.embedder.endswith("block") else 128
                vector = rng.normal(size=size) + 3 * bright * np.eye(size)[0]
                yield Embedding(ref.origin, FACE, vector.astype(np.float32))
            elif ref.key in lost:
                yield Rejected(ref.origin, "detect", Reason.NO_FACE)
            else:
                side = spec.view.size
                yield Crop(ref.origin, FACE, rng.integers(0, 99 + 99 * bright, (side, side)).astype(np.uint8))

    monkeypatch.setattr(PREPARE, prepare)
    return lost


@pytest.fixture
def two_people() -> DataSet:
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


@pytest.mark.usefixtures("lost")
def test_every_recipe_is_tested_on_the_same_photos(two_people: DataSet, seen: list[tuple[str, list[str]]]) -> None:
    chosen = choose_recipe(two_people, TrainOptions("auto"), FACES, RunOptions(1))
    assert [score.recipe for score in chosen.scores] == list(select.CHEAPEST_FIRST)
    folds = {name: [keys for tried, keys in seen if tried == name] for name in select.CHEAPEST_FIRST}
    assert len(folds["head"]) == 3
    assert all(rows == folds["head"] for rows in folds.values())


def test_a_photo_that_makes_no_crop_is_left_out_and_the_others_keep_their_folds(
    two_people: DataSet, seen: list[tuple[str, list[str]]], lost: set[str]
) -> None:
    lost |= {"ann/3", "bob/5"}
    choose_recipe(two_people, TrainOptions("auto"), FACES, RunOptions(1))
    folds = {name: [keys for tried, keys in seen if tried == name] for name in ("head", "resnet-small")}
    kept = [[key for key in keys if key not in ("ann/3", "bob/5")] for keys in folds["head"]]
    assert folds["resnet-small"] == kept


@pytest.mark.usefixtures("lost")
def test_a_recipe_that_fails_is_not_chosen_and_says_why(two_people: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(recipe: Recipe, photos: StudyData, rows: Ints, seed: int, fold: int) -> Trial:
        if recipe.name == "embedding-cnn":
            raise DataError("the loss was no longer a number")
        return (
            run_trial(recipe, photos, rows, seed, fold)
            if recipe.settings is None
            else flawless(photos, rows, seed, fold)
        )

    monkeypatch.setattr(select, "run_trial", failing)
    tried = {
        score.recipe: score for score in choose_recipe(two_people, TrainOptions("auto"), FACES, RunOptions(1)).scores
    }
    assert (tried["embedding-cnn"].accuracy, tried["embedding-cnn"].why) == (None, "the loss was no longer a number")
    assert tried["fer-cnn"].accuracy == 1.0


@pytest.mark.parametrize("faces", [replace(FACES, size=64), replace(FACES, grey=True)])
def test_what_concerns_one_recipe_is_refused(two_people: DataSet, faces: FaceOptions) -> None:
    with pytest.raises(DataError, match="applies to one recipe only"):
        choose_recipe(two_people, TrainOptions("auto"), faces, RunOptions(1))


@pytest.mark.usefixtures("lost")
def test_the_report_says_that_choosing_flatters(
    two_people: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chosen(_: DataSet, options: TrainOptions, *rest: object) -> RecipeChoice:
        return RecipeChoice(replace(options, recipe="head"), (select.RecipeScore("head", 1.0, 1.0, 0.1),))

    monkeypatch.setattr("mien.flows.train.choose_recipe", chosen)
    pages = []
    for recipe in ("auto", "head"):
        with pytest.warns(MienWarning):
            train(two_people, tmp_path / "x.mien", recipe=recipe, detector="mtcnn", workers=1)
        pages.append((tmp_path / "x.mien" / "report.html").read_text("utf-8"))
    assert ["slightly optimistic" in page for page in pages] == [True, False]


WIDTH = {"dlib-resnet-int8": 128, "traits": 256}


@dataclass(slots=True)
class MadeUp:
    """Makes vectors that tell the label in those columns that belong to `telling`; notes each embedder it ran."""

    telling: str = "traits"
    embedders: list[str] = field(default_factory=list)

    def __call__(self, spec: PipelineSpec, refs: Sequence[PhotoRef], _: RunOptions) -> Iterator[Embedding]:
        self.embedders.append(spec.embedder)
        rng = np.random.default_rng(0)
        for ref in refs:
            parts = []
            for name, width in WIDTH.items():
                shift = 4.0 * (ref.origin.label == "ann") * (name == self.telling)
                vector = rng.normal(size=width) + shift * np.eye(width)[0]
                parts += [vector / np.linalg.norm(vector)] if name in spec.embedders else []
            yield Embedding(ref.origin, FACE, np.concatenate(parts).astype(np.float32))


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    """Made-up vectors instead of those of photos."""
    made_up = MadeUp()
    monkeypatch.setattr(PREPARE, made_up)
    return made_up


def some(photos: int = 30, labels: Sequence[str] = ("ann", "bob"), split: str | None = None) -> DataSet:
    names = [(f"{label}/{i}", label) for label in labels for i in range(photos)]
    return DataSet.of([PhotoRef(Origin(name, label, split=split)) for name, label in names], [])


@pytest.mark.parametrize("telling", ["dlib-resnet-int8", "traits"])
def test_the_one_that_tells_the_labels_apart_is_picked(made_up: MadeUp, telling: str) -> None:
    made_up.telling = telling
    picked = choose_embedder(some(), FACES, 0, RunOptions(1))
    assert picked is not None
    assert [score.embedder for score in picked.scores] == ["dlib-resnet-int8", "traits", "dlib-resnet-int8+traits"]
    assert picked.spec.embedder == telling
    assert all(len(item.vector) == WIDTH[telling] for item in picked.features.items if isinstance(item, Embedding))
    assert made_up.embedders == ["dlib-resnet-int8+traits"]
    assert picked.note.startswith(f"embedder {telling} was chosen; accuracy in 3 folds: dlib-resnet-int8 ")


@pytest.mark.parametrize(
    "data",
    [
        some(12),
        some(40, [f"person {i}" for i in range(31)]),
        some(40, ["ann", "bob", UNKNOWN]),
        some(40, ["ann"]),
        some(40, split="test"),
    ],
)
def test_labels_that_look_like_people_are_not_compared(made_up: MadeUp, data: DataSet) -> None:
    assert choose_embedder(data, FACES, 0, RunOptions(1)) is None
    assert made_up.embedders == []


def test_without_its_weights_nothing_is_compared(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "is_available", lambda name: name != "traits")
    assert choose_embedder(some(), FACES, 0, RunOptions(1)) is None
    assert made_up.embedders == []


def test_a_training_looks_at_the_photos_once_and_pins_what_was_picked(made_up: MadeUp, tmp_path: Path) -> None:
    with pytest.warns(MienWarning) as notes:
        result = train(some(), tmp_path / "x.mien", detector="mtcnn", workers=1).training
    assert made_up.embedders == ["dlib-resnet-int8+traits"]
    assert result.recipe.spec.embedder == "traits"
    manifest = json.loads((tmp_path / "x.mien" / "bundle.json").read_text())
    assert manifest["chain"]["embedder"] == "traits"
    plan = models.get_card("traits").input
    assert plan is not None
    assert manifest["chain"]["view"]["size"] == plan.size
    compared = [item["embedder"] for item in manifest["training"]["embedders"]]
    assert compared == [score.embedder for score in result.embedders]
    assert any("embedder traits was chosen" in str(note.message) for note in notes)
    assert "the figures are slightly optimistic" in (tmp_path / "x.mien" / "report.html").read_text()


@pytest.mark.parametrize("embedder", ["dlib-resnet-int8", "traits", "dlib-resnet-int8+traits"])
def test_an_embedder_that_is_named_is_taken_as_it_is(made_up: MadeUp, tmp_path: Path, embedder: str) -> None:
    with pytest.warns(MienWarning):
        model = train(some(), tmp_path / "x.mien", detector="mtcnn", embedder=embedder, workers=1)
    assert made_up.embedders == [embedder]
    assert model.training.embedders == ()


def test_an_option_that_does_not_go_with_the_recipe_is_refused_before_photos_are_looked_at(
    made_up: MadeUp, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="--epochs applies to networks only"):
        train(some(), tmp_path / "x.mien", detector="mtcnn", epochs=3)
    assert made_up.embedders == []


def test_the_vectors_are_the_very_ones_that_the_picked_chain_gives(data: Path) -> None:
    """So that evaluating knows again which photos were trained on."""
    from mien.data import open_data

    given = open_data(data / "attributes" / "six_class")
    keys = {"boy", "girl"}
    refs = [ref for ref in given.refs if ref.origin.label in keys]
    picked = choose_embedder(DataSet.of(refs, []), FACES, 0, RunOptions(1, cache=False))
    assert picked is not None
    alone = {item.key: item for item in prepare_photos(picked.spec, refs, RunOptions(1, cache=False))}
    for item in picked.features.items:
        same = alone[item.key]
        assert isinstance(item, Embedding)
        assert isinstance(same, Embedding)
        assert np.array_equal(item.vector, same.vector)
