"""The chain as data: what a bundle pins, and what the cache is addressed by."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from mien.alignment.views import view
from mien.errors import BundleError, DataError, MienWarning, UnknownName, WeightsError
from mien.pipeline.spec import PIXELS, PipelineSpec, build_crop_spec, build_spec

pytestmark = pytest.mark.usefixtures("models_home")


@pytest.mark.parametrize("faces", ["find", "cut"])
@pytest.mark.parametrize("embedder", ["dlib-resnet", "mobilefacenet"])
def test_a_chain_survives_json(faces: str, embedder: str) -> None:
    made = build_spec("mtcnn", embedder, faces)
    assert PipelineSpec.from_json(json.loads(json.dumps(made.as_json()))) == made


def test_auto_is_resolved_once_and_pinned() -> None:
    assert build_spec().detector == "yunet"
    assert build_spec().second_look
    assert build_spec().min_face is None
    assert build_spec().embedder == "dlib-resnet-int8"
    assert build_spec().view == view("dlib")


@pytest.mark.parametrize("build", [build_spec, partial(build_crop_spec, 48, grey=True)], ids=["embedder", "pixels"])
def test_without_yunet_auto_is_mtcnn_without_a_second_look(
    build: Callable[[], PipelineSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.models.is_available", lambda name: name != "yunet")
    with pytest.warns(MienWarning, match="the detector is mtcnn"):
        made = build()
    assert (made.detector, made.second_look) == ("mtcnn", False)


def test_a_chain_from_before_there_was_a_second_look_goes_on_without_one() -> None:
    old = {name: value for name, value in _WHOLE.items() if name != "second_look"}
    for least, pinned in ((None, 20), (40, 40), (12, 12)):
        spec = PipelineSpec.from_json({**old, "min_face": pinned})
        assert (spec.second_look, spec.min_face) == (False, least)
    assert PipelineSpec.from_json({**old, "second_look": True, "min_face": 20}).min_face == 20
    with pytest.raises(BundleError, match="'min_face' is missing"):
        PipelineSpec.from_json({name: value for name, value in old.items() if name != "min_face"})


def test_the_weights_of_a_chain_are_those_that_its_looks_need() -> None:
    assert set(build_spec().weights()) == {"dlib-resnet-int8", "yunet"}
    hog = build_spec("hog")
    assert set(hog.weights()) == {"dlib-resnet-int8", "hog", "yunet"}
    assert set(replace(hog, second_look=False).weights()) == {"dlib-resnet-int8", "hog", "dlib-landmarks-5"}
    assert set(build_spec(faces="cut").weights()) == {"dlib-resnet-int8"}


def test_a_network_gets_crops_of_its_own_size() -> None:
    assert (build_spec(embedder="mobilefacenet").view.name, build_spec(embedder="mobilefacenet").view.size) == (
        "arcface",
        112,
    )


def test_cut_pictures_are_taken_whole() -> None:
    made = build_spec(faces="cut")
    assert (made.view.name, made.view.margin, made.view.size) == ("box", 0.0, 150)
    assert "mtcnn" not in made.weights()


@pytest.mark.parametrize(
    "change",
    [
        {"min_face": 40},
        {"which": "all"},
        {"mirror": False},
        {"embedder": "dlib-resnet"},
        {"detector": "hog"},
        {"second_look": False},
    ],
)
def test_whatever_changes_the_numbers_changes_the_address(change: dict[str, object]) -> None:
    made = build_spec("mtcnn")
    assert replace(made, **change).digest() != made.digest()  # type: ignore[arg-type]


def test_the_address_is_the_same_every_time() -> None:
    assert build_spec("mtcnn").digest() == build_spec("mtcnn").digest()


@pytest.mark.parametrize("faces", ["Find", "", "both"])
def test_a_word_without_meaning_is_refused(faces: str) -> None:
    with pytest.raises(DataError, match="find"):
        build_spec(faces=faces)


def test_names_that_there_are_not_are_listed() -> None:
    with pytest.raises(UnknownName, match="mtcnn"):
        build_spec(detector="retina")
    with pytest.raises(UnknownName, match="dlib-resnet"):
        build_spec(embedder="vgg")


@pytest.mark.parametrize("fields", [{}, {"view": {}}, {"view": 3}, {**build_spec("mtcnn").as_json(), "faces": "maybe"}])
def test_a_bundle_that_says_nonsense_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="train it again"):
        PipelineSpec.from_json(fields)


def test_the_values_of_an_inner_layer_are_used_as_they_come() -> None:
    inner = build_spec("mtcnn", "dlib-resnet-block")
    assert not inner.mirror
    assert not inner.normalise
    assert inner.view == build_spec("mtcnn", "dlib-resnet").view
    assert PipelineSpec.from_json(inner.as_json()) == inner


_WHOLE = json.loads(json.dumps(build_spec("mtcnn").as_json()))


@pytest.mark.parametrize(
    "change",
    [
        {"embedder": []},
        {"embedder": None},
        {"detector": 5},
        {"detector": {"a": 1}},
        {"which": "some"},
        {"faces": ["find"]},
        {"min_face": 0},
        {"min_face": -20},
        {"min_face": 1},
        {"min_face": 20.5},
        {"min_face": "20"},
        {"min_face": 10**300},
        {"mirror": 1},
        {"normalise": "yes"},
        {"view": []},
        {"colour": "red"},
    ],
)
def test_a_chain_with_a_field_that_holds_something_else_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="train it again"):
        PipelineSpec.from_json({**_WHOLE, **change})


@pytest.mark.parametrize("field", [name for name in _WHOLE if name != "second_look"])
def test_a_bundle_says_everything_that_decides_the_numbers(field: str) -> None:
    with pytest.raises(BundleError, match=f"'{field}' is missing"):
        PipelineSpec.from_json({name: value for name, value in _WHOLE.items() if name != field})


@pytest.mark.parametrize(
    "change",
    [
        {"points": 5},
        {"points": "dlib-6"},
        {"points": "none"},
        {"fit": "foo"},
        {"fit": "box"},
        {"fit": "affine"},
        {"size": 4},
        {"size": 1e9},
        {"size": None},
        {"margin": -1.0},
        {"margin": float("nan")},
        {"indices": 3},
        {"indices": [0, 1, 2, 3, 5]},
        {"indices": [0, 1, 2, 3, -1]},
        {"indices": [0, 1, 2, 3, 4.0]},
        {"indices": [], "template": []},
        {"indices": [0], "template": [[0.5, 0.5]]},
        {"template": [[0.5, 0.5]]},
        {"template": [[0.5, 0.5, 0.5]] * 5},
        {"template": [[0.5, 1e30]] * 5},
        {"template": [[0.5, float("inf")]] * 5},
        {"grey": 1},
        {"name": None},
    ],
)
def test_a_view_that_holds_something_else_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="train it again"):
        PipelineSpec.from_json({**_WHOLE, "view": {**_WHOLE["view"], **change}})


def test_missing_weights_are_said_before_the_work_begins(home: Path) -> None:
    with pytest.raises(WeightsError, match="mien models"):
        build_spec("scrfd").ready()


def test_a_network_of_one_s_own_gets_crops_of_its_size() -> None:
    made = build_crop_spec(48, grey=True, detector="mtcnn")
    assert (made.view.name, made.view.size, made.view.grey, made.embedder) == ("dlib", 48, True, PIXELS)
    assert PipelineSpec.from_json(json.loads(json.dumps(made.as_json()))) == made
    assert [stage.name for stage in made.stages()] == ["decode", "detect", "align"]


def test_cut_pictures_are_taken_whole_by_a_network_too() -> None:
    made = build_crop_spec(48, grey=True, faces="cut")
    assert (made.view.name, made.view.margin, made.view.size, made.view.grey) == ("box", 0.0, 48, True)
    assert made.weights() == {}


@pytest.mark.parametrize("size", [0, 7, 4096])
def test_crops_that_make_no_picture_are_refused(size: int) -> None:
    with pytest.raises(DataError, match=f"{size} pixels"):
        build_crop_spec(size, grey=True)


@pytest.mark.parametrize("made", [build_spec("mtcnn"), build_crop_spec(64, grey=True, detector="mtcnn")])
def test_faces_prepared_otherwise_and_back_again_are_the_same(made: PipelineSpec) -> None:
    other = made.with_faces("cut")
    assert other.faces == "cut"
    assert (other.view.size, other.view.grey) == (made.view.size, made.view.grey)
    assert other.with_faces("find") == made
    assert made.with_faces("find") == made
    with pytest.raises(DataError, match="use 'find' or 'cut'"):
        made.with_faces("found")
