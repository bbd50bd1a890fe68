"""What the base says of drawn faces: asked once, kept as long as it is wanted, mixed row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.types import Floats, Pixels
from recipes.traits.backbone import Base
from recipes.traits.feature_cache import FeatureBatch, FeatureCache, mixup
from recipes.traits.training_batches import STREET, FaceSampler
from tests.recipes.test_training_batches import rows


class Counting(Base):
    """Says the mean colours of a picture, and counts how many it was asked about."""

    def __init__(self) -> None:
        self.scale, self.asked = 0.5, 0

    def __call__(self, pictures: Pixels) -> Pixels:
        self.asked += len(pictures)
        return np.asarray(pictures.mean(axis=(1, 2))[:, :, None, None], np.uint8)


@pytest.fixture
def mix() -> FaceSampler:
    return FaceSampler(rows(48), rows(48), rows(30, street=True), 32, seed=3)


def test_an_epoch_is_drawn_once_and_repeated(mix: FaceSampler, tmp_path: Path) -> None:
    base = Counting()
    with FeatureCache(mix, base, None, STREET + 16, 2, tmp_path) as cache:
        first, second, third = (cache.batches(epoch) for epoch in (0, 1, 2))
    assert base.asked == 2 * 3 * (STREET + 16)
    assert [len(batch.steps) for batch in first] == [STREET + 16] * 3
    assert all(np.array_equal(a.steps, b.steps) for a, b in zip(first, third, strict=True))
    assert not np.array_equal(first[0].steps, second[0].steps)


def test_labels_stay_with_their_faces(mix: FaceSampler, tmp_path: Path) -> None:
    with FeatureCache(mix, Counting(), None, STREET + 16, 1, tmp_path) as cache:
        kept = cache.batches(0)
    for features, batch in zip(kept, mix.batches(0, STREET + 16), strict=True):
        assert {name: values.tolist() for name, values in features.labels.items()} == {
            name: values.tolist() for name, values in batch.labels.items()
        }
        assert np.array_equal(features.identity, batch.identity, equal_nan=True)


def test_files_are_removed_and_stale_ones_ignored(mix: FaceSampler, tmp_path: Path) -> None:
    stale = tmp_path / "features-0.npz"
    stale.write_bytes(b"of other pictures")
    with FeatureCache(mix, Counting(), None, STREET + 16, 1, tmp_path) as cache:
        assert len(cache.batches(0)) == 3
    assert not list(tmp_path.iterdir())


def test_mixup_is_between_a_batch_and_itself_in_another_order() -> None:
    steps = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
    batch = FeatureBatch(steps, 2.0, {"age": np.arange(6)}, np.zeros((6, 1), np.float32), {})
    share, other, values = mixup(batch, 0.25, np.random.default_rng(0))
    assert share == 0.75
    assert sorted(other.labels["age"].tolist()) == list(range(6))
    assert other.labels["age"].tolist() != list(range(6))
    wanted = 0.75 * 2 * np.arange(6) + 0.25 * 2 * other.labels["age"]
    assert np.allclose(values.numpy().ravel(), wanted)


class Sure:
    """Takes every face for one of the first label."""

    def __call__(self, crops: Pixels) -> dict[str, Floats]:
        return {"age": np.tile(np.eye(9, dtype=np.float32)[:1], (len(crops), 1))}


def test_a_teachers_probabilities_are_kept_with_the_labels(mix: FaceSampler, tmp_path: Path) -> None:
    with FeatureCache(mix, Counting(), Sure(), STREET + 16, 1, tmp_path) as cache:  # type: ignore[arg-type]  # stands in
        kept = cache.batches(0)
    assert all(batch.taught["age"][:, 0].tolist() == [1.0] * len(batch.steps) for batch in kept)
    assert set(kept[0].labels) == {"age", "gender", "mask", "glasses"}
