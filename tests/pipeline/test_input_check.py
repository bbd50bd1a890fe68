"""Pictures that look prepared otherwise than a bundle expects are noticed, and others are not complained of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien import fileio, models
from mien.data import photos
from mien.images import encode
from mien.pipeline.classifier import check_preprocessing
from mien.pipeline.spec import PipelineSpec, build_crop_spec, build_spec
from mien.run.runners import run_stages
from mien.types import Crop, Origin, PhotoRef

pytestmark = pytest.mark.usefixtures("models_home")


@pytest.fixture
def cut(album: Path, tmp_path: Path) -> list[PhotoRef]:
    """The album's faces, cut as `mien align` cuts them, and no larger than a stamp."""
    folder = album / "photos"
    for i, crop in enumerate(
        run_stages(build_crop_spec(48, grey=False, detector="mtcnn").stages(), photos([folder])[::4])
    ):
        assert isinstance(crop, Crop)
        fileio.write(tmp_path / "cut" / f"{i}.png", encode(crop.pixels, "png"))
    return photos([tmp_path / "cut"])


def _cutting() -> PipelineSpec:
    return build_spec("mtcnn", faces="cut")


def test_photos_for_a_bundle_that_finds_faces_are_as_they_should_be(album: Path) -> None:
    assert check_preprocessing(build_spec("mtcnn"), photos([album / "inbox"]))[1] is None


def test_faces_already_cut_for_a_bundle_that_finds_them_are_noticed(cut: list[PhotoRef]) -> None:
    told = check_preprocessing(build_spec("mtcnn"), cut)[1]
    assert told is not None
    assert "--faces cut" in told
    assert "\n" not in told


def test_whole_photos_for_a_bundle_of_cut_faces_are_noticed(album: Path) -> None:
    told = check_preprocessing(_cutting(), photos([album / "originals"]))[1]
    assert told is not None
    assert "--faces find" in told


def test_cut_faces_for_a_bundle_of_cut_faces_are_as_they_should_be(cut: list[PhotoRef]) -> None:
    assert check_preprocessing(_cutting(), cut)[1] is None


def test_pictures_that_cannot_be_read_tell_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    refs = [*photos([tmp_path / "broken.jpg"]), PhotoRef(Origin("gone.jpg"), tmp_path / "gone.jpg")]
    assert check_preprocessing(build_spec("mtcnn"), refs)[1] is None
    assert check_preprocessing(_cutting(), refs)[1] is None


def test_large_pictures_without_a_face_are_not_taken_for_cut_ones() -> None:
    plain = encode(np.full((400, 400, 3), 127, np.uint8), "png")
    assert check_preprocessing(build_spec("mtcnn"), [PhotoRef(Origin("plain.png"), data=plain)] * 3)[1] is None


def test_nothing_to_look_at_is_no_reason_to_warn() -> None:
    assert check_preprocessing(build_spec("mtcnn"), [])[1] is None


@pytest.mark.usefixtures("home")
def test_a_bundle_of_cut_faces_needs_no_weights_of_a_detector(album: Path) -> None:
    way = replace(_cutting(), detector="scrfd")
    assert not models.is_available("scrfd")
    assert check_preprocessing(way, photos([album / "originals"]))[1] is None
