"""What the user said becomes a recipe that is ready to run, or a sentence that says what does not go together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.errors import DataError, UnknownName
from mien.experiment.recipes import FaceOptions, Recipe, TrainOptions, build_recipe
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PIXELS
from mien.training import NETWORK_RECIPES
from mien.training.settings import SETTINGS
from tests.training.clusters import clusters

pytestmark = pytest.mark.usefixtures("models_home")

FACES = FaceOptions("mtcnn")


def made(recipe: str, **said: Any) -> Recipe:
    return build_recipe(TrainOptions(recipe, **said), FACES, RunOptions(1))


@pytest.mark.parametrize("recipe", ["fer-cnn", "resnet-small", "alexnet"])
def test_recipes_of_crops_end_their_chain_with_pixels(recipe: str) -> None:
    spec = made(recipe).spec
    settings = SETTINGS[recipe]
    assert spec.embedder == PIXELS
    assert (spec.view.size, spec.view.grey) == (settings.size, settings.grey)
    assert spec.weights().keys() >= {"yunet"}


@pytest.mark.parametrize("recipe", ["head", "embedding-cnn", "finetune"])
def test_recipes_of_vectors_have_an_embedder(recipe: str) -> None:
    assert made(recipe).spec.embedder.startswith("dlib-resnet")


def test_every_network_has_its_settings() -> None:
    assert set(NETWORK_RECIPES) == set(SETTINGS)


def test_what_the_user_said_stands_in_place_of_the_recipe_s_own() -> None:
    faces = FaceOptions("mtcnn", size=64, grey=False)
    said = TrainOptions(
        "resnet-small", epochs=7, learning_rate=0.02, policy="gentle", balance="sampling", minutes=3.0, seed=5
    )
    recipe = build_recipe(said, faces, RunOptions(1))
    assert recipe.settings is not None
    assert recipe.settings.epochs(1000) == 7
    assert recipe.settings.epochs(10) == 7
    assert (recipe.settings.size, recipe.settings.grey) == (64, False)
    assert (recipe.settings.learning_rate, recipe.settings.balance) == (0.02, "sampling")
    assert recipe.options.run.minutes == 3.0
    assert (recipe.spec.view.size, recipe.spec.view.grey) == (64, False)


def test_the_policy_decides_what_a_checkpoint_is_taken_for() -> None:
    first, other = (made("resnet-small", policy=name).options.run.augment_name for name in ("gentle", "extreme"))
    assert first
    assert first != other
    assert made("resnet-small", policy="none").options.run.augment is None


def test_whoever_names_the_variants_has_them_in_all_epochs() -> None:
    own, said = made("resnet-small"), made("resnet-small", policy="extreme")
    assert own.settings is not None
    assert own.settings.calm > 0
    assert own.options.run.weak_augment is not None
    assert said.settings is not None
    assert said.settings.calm == 0
    assert said.options.run.weak_augment is None


def test_each_training_keeps_its_state_under_its_own_name(models_home: Path) -> None:
    run = build_recipe(TrainOptions("resnet-small"), FACES, RunOptions(1), "../my people").options.run
    assert run.folder is not None
    assert run.folder.parent == models_home / "training"


def test_small_networks_of_vectors_run_on_one_thread() -> None:
    assert build_recipe(TrainOptions("embedding-cnn"), FACES, RunOptions(2)).options.run.threads == 1
    assert build_recipe(TrainOptions("resnet-small"), FACES, RunOptions(2)).options.run.threads == 2


@pytest.mark.parametrize(
    ("recipe", "said", "sentence"),
    [
        ("head", {"epochs": 3}, "--epochs applies to networks only"),
        ("head", {"minutes": 3.0}, "--minutes applies to networks only"),
        ("head", {"policy": "gentle"}, "--augment applies to networks only"),
        ("embedding-cnn", {"policy": "gentle"}, "--augment"),
        ("resnet-small", {"balance": "fair"}, "--balance fair"),
        ("resnet-small", {"learning_rate": 0.0}, "learning rate"),
        ("resnet-small", {"hierarchy": "no-such-plan"}, "no-such-plan"),
        ("fer-cnn", {"false_accept_rate": 0.9}, "between 0 and 0"),
    ],
)
def test_what_does_not_go_together_is_said(recipe: str, said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        made(recipe, **said)


def test_a_size_that_a_network_cannot_take_is_refused_before_photos_are_looked_at() -> None:
    with pytest.raises(DataError, match="25 to 360 pixels"):
        build_recipe(TrainOptions("alexnet"), FaceOptions("mtcnn", size=24), RunOptions(1))


def test_the_questions_of_a_tree_share_the_minutes() -> None:
    assert made("resnet-small", minutes=6.0).options.run.minutes == 6.0
    assert made("resnet-small", minutes=6.0, hierarchy="sex-first").options.run.minutes == 2.0


def test_how_large_a_tree_of_networks_will_be_is_known_beforehand() -> None:
    whole = made("alexnet", hierarchy="sex-first")
    assert whole.weights > 3 * 50_000_000
    assert made("resnet-small", hierarchy="sex-first").weights < 9_000_000
    assert made("alexnet").weights == made("finetune", hierarchy="sex-first").weights == 0


def test_a_training_begun_sweeps_what_was_given_up(models_home: Path) -> None:
    stale = models_home / "training" / "other" / "checkpoint-0.safetensors"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"x")
    os.utime(stale, (0, 0))
    made("resnet-small")
    assert not stale.exists()


def test_crops_have_no_embedder_to_choose() -> None:
    with pytest.raises(DataError, match="omit --embedder"):
        build_recipe(TrainOptions("fer-cnn"), FaceOptions("mtcnn", "dlib-resnet"), RunOptions(1))


def test_an_inner_layer_is_for_finetuning_only() -> None:
    with pytest.raises(DataError, match="inner layer for --recipe finetune"):
        build_recipe(TrainOptions("head"), FaceOptions("mtcnn", "dlib-resnet-block"), RunOptions(1))


def test_vectors_have_no_size_to_choose() -> None:
    with pytest.raises(DataError, match="omit --size"):
        build_recipe(TrainOptions("head"), FaceOptions("mtcnn", size=32), RunOptions(1))


def test_a_recipe_that_there_is_not_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(UnknownName, match="fer-cnn"):
        made("fercnn")


def test_it_learns_with_the_seed_that_it_is_given() -> None:
    vectors, labels = clusters([10, 10, 10], dimension=128)
    nothing: list[str | None] = [None] * 30
    first, again = (made("head").learn(vectors, labels, nothing, nothing, seed) for seed in (3, 3))
    assert (first.head.answer(vectors)[0] == again.head.answer(vectors)[0]).all()
    assert np.isfinite(first.head.threshold) or first.unknown.threshold is None


def test_a_tree_over_the_labels_is_learnt_step_by_step(tmp_path: Path) -> None:
    vectors, labels = clusters([10, 10, 10], dimension=128)
    (tmp_path / "tree.toml").write_text(
        '[tree]\nfirst = ["person 00", "person 01"]\nlast = [{ both = ["person 02"] }]\n'
    )
    nothing: list[str | None] = [None] * 30
    with pytest.raises(DataError):
        made("head", hierarchy=str(tmp_path / "tree.toml")).learn(vectors, labels, nothing, nothing, 0)
    (tmp_path / "tree.toml").write_text('tree = ["person 02", { first = ["person 00", "person 01"] }]\n')
    fit = made("head", hierarchy=str(tmp_path / "tree.toml")).learn(vectors, labels, nothing, nothing, 0)
    assert set(fit.head.labels) == {"person 00", "person 01", "person 02"}
    assert fit.parts.keys() == {"network.onnx", "network.json", "weights.safetensors"}
