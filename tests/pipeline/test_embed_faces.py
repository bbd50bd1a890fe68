"""Embedders whose vectors are joined: the vectors of each, for one look for faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.data import photos
from mien.errors import DataError, UnknownName
from mien.pipeline.embed_faces import ConcatEmbedder
from mien.pipeline.execute import RunOptions, embed_photos
from mien.pipeline.spec import PipelineSpec, build_spec
from mien.types import Embedding, Reason, Rejected

pytestmark = pytest.mark.usefixtures("models_home")

JOINED = "dlib-resnet+traits"


def vectors(way: PipelineSpec, *places: Path) -> list[Embedding | Rejected]:
    return list(embed_photos(way, photos(list(places)), RunOptions(1, cache=False)))


@pytest.mark.parametrize("faces", ["find", "cut"])
def test_a_joined_vector_is_the_vectors_of_its_embedders_one_after_the_other(album: Path, faces: str) -> None:
    names = JOINED.split("+")
    alone = [vectors(build_spec("mtcnn", name, faces), album / "originals") for name in names]
    for both, *each in zip(vectors(build_spec("mtcnn", JOINED, faces), album / "originals"), *alone, strict=True):
        assert isinstance(both, Embedding)
        parts = [one.vector for one in each if isinstance(one, Embedding)]
        assert np.array_equal(both.vector, np.concatenate(parts))
        assert len(both.vector) == 128 + 256


def test_a_photo_without_a_face_has_its_reason(album: Path) -> None:
    (item,) = vectors(build_spec("mtcnn", JOINED), album / "inbox" / "coffee.png")
    assert isinstance(item, Rejected)
    assert item.reason is Reason.NO_FACE


def test_a_bundle_can_pin_them_together() -> None:
    made = build_spec("mtcnn", JOINED)
    assert PipelineSpec.from_json(made.as_json()) == made
    assert {"dlib-resnet", "traits"} <= set(made.weights())
    assert made.embedders == ("dlib-resnet", "traits")
    assert made.digest() not in (build_spec("mtcnn", "dlib-resnet").digest(), build_spec("mtcnn", "traits").digest())


def test_prepared_otherwise_and_back_again_it_is_the_same() -> None:
    made = build_spec("mtcnn", JOINED)
    assert made.with_faces("cut").with_faces("find") == made


@pytest.mark.parametrize(
    "embedder", ["dlib-resnet+sface", "dlib-resnet+dlib-resnet", "traits+dlib-resnet-block", "traits+sface+dlib-resnet"]
)
def test_embedders_that_do_not_go_together_are_refused(embedder: str) -> None:
    with pytest.raises(DataError, match="cannot be joined"):
        build_spec("mtcnn", embedder)


@pytest.mark.parametrize("embedder", ["dlib-resnet+", "+", "traits+vgg"])
def test_a_name_that_there_is_not_is_refused(embedder: str) -> None:
    with pytest.raises(UnknownName, match="there are: dlib-resnet"):
        build_spec("mtcnn", embedder)


def test_an_empty_batch_gives_nothing() -> None:
    stage = build_spec("mtcnn", JOINED).stages()[-1]
    assert isinstance(stage, ConcatEmbedder)
    assert list(stage([])) == []
