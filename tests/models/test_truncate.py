"""A network up to one of its layers: what that layer gives, rounded, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from mien.errors import WeightsError
from mien.models import card, ensure, identity, present, session
from mien.models.graph import Graph
from mien.models.truncate import rest, truncate
from tests.models import faces

BLOCK = "dlib-resnet-block"


def tiny() -> bytes:
    """Two convolutions one after another, and a third beside them that the second does not need."""
    graph = Graph("tiny")
    graph.constant(np.array([1.0, -0.5, 0.25, 4.0], np.float32).reshape(2, 2, 1, 1), "filters1")
    graph.constant(np.array([0.5, -1.0], np.float32), "biases1")
    graph.constant(np.array([2.0, 1.0], np.float32).reshape(1, 2, 1, 1), "filters2")
    graph.node("Conv", ["input", "filters1", "biases1"], "mixed", kernel_shape=[1, 1])
    graph.node("Relu", ["mixed"], "kept")
    graph.node("Conv", ["input", "filters2"], "aside", kernel_shape=[1, 1])
    graph.node("Conv", ["kept", "filters2"], "narrow", kernel_shape=[1, 1])
    graph.node("Add", ["narrow", "aside"], "output")
    return graph.model({"input": ("n", 2, 2, 2)}, {"output": ("n", 1, 2, 2)})


def run(model: bytes, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    opened = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found: npt.NDArray[np.float32] = opened.run(None, {"input": x})[0]
    return found


def test_what_comes_out_is_the_mean_over_both_mirror_images_rounded_to_16_bits() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (3, 2, 2, 2)).astype(np.float32)
    filters = np.array([[1.0, -0.5], [0.25, 4.0]])
    layers = [
        np.maximum(np.einsum("oi,nirc->norc", filters, side) + np.array([0.5, -1.0])[:, None, None], 0)
        for side in (x, x[..., ::-1])
    ]
    found = run(truncate(tiny(), "kept"), x)
    assert found.dtype == np.float32
    assert np.array_equal(found, found.astype(np.float16).astype(np.float32))
    assert np.allclose(found, np.mean(layers, axis=0).reshape(3, -1), rtol=2**-10)


def test_nothing_is_left_that_the_layer_does_not_need() -> None:
    cut = onnx.load_model_from_string(truncate(tiny(), "kept"))
    names = [node.output[0] for node in cut.graph.node]
    assert names == ["mirrored", "both", "mixed", "kept", "pairs", "mean", "rounded", "features"]
    assert {tensor.name for tensor in cut.graph.initializer} >= {"filters1", "biases1"}
    assert "filters2" not in {tensor.name for tensor in cut.graph.initializer}


def test_what_comes_after_a_layer_are_the_weights_that_the_layer_does_not_need() -> None:
    after = rest(tiny(), "kept")
    assert list(after) == ["filters2"]
    assert after["filters2"].tolist() == [[[[2.0]], [[1.0]]]]


def test_a_layer_that_is_not_there_is_named() -> None:
    for cut in (truncate, rest):
        with pytest.raises(WeightsError, match="the network tiny has no layer 'lost' to end at"):
            cut(tiny(), "lost")


def test_the_features_are_what_the_whole_network_holds_at_that_layer(
    models_home: Path, two_faces: npt.NDArray[np.uint8]
) -> None:
    at = card(BLOCK).source.at  # type: ignore[union-attr]
    whole = onnx.load(ensure("dlib-resnet"))
    whole.graph.output.append(helper.make_tensor_value_info(at, TensorProto.FLOAT, None))
    opened = onnxruntime.InferenceSession(whole.SerializeToString(), providers=["CPUExecutionProvider"])
    sides = (two_faces, two_faces[:, :, ::-1])
    inside = np.mean([opened.run([at], {"input": faces.tensor(side)})[0] for side in sides], axis=0)
    assert inside.shape[1:] == card(BLOCK).layout
    features = session(BLOCK).run(None, {"input": faces.tensor(two_faces)})[0]
    assert features.shape == (2, card(BLOCK).dim)
    assert np.allclose(features, inside.reshape(2, -1), rtol=2**-10, atol=1e-5)


def test_truncating_repeats_to_the_byte_and_follows_the_whole_network(models_home: Path) -> None:
    data = ensure("dlib-resnet").read_bytes()
    at = card(BLOCK).source.at  # type: ignore[union-attr]
    assert truncate(data, at) == truncate(data, at) == ensure(BLOCK).read_bytes()
    assert len(ensure(BLOCK).read_bytes()) < len(data)
    assert present(BLOCK)
    assert identity(BLOCK) not in (identity("dlib-resnet"), identity("dlib-resnet-int8"))
