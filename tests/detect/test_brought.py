"""YuNet and SCRFD, whose weights the user brings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mien.detect.scrfd import SCRFD
from mien.detect.yunet import YuNet
from mien.errors import WeightsError
from mien.models import inventory
from mien.types import Pixels
from tests.detect.pictures import COLLINS, bring, iou, pixels


@pytest.fixture
def collins(astronaut: bytes) -> Pixels:
    return pixels(astronaut)


@pytest.mark.parametrize("detector", [YuNet(), SCRFD()], ids=["yunet", "scrfd"])
def test_without_weights_it_says_what_to_type(detector: YuNet | SCRFD, collins: Pixels, home: Path) -> None:
    with pytest.raises(WeightsError, match="mien models add"):
        detector(collins)


@pytest.mark.parametrize("file", ["yunet_n_320_320.onnx", "yunet_n_640_640.onnx", "yunet_n_dynamic.onnx"])
def test_yunet_finds_the_same_face_with_each_of_its_files(
    file: str, collins: Pixels, request: pytest.FixtureRequest
) -> None:
    bring("yunet", request, file)
    found = YuNet()(collins)
    assert len(found) == 1
    assert found.scores[0] > 0.8
    assert iou(found.boxes[0], np.array([181, 58, 271, 175], np.float32)) > 0.75


@pytest.mark.parametrize("detector", [YuNet(), SCRFD()], ids=["yunet", "scrfd"])
def test_landmarks_lie_where_the_eyes_nose_and_mouth_are(
    detector: YuNet | SCRFD, collins: Pixels, request: pytest.FixtureRequest
) -> None:
    bring(type(detector).__name__.lower(), request)
    marks = detector(collins, largest=True).landmarks
    assert marks is not None
    np.testing.assert_allclose(marks[0], COLLINS, atol=8)


@pytest.mark.parametrize("detector", [YuNet(), SCRFD()], ids=["yunet", "scrfd"])
@pytest.mark.parametrize("corner", [(0, 0), (0, 700), (500, 0), (500, 700)], ids=str)
def test_a_face_is_found_wherever_it_stands(
    detector: YuNet | SCRFD, corner: tuple[int, int], collins: Pixels, request: pytest.FixtureRequest
) -> None:
    bring(type(detector).__name__.lower(), request)
    scene = np.full((700, 900, 3), 120, np.uint8)
    scene[corner[0] : corner[0] + 200, corner[1] : corner[1] + 200] = collins[30:230, 120:320]
    box = detector(scene, largest=True).boxes[0]
    expected = np.array([61, 28, 151, 145], np.float32) + np.array([corner[1], corner[0]] * 2, np.float32)
    assert iou(box, expected) > 0.65


def test_a_network_that_is_no_scrfd_is_refused(home: Path, tmp_path: Path, collins: Pixels) -> None:
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
