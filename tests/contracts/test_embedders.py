"""What every registered embedder keeps to; a new one is registered by passing this."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mien import models
from mien.embedding import EMBEDDERS, Embedder

pytestmark = pytest.mark.usefixtures("models_home")


@pytest.fixture(params=EMBEDDERS.names())
def embedder(request: pytest.FixtureRequest, models_home: Path) -> Embedder:
    name: str = request.param
    folder = os.environ.get("MIEN_TEST_MODELS")
    if not models.is_available(name):
        given = {"mobilefacenet": "mobilefacenet.onnx"}.get(name)
        if folder is None or given is None:
            pytest.skip(f"the weights of {name} are not on this machine")
        from mien.models.inventory import add

        add(Path(folder) / given, None)
    return EMBEDDERS.load(name)(name)


def _crops(embedder: Embedder, n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(7).integers(0, 256, (n, embedder.size, embedder.size, 3)).astype(np.uint8)


def test_vectors_are_float32_of_the_stated_length(embedder: Embedder) -> None:
    vectors = embedder(_crops(embedder, 3))
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, embedder.dim)
    assert np.isfinite(vectors).all()


def test_an_empty_batch_gives_no_vectors(embedder: Embedder) -> None:
    assert embedder(_crops(embedder, 0)).shape == (0, embedder.dim)


def test_a_batch_gives_what_one_by_one_gives(embedder: Embedder) -> None:
    crops = _crops(embedder, 5)
    together = embedder(crops)
    for i in range(5):
        assert np.allclose(together[i], embedder(crops[i : i + 1])[0], atol=1e-4)


def test_the_input_is_not_changed(embedder: Embedder) -> None:
    crops = _crops(embedder, 2)
    before = crops.copy()
    embedder(crops)
    assert np.array_equal(crops, before)


def test_crops_of_another_size_are_refused(embedder: Embedder) -> None:
    with pytest.raises(ValueError, match="takes crops of"):
        embedder(np.zeros((1, embedder.size + 1, embedder.size, 3), np.uint8))


def test_it_pickles_as_configuration(embedder: Embedder) -> None:
    embedder(_crops(embedder, 1))
    data = pickle.dumps(embedder)
    assert len(data) < 1000
    assert np.array_equal(pickle.loads(data)(_crops(embedder, 1)), embedder(_crops(embedder, 1)))


def test_two_threads_get_the_same_answers(embedder: Embedder) -> None:
    crops = _crops(embedder, 4)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(embedder, [crops, crops])
    assert np.array_equal(first, second)
