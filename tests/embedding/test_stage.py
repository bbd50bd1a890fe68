"""Embedding: what the stage adds to the network."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from mien.embedding import EMBEDDERS
from mien.embedding.stage import Embed
from mien.images import decode
from mien.types import Crop, Detection, Embedding, Origin, Pixels

pytestmark = pytest.mark.usefixtures("models_home")


@pytest.fixture(scope="module")
def face(astronaut: bytes) -> Pixels:
    return np.ascontiguousarray(decode(astronaut, max_megapixels=1).pixels[50:200, 150:300])


def _vector(stage: Embed, pixels: Pixels) -> Embedding:
    (result,) = stage([Crop(Origin("x"), Detection(0, (0, 0, 1, 1), 1.0), pixels)])
    return result


def test_vectors_have_length_one_unless_plain(face: Pixels) -> None:
    assert np.linalg.norm(_vector(Embed(), face).vector) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(_vector(Embed(mirror=False, normalise=False), face).vector) > 1.1


def test_a_plain_vector_is_the_networks_own(face: Pixels) -> None:
    plain = _vector(Embed("dlib-resnet", mirror=False, normalise=False), face).vector
    assert np.array_equal(plain, EMBEDDERS.load("dlib-resnet")("dlib-resnet")(face[None])[0])


def test_a_face_and_its_mirror_image_have_the_same_vector(face: Pixels) -> None:
    mirrored = np.ascontiguousarray(face[:, ::-1])
    assert np.allclose(_vector(Embed(), face).vector, _vector(Embed(), mirrored).vector, atol=1e-5)
    plain = Embed(mirror=False)
    assert np.abs(_vector(plain, face).vector - _vector(plain, mirrored).vector).max() > 0.01


def test_a_grey_crop_is_three_equal_channels(face: Pixels) -> None:
    grey = np.ascontiguousarray(face[..., 1])
    colour = np.repeat(grey[..., None], 3, axis=2)
    assert np.allclose(_vector(Embed(), grey).vector, _vector(Embed(), colour).vector, atol=1e-6)


def test_a_batch_gives_what_one_by_one_gives(face: Pixels) -> None:
    crops = [Crop(Origin(str(i)), Detection(0, (0, 0, 1, 1), 1.0), np.roll(face, 9 * i, axis=1)) for i in range(5)]
    together = list(Embed()(crops))
    for crop, result in zip(crops, together, strict=True):
        assert result.key == crop.key
        assert np.allclose(result.vector, _vector(Embed(), crop.pixels).vector, atol=1e-5)


def test_the_stage_pickles_as_configuration() -> None:
    assert pickle.loads(pickle.dumps(Embed("dlib-resnet-int8", mirror=False))) == Embed(
        "dlib-resnet-int8", mirror=False
    )
