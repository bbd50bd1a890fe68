from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mien.types import Pixels
from recipes.traits.faces import GLASSES, IDENTITY, LABELS, SIDE, FaceTable
from recipes.traits.feature_cache import FeatureBatch
from recipes.traits.train import held_out_rows, loss_of, training_rows
from recipes.traits.training_batches import (
    NONE,
    STREET,
    WORN,
    WRONG,
    FaceSampler,
    degrade,
    draw_accessory,
    random_affine,
)


def rows(n: int, *, street: bool = False) -> FaceTable:
    """Faces of noise with every label; street photos know their mask alone."""
    rng = np.random.default_rng(n)
    labels = {name: np.arange(n) % len(names) for name, names in LABELS.items()}
    labels["mask"] = np.arange(n) % 3 if street else np.full(n, NONE)
    if street:
        labels |= {name: np.full(n, -1) for name in ("age", "gender", "glasses")}
    points = np.tile(np.array([[40, 40], [88, 40], [64, 70], [46, 90], [82, 90]], np.float32), (n, 1, 1))
    crops = rng.integers(60, 200, (n, SIDE, SIDE, 3)).astype(np.uint8)
    identity = np.full((n, IDENTITY), np.nan if street else 0.5, np.float32)
    return FaceTable(crops, points, labels, identity, np.arange(n) // 2, np.full(n, SIDE))


@pytest.fixture(scope="module")
def mix() -> FaceSampler:
    return FaceSampler(rows(48), rows(48), rows(30, street=True), 48)


def test_epochs_are_reproducible_and_differ(mix: FaceSampler) -> None:
    first, again, other = (next(iter(mix.batches(epoch, 32))) for epoch in (0, 0, 1))
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, other.pixels)


def test_a_batch_has_the_networks_size_and_street_photos_last(mix: FaceSampler) -> None:
    batches = list(mix.batches(0, 32))
    assert len(batches) == 48 // (32 - STREET)
    for batch in batches:
        assert batch.pixels.shape == (32, 48, 48, 3)
        assert (batch.labels["age"][-STREET:] == -1).all()
        assert (batch.labels["age"][:-STREET] >= 0).all()
        assert (batch.labels["mask"] >= 0).all()


def test_a_drawing_changes_its_label_and_nothing_else() -> None:
    faces, seen = rows(3), set()
    faces = replace(faces, labels={**faces.labels, "glasses": np.full(3, -1)})
    for seed in range(120):
        crop, batch = draw_accessory(faces, 0, np.random.default_rng(seed))
        assert (batch["age"], batch["gender"]) == (0, 0)
        changed = not np.array_equal(crop, faces.crops[0])
        assert changed or (batch["mask"], batch["glasses"]) == (NONE, -1)
        seen.add((batch["mask"], batch["glasses"]))
    assert {(WORN, -1), (WRONG, -1), (NONE, 1), (NONE, 2)} <= seen


def test_no_second_pair_of_glasses_is_drawn() -> None:
    faces = rows(3)
    number = GLASSES.index("glasses")
    for seed in range(60):
        assert draw_accessory(faces, number, np.random.default_rng(seed))[1]["glasses"] == number


def test_a_transformed_crop_shows_the_middle_of_the_whole() -> None:
    crop = np.full((SIDE, SIDE, 3), 10, np.uint8)
    crop[44:84, 44:84] = 250
    made = random_affine(crop, 64, np.random.default_rng(0))
    assert made.shape == (64, 64, 3)
    assert made[28:36, 28:36].mean() > 200
    assert made[:6].mean() < 20


@pytest.mark.parametrize("seed", range(12))
def test_a_degraded_crop_is_still_a_picture(seed: int) -> None:
    crop: Pixels = rows(1).crops[0][:64, :64]
    made = degrade(crop, np.random.default_rng(seed))
    assert made.shape == crop.shape
    assert made.dtype == np.uint8
    assert made.std() > 3


def test_held_out_photos_are_not_trained_on_and_stay_whole() -> None:
    faces = rows(40)
    apart, learnt = faces.group[held_out_rows(faces, 4)], training_rows(faces, 4).group
    assert len(apart) + len(learnt) == 40
    assert not set(apart) & set(learnt)


def test_only_known_labels_are_trained_on() -> None:
    torch = pytest.importorskip("torch")
    logits = {name: torch.zeros(4, len(names), requires_grad=True) for name, names in LABELS.items()}
    lesson = torch.zeros(4, IDENTITY, requires_grad=True)
    labels = {name: np.full(4, -1) for name in LABELS}
    identity = np.full((4, IDENTITY), np.nan, np.float32)
    batch = FeatureBatch(np.zeros((4, 2, 3, 3), np.uint8), 1.0, labels, identity, {})
    assert loss_of((logits, lesson), batch).item() == 0
    labels["age"][1], identity[2] = 8, 1.0
    loss_of((logits, lesson), batch).backward()  # type: ignore[no-untyped-call]
    assert logits["age"].grad[1].abs().sum() > 0
    assert logits["age"].grad[[0, 2, 3]].abs().sum() == 0
    assert logits["age"].grad[1, 7] > logits["age"].grad[1, 8]
    assert (lesson.grad.abs().sum(dim=1) > 0).tolist() == [False, False, True, False]


def test_street_photos_teach_no_identity(mix: FaceSampler) -> None:
    batch = next(iter(mix.batches(0, 32)))
    assert np.isnan(batch.identity[-STREET:]).all()
    assert np.isfinite(batch.identity[:-STREET]).all()
