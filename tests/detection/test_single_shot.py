"""YuNet and SCRFD, and what they share."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnxruntime import InferenceSession

from mien import models
from mien.detection import Detections, single_shot
from mien.detection.single_shot import (
    CANDIDATE_SCORE,
    FACE_SCORE,
    SCRFD,
    Thresholds,
    YuNet,
    fit,
    select_faces,
    windows_of_batch,
)
from mien.errors import WeightsError
from mien.models import inventory
from mien.types import Pixels
from tests.detection.pictures import COLLINS, COLLINS_BOX, add_weights, iou, pixels, resized

FREE = (1, 3, "height", "width")


@pytest.fixture
def collins(astronaut: bytes) -> Pixels:
    return pixels(astronaut)


def test_without_weights_it_says_what_to_type(collins: Pixels, home: Path) -> None:
    with pytest.raises(WeightsError, match="mien models add"):
        SCRFD()(collins)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("file", ["yunet_n_320_320.onnx", "yunet_n_640_640.onnx", "yunet_n_dynamic.onnx"])
def test_yunet_finds_the_same_face_with_files_of_one_s_own(
    file: str, largest: bool, collins: Pixels, test_models: Path
) -> None:
    found = YuNet(weights=test_models / file)(collins, largest=largest)
    assert len(found) == 1
    assert found.scores[0] > 0.8
    assert iou(found.boxes[0], np.array([181, 58, 271, 175], np.float32)) > 0.75


@pytest.mark.parametrize("detector", [YuNet(), SCRFD()], ids=["yunet", "scrfd"])
def test_landmarks_are_at_the_eyes_nose_and_mouth(
    detector: YuNet | SCRFD, collins: Pixels, request: pytest.FixtureRequest
) -> None:
    add_weights(type(detector).__name__.lower(), request)
    marks = detector(collins, largest=True).landmarks
    assert marks is not None
    np.testing.assert_allclose(marks[0], COLLINS, atol=8)


@pytest.mark.parametrize("detector", [YuNet(), SCRFD()], ids=["yunet", "scrfd"])
@pytest.mark.parametrize("corner", [(0, 0), (0, 700), (500, 0), (500, 700)], ids=str)
def test_a_face_is_found_anywhere_in_the_picture(
    detector: YuNet | SCRFD, corner: tuple[int, int], collins: Pixels, request: pytest.FixtureRequest
) -> None:
    add_weights(type(detector).__name__.lower(), request)
    scene = np.full((700, 900, 3), 120, np.uint8)
    scene[corner[0] : corner[0] + 200, corner[1] : corner[1] + 200] = collins[30:230, 120:320]
    box = detector(scene, largest=True).boxes[0]
    expected = np.array([61, 28, 151, 145], np.float32) + np.array([corner[1], corner[0]] * 2, np.float32)
    assert iou(box, expected) > 0.65


@pytest.mark.usefixtures("models_home")
@pytest.mark.parametrize("scale", [0.12, 0.25, 0.5, 1, 2])
def test_yunet_finds_the_same_face_at_every_size(scale: float, collins: Pixels) -> None:
    for largest in (True, False):
        found = YuNet(12 if scale < 0.25 else 20)(resized(collins, scale), largest=largest)
        assert len(found) == 1
        assert iou(found.boxes[0] / np.float32(scale), COLLINS_BOX[0]) > 0.7


@pytest.mark.usefixtures("models_home")
def test_a_face_that_fills_a_large_picture_is_found_among_all(collins: Pixels) -> None:
    """At the size at which small faces are looked for it is too large to be seen."""
    close = resized(collins[20:230, 120:330], 10)
    found = YuNet()(close)
    assert len(found) == 1
    assert iou(found.boxes[0] / np.float32(10), COLLINS_BOX[0] - np.array([120, 20] * 2, np.float32)) > 0.6


@pytest.mark.usefixtures("models_home")
def test_a_main_face_that_is_large_and_certain_is_found_in_a_small_picture(
    collins: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def recorded(session: InferenceSession, pictures: Pixels) -> list[Detections]:
        seen.append(pictures.shape[2])
        return windows_of_batch(session, pictures)

    monkeypatch.setattr(single_shot, "windows_of_batch", recorded)
    close = np.ascontiguousarray(collins[20:230, 120:330])
    assert len(YuNet()(close, largest=True)) == 1
    assert seen == [128]
    seen.clear()
    assert len(YuNet()(resized(collins, 0.3), largest=True)) == 1
    assert seen == [128, 256]


@pytest.mark.usefixtures("models_home")
def test_candidates_are_weaker_faces_and_all_that_the_search_for_the_main_one_found(collins: Pixels) -> None:
    blurred = np.asarray(cv2.GaussianBlur(resized(collins, 0.2), (0, 0), 2.5), np.uint8)
    assert len(YuNet()(blurred)) == 0
    weak = YuNet(candidates=True)(blurred)
    assert ((weak.scores >= CANDIDATE_SCORE) & (weak.scores < FACE_SCORE)).any()
    two = np.concatenate([collins[:300, 100:350], collins[:300, 100:350]], axis=1)
    assert len(YuNet()(two, largest=True)) == 1
    assert len(YuNet(candidates=True)(two, largest=True)) == 2


@pytest.mark.usefixtures("models_home")
def test_pictures_of_a_batch_give_the_windows_of_each_alone(collins: Pixels) -> None:
    session = models.session("yunet")
    pictures = np.stack([collins[y : y + 128, x : x + 128] for y, x in ((60, 160), (0, 0), (50, 190))])
    together = windows_of_batch(session, pictures)
    assert len(together) == 3
    for picture, windows in zip(pictures, together, strict=True):
        [alone] = windows_of_batch(session, picture[None])
        np.testing.assert_allclose(windows.boxes, alone.boxes, atol=0.01)
        np.testing.assert_allclose(windows.scores, alone.scores, atol=1e-4)


def test_a_network_other_than_scrfd_is_refused(home: Path, tmp_path: Path, collins: Pixels) -> None:
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "h", "w"])
    ends = [helper.make_tensor_value_info(f"o{i}", TensorProto.FLOAT, None) for i in range(9)]
    nodes = [helper.make_node("ReduceMean", ["input"], [end.name], axes=[1], keepdims=1) for end in ends]
    graph = helper.make_graph(nodes, "other", [image], ends)
    opset = [helper.make_opsetid("", 17)]
    file = tmp_path / "other.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(file))
    inventory.add(file, "scrfd")
    with pytest.raises(WeightsError, match="nine outputs"):
        SCRFD()(collins)


def test_a_free_input_is_padded_to_whole_strides() -> None:
    image = fit(np.full((50, 70, 3), 9, np.uint8), FREE, 1.0)
    assert image.pixels.shape == (64, 96, 3)
    assert image.scale == 1
    assert (image.pixels[:50, :70] == 9).all()
    assert not image.pixels[50:].any()
    assert not image.pixels[:, 70:].any()


@pytest.mark.parametrize("shape", [(640, 640), (320, 200), (1, 1), (2000, 3)])
def test_a_fixed_input_is_never_overrun(shape: tuple[int, int]) -> None:
    image = fit(np.zeros((*shape, 3), np.uint8), (1, 3, 320, 320), 1.0)
    assert image.pixels.shape == (320, 320, 3)
    assert max(shape) * image.scale <= 320
    assert image.scale <= 1


def test_a_picture_is_resized_by_the_scale() -> None:
    image = fit(np.zeros((400, 600, 3), np.uint8), FREE, 0.5)
    assert image.pixels.shape == (224, 320, 3)
    assert image.scale == 0.5


def test_unnamed_free_sizes_are_free_too() -> None:
    assert fit(np.zeros((30, 40, 3), np.uint8), (1, 3, None, -1), 1.0).pixels.shape == (32, 64, 3)


def test_grid_points_run_row_by_row() -> None:
    image = fit(np.zeros((64, 96, 3), np.uint8), FREE, 1.0)
    assert image.grid(32).tolist() == [[0, 0], [32, 0], [64, 0], [0, 32], [32, 32], [64, 32]]
    assert image.grid(32, 2)[:3].tolist() == [[0, 0], [0, 0], [32, 0]]


def test_faces_are_in_pixels_of_the_picture() -> None:
    image = fit(np.zeros((200, 200, 3), np.uint8), FREE, 0.5)
    boxes = np.array([[10, 10, 40, 40], [11, 10, 41, 40], [60, 60, 90, 90], [0, 0, 4, 4]], np.float32)
    answer = Detections(boxes, np.array([0.9, 0.8, 0.4, 0.9], np.float32), np.ones((4, 5, 2), np.float32))
    found = select_faces(answer, image, (200, 200, 3), Thresholds(0.5, 20, 0.4), largest=False)
    # The mean of both windows that see it, by their scores.
    np.testing.assert_allclose(found.boxes, [[20.94, 20, 80.94, 80]], atol=0.01)
    assert found.landmarks is not None
    assert (found.landmarks == 2).all()
    assert found.near_miss == pytest.approx(0.4)


def test_no_windows_at_all_give_no_face() -> None:
    image = fit(np.zeros((20, 20, 3), np.uint8), FREE, 1.0)
    answer = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    assert len(select_faces(answer, image, (20, 20, 3), Thresholds(0.5, 20, 0.4), largest=True)) == 0
