"""The chain as data: what a bundle pins, and what the cache is addressed by."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mien.align import view
from mien.errors import BundleError, DataError, UnknownName
from mien.flows.chain import Chain, chain

pytestmark = pytest.mark.usefixtures("models_home")


@pytest.mark.parametrize("faces", ["find", "cut"])
@pytest.mark.parametrize("embedder", ["dlib-resnet", "mobilefacenet"])
def test_a_chain_survives_json(faces: str, embedder: str) -> None:
    made = chain("mtcnn", embedder, faces)
    assert Chain.from_json(json.loads(json.dumps(made.as_json()))) == made


def test_auto_is_resolved_once_and_pinned() -> None:
    assert chain().detector == "mtcnn"
    assert chain().embedder == "dlib-resnet"
    assert chain().view == view("dlib")


def test_a_network_gets_crops_of_its_own_size() -> None:
    assert (chain(embedder="mobilefacenet").view.name, chain(embedder="mobilefacenet").view.size) == ("arcface", 112)


def test_cut_pictures_are_taken_whole() -> None:
    made = chain(faces="cut")
    assert (made.view.name, made.view.margin, made.view.size) == ("box", 0.0, 150)
    assert "mtcnn" not in made.weights()


@pytest.mark.parametrize(
    "change",
    [{"min_face": 40}, {"which": "all"}, {"mirror": False}, {"embedder": "dlib-resnet-int8"}, {"detector": "hog"}],
)
def test_whatever_changes_the_numbers_changes_the_address(change: dict[str, object]) -> None:
    made = chain("mtcnn")
    assert replace(made, **change).digest() != made.digest()  # type: ignore[arg-type]


def test_the_address_is_the_same_every_time() -> None:
    assert chain("mtcnn").digest() == chain("mtcnn").digest()


@pytest.mark.parametrize("faces", ["Find", "", "both"])
def test_a_word_without_meaning_is_refused(faces: str) -> None:
    with pytest.raises(DataError, match="find"):
        chain(faces=faces)


def test_names_that_there_are_not_are_listed() -> None:
    with pytest.raises(UnknownName, match="mtcnn"):
        chain(detector="retina")
    with pytest.raises(UnknownName, match="dlib-resnet"):
        chain(embedder="vgg")


@pytest.mark.parametrize("fields", [{}, {"view": {}}, {"view": 3}, {**chain("mtcnn").as_json(), "faces": "maybe"}])
def test_a_bundle_that_says_nonsense_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="train it anew"):
        Chain.from_json(fields)


def test_missing_weights_are_said_before_the_work_begins(home: Path) -> None:
    with pytest.raises(Exception, match="mien models"):
        chain("yunet").ready()
