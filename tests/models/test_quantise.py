from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from mien.errors import WeightsError
from mien.models import ensure, session
from mien.models.graph import Graph
from mien.models.quantise import FILTER_TOP, activations, quantise, read_ranges
from tests.models import faces


def distances(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(np.linalg.norm(a - b, axis=1))


def test_int8_vectors_are_close_to_float_ones(models_home: Path, two_faces: npt.NDArray[np.uint8]) -> None:
    whole, exact = (faces.embed(session(name), two_faces) for name in ("dlib-resnet-int8", "dlib-resnet"))
    assert distances(whole, exact).max() < 0.12


def test_int8_vectors_are_close_to_float_ones_on_fifty_faces(
    models_home: Path, fifty_faces: npt.NDArray[np.uint8]
) -> None:
    whole, exact = (faces.embed(session(name), fifty_faces) for name in ("dlib-resnet-int8", "dlib-resnet"))
    apart = distances(whole, exact)
    assert apart.mean() < 0.08
    assert apart.max() < 0.4  # two people are 0.6 apart
    between = np.linalg.norm(exact[:, None] - exact[None], axis=2)
    between_whole = np.linalg.norm(whole[:, None] - whole[None], axis=2)
    assert np.abs(between - between_whole).mean() < 0.03


def test_int8_takes_and_gives_what_float_does(models_home: Path) -> None:
    whole, exact = session("dlib-resnet-int8"), session("dlib-resnet")
    for one, other in ((whole.get_inputs(), exact.get_inputs()), (whole.get_outputs(), exact.get_outputs())):
        assert [(v.name, v.shape, v.type) for v in one] == [(v.name, v.shape, v.type) for v in other]


def test_the_int8_file_is_a_quarter_of_the_float_one(models_home: Path) -> None:
    assert ensure("dlib-resnet-int8").stat().st_size < 0.27 * ensure("dlib-resnet").stat().st_size


def test_filters_keep_to_seven_bits(models_home: Path) -> None:
    model = onnx.load(ensure("dlib-resnet-int8"))
    filters = [numpy_helper.to_array(t) for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8]
    means = [f for f in filters if f.shape[1:] == (1, 2, 2)]
    assert (len(filters) - len(means), len(means)) == (29, 4)
    assert all(np.abs(f).max() == FILTER_TOP for f in filters)


def test_quantising_is_silent_and_repeats_to_the_byte(
    models_home: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    data = ensure("dlib-resnet").read_bytes()
    ranges = read_ranges(files("mien.models").joinpath("dlib-resnet-int8.json").read_bytes())
    assert quantise(data, ranges) == quantise(data, ranges)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_the_shipped_ranges_are_those_of_the_network(models_home: Path) -> None:
    ranges = read_ranges(files("mien.models").joinpath("dlib-resnet-int8.json").read_bytes())
    assert list(ranges) == activations(onnx.load(ensure("dlib-resnet")))
    assert ranges["input"] == (0.0, 255.0)  # so that a pixel is one step, and nothing is lost
    assert all(low <= 0 < high for low, high in ranges.values())


def test_ranges_of_another_network_are_refused(models_home: Path) -> None:
    with pytest.raises(WeightsError, match=r"do not belong to this network: \w+ is missing"):
        quantise(ensure("dlib-resnet").read_bytes(), {"input": (0.0, 255.0)})


def tiny() -> bytes:
    graph = Graph("tiny")
    filters = np.array([1.0, -0.5, 0.25, 4.0], np.float32).reshape(2, 2, 1, 1)
    graph.constant(filters, "filters")
    graph.constant(np.array([0.5, -1.0], np.float32), "biases")
    graph.node("Conv", ["input", "filters", "biases"], "mixed", kernel_shape=[1, 1])
    graph.node("Relu", ["mixed"], "kept")
    graph.node("GlobalAveragePool", ["kept"], "output")
    return graph.model({"input": ("n", 2, 2, 2)}, {"output": ("n", 2, 1, 1)})


def test_a_network_in_integers_computes_the_same_to_a_step() -> None:
    data = tiny()
    assert activations(onnx.load_model_from_string(data)) == ["input", "kept"]
    whole = quantise(data, {"input": (-1.0, 1.0), "kept": (0.0, 5.5)})
    x = np.random.default_rng(0).uniform(-1, 1, (6, 2, 2, 2)).astype(np.float32)
    exact, rounded = (
        onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"input": x})[0]
        for model in (data, whole)
    )
    assert np.abs(exact - rounded).max() < 2 * 5.5 / 255
    assert np.abs(exact - rounded).max() > 0


def test_means_of_squares_are_taken_by_a_convolution_and_are_right_to_a_step() -> None:
    graph = Graph("mean")
    for number in "12":
        graph.constant(np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1), f"filters{number}")
        graph.constant(np.zeros(3, np.float32), f"biases{number}")
    graph.node("Conv", ["input", "filters1", "biases1"], "same", kernel_shape=[1, 1])
    graph.node("AveragePool", ["same"], "halved", kernel_shape=[2, 2], strides=[2, 2])
    graph.node("Conv", ["halved", "filters2", "biases2"], "output", kernel_shape=[1, 1])
    exact = graph.model({"input": ("n", 3, 6, 6)}, {"output": ("n", 3, 3, 3)})
    whole = quantise(exact, dict.fromkeys(("input", "same", "halved", "output"), (0.0, 255.0)))
    assert "AveragePool" not in {node.op_type for node in onnx.load_model_from_string(whole).graph.node}
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 6, 6)).astype(np.float32)
    wanted, found = (
        onnxruntime.InferenceSession(each, providers=["CPUExecutionProvider"]).run(None, {"input": x})[0]
        for each in (exact, whole)
    )
    assert np.abs(found - wanted).max() <= 2


def test_a_range_that_is_a_point_does_not_divide_by_zero() -> None:
    whole = quantise(tiny(), {"input": (0.0, 0.0), "kept": (0.0, 0.0)})
    x = np.zeros((1, 2, 2, 2), np.float32)
    found = onnxruntime.InferenceSession(whole, providers=["CPUExecutionProvider"]).run(None, {"input": x})[0]
    assert np.isfinite(found).all()


def test_ranges_are_read_from_json() -> None:
    assert read_ranges(json.dumps({"faces": 1, "ranges": {"a": [-1, 2]}}).encode()) == {"a": (-1.0, 2.0)}
