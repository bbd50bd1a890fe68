"""Writing and editing ONNX networks: copies, truncations, grafts and 8-bit integers."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from mien.errors import WeightsError
from mien.models import ensure, get_card, identity, is_available, session, weights
from mien.models.cards import Graft
from mien.models.onnx_edit import (
    FILTER_TOP,
    Graph,
    copy_nodes,
    graft,
    quantise,
    quantised_values,
    read_ranges,
    shape_of,
    truncate,
    values_up_to,
    weights_after,
)
from tests.models import faces

BLOCK = "dlib-resnet-block"


@pytest.fixture(scope="module")
def source() -> onnx.GraphProto:
    """(x + 1) * 10, and beside it x - 5."""
    graph = Graph("source")
    for name, value in (("one", 1.0), ("ten", 10.0), ("five", 5.0)):
        graph.constant(np.float32(value), name)
    graph.node("Add", ["x", "one"], "more")
    graph.node("Sub", ["x", "five"], "less")
    graph.node("Mul", ["more", "ten"], "much")
    return onnx.load_model_from_string(graph.model({"x": ["n", 2]}, {"much": ["n", 2], "less": ["n", 2]})).graph


def run(graph: Graph, given: str, asked: str) -> npt.NDArray[np.float32]:
    file = graph.model({given: ["n", 2]}, {asked: ["n", 2]})
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    found: npt.NDArray[np.float32] = session.run(None, {given: np.array([[1, 2]], np.float32)})[0]
    return found


def test_a_copy_computes_what_its_source_does(source: onnx.GraphProto) -> None:
    graph = Graph("copy")
    copy_nodes(graph, source)
    assert run(graph, "x", "much").tolist() == [[20, 30]]


def test_a_prefix_keeps_two_copies_apart_and_feeds_one_by_the_other(source: onnx.GraphProto) -> None:
    graph = Graph("twice")
    copy_nodes(graph, source, prefix="a/", feeds={"x": "x"})
    copy_nodes(graph, source, prefix="b/", feeds={"x": "a/much"})
    assert run(graph, "x", "b/much").tolist() == [[210, 310]]


def test_parts_that_are_not_requested_are_left_out_with_their_constants(source: onnx.GraphProto) -> None:
    graph = Graph("part")
    copy_nodes(graph, source, only=values_up_to(source, "more"))
    made = onnx.load_model_from_string(graph.model({"x": ["n", 2]}, {"more": ["n", 2]})).graph
    assert [node.output[0] for node in made.node] == ["more"]
    assert [tensor.name for tensor in made.initializer] == ["one"]


def test_constants_can_be_replaced(source: onnx.GraphProto) -> None:
    graph = Graph("other")
    copy_nodes(graph, source, weights={"ten": np.array(3, np.float32)})
    assert run(graph, "x", "much").tolist() == [[6, 9]]


def test_a_layer_depends_on_everything_it_is_computed_from(source: onnx.GraphProto) -> None:
    assert values_up_to(source, "much") == {"more", "much"}
    with pytest.raises(WeightsError, match="source has no layer 'most' to end at"):
        values_up_to(source, "most")


def test_shapes_are_numbers_or_names(source: onnx.GraphProto) -> None:
    assert shape_of(source.input[0]) == ["n", 2]


def base() -> bytes:
    """Twice the input, which goes on to something that the layer does not need."""
    graph = Graph("base")
    graph.constant(np.float32(2), "two")
    graph.node("Mul", ["input", "two"], "layer")
    graph.node("Neg", ["layer"], "beyond")
    return graph.model({"input": ["n", 3]}, {"beyond": ["n", 3]})


def top() -> bytes:
    """One more than its input; its constant is called as one of the base is."""
    graph = Graph("top")
    graph.constant(np.float32(1), "two")
    graph.node("Add", ["layer", "two"], "vectors")
    return graph.model({"layer": ["n", 3]}, {"vectors": ["n", 3]})


def test_the_top_takes_the_values_of_the_layer_and_names_stay_apart() -> None:
    session = onnxruntime.InferenceSession(graft(base(), "layer", top()), providers=["CPUExecutionProvider"])
    x: npt.NDArray[np.float32] = np.array([[1, 2, 3]], np.float32)
    assert session.run(None, {"input": x})[0].tolist() == [[3, 5, 7]]


def test_what_the_layer_does_not_need_is_removed() -> None:
    made = onnx.load_model_from_string(graft(base(), "layer", top())).graph
    assert [node.op_type for node in made.node] == ["Mul", "Add"]


def test_grafting_on_a_missing_layer_names_it() -> None:
    with pytest.raises(WeightsError, match="'trunk'"):
        graft(base(), "trunk", top())


@pytest.fixture
def cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Graft:
    """The shipped network of the traits, whose file is not the one that the card names."""
    source = get_card("traits").source
    assert isinstance(source, Graft)
    (tmp_path / source.file.path).parent.mkdir(parents=True)
    (tmp_path / source.file.path).write_bytes(b"another network")
    monkeypatch.setattr(weights, "package_path", lambda file: tmp_path / file.path)
    monkeypatch.setenv("MIEN_HOME", str(tmp_path / "home"))
    return source


def test_a_shipped_top_is_checked_before_grafting(cut: Graft) -> None:
    with pytest.raises(WeightsError):
        ensure("traits")


def test_the_identity_of_a_graft_depends_on_its_parts() -> None:
    assert is_available("traits")
    assert identity("traits") not in (identity("dlib-resnet-int8"), identity("dlib-resnet"))


def test_a_shipped_graft_holds_both_parts_and_no_more() -> None:
    source = get_card("traits").source
    assert isinstance(source, Graft)
    names = {node.output[0] for node in onnx.load(str(ensure("traits"))).graph.node}
    assert source.layer in names
    assert "embedding" not in names


def branched_network() -> bytes:
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


def run_model(model: bytes, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    opened = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found: npt.NDArray[np.float32] = opened.run(None, {"input": x})[0]
    return found


def test_features_are_the_mean_over_both_mirror_images_rounded_to_16_bits() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (3, 2, 2, 2)).astype(np.float32)
    filters = np.array([[1.0, -0.5], [0.25, 4.0]])
    layers = [
        np.maximum(np.einsum("oi,nirc->norc", filters, side) + np.array([0.5, -1.0])[:, None, None], 0)
        for side in (x, x[..., ::-1])
    ]
    found = run_model(truncate(branched_network(), "kept"), x)
    assert found.dtype == np.float32
    assert np.array_equal(found, found.astype(np.float16).astype(np.float32))
    assert np.allclose(found, np.mean(layers, axis=0).reshape(3, -1), rtol=2**-10)


def test_truncating_removes_what_the_layer_does_not_need() -> None:
    cut = onnx.load_model_from_string(truncate(branched_network(), "kept"))
    names = [node.output[0] for node in cut.graph.node]
    assert names == ["mirrored", "both", "mixed", "kept", "pairs", "mean", "rounded", "features"]
    assert {tensor.name for tensor in cut.graph.initializer} >= {"filters1", "biases1"}
    assert "filters2" not in {tensor.name for tensor in cut.graph.initializer}


def test_weights_after_a_layer_are_those_it_does_not_need() -> None:
    after = weights_after(branched_network(), "kept")
    assert list(after) == ["filters2"]
    assert after["filters2"].tolist() == [[[[2.0]], [[1.0]]]]


def test_truncating_at_a_missing_layer_names_it() -> None:
    for cut in (truncate, weights_after):
        with pytest.raises(WeightsError, match="the network tiny has no layer 'lost' to end at"):
            cut(branched_network(), "lost")


def test_the_features_are_what_the_whole_network_holds_at_that_layer(
    models_home: Path, two_faces: npt.NDArray[np.uint8]
) -> None:
    at = get_card(BLOCK).source.layer  # type: ignore[union-attr]
    whole = onnx.load(ensure("dlib-resnet"))
    whole.graph.output.append(helper.make_tensor_value_info(at, TensorProto.FLOAT, None))
    opened = onnxruntime.InferenceSession(whole.SerializeToString(), providers=["CPUExecutionProvider"])
    sides = (two_faces, two_faces[:, :, ::-1])
    inside = np.mean([opened.run([at], {"input": faces.tensor(side)})[0] for side in sides], axis=0)
    assert inside.shape[1:] == get_card(BLOCK).layout
    features = session(BLOCK).run(None, {"input": faces.tensor(two_faces)})[0]
    assert features.shape == (2, get_card(BLOCK).dim)
    assert np.allclose(features, inside.reshape(2, -1), rtol=2**-10, atol=1e-5)


def test_truncating_is_reproducible_and_has_its_own_identity(models_home: Path) -> None:
    data = ensure("dlib-resnet").read_bytes()
    at = get_card(BLOCK).source.layer  # type: ignore[union-attr]
    assert truncate(data, at) == truncate(data, at) == ensure(BLOCK).read_bytes()
    assert len(ensure(BLOCK).read_bytes()) < len(data)
    assert is_available(BLOCK)
    assert identity(BLOCK) not in (identity("dlib-resnet"), identity("dlib-resnet-int8"))


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


def test_quantising_is_silent_and_reproducible(
    models_home: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    data = ensure("dlib-resnet").read_bytes()
    ranges = read_ranges(files("mien.models").joinpath("dlib-resnet-int8.json").read_bytes())
    assert quantise(data, ranges) == quantise(data, ranges)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_the_shipped_ranges_are_those_of_the_network(models_home: Path) -> None:
    ranges = read_ranges(files("mien.models").joinpath("dlib-resnet-int8.json").read_bytes())
    assert list(ranges) == quantised_values(onnx.load(ensure("dlib-resnet")))
    assert ranges["input"] == (0.0, 255.0)  # so that a pixel is one step, and nothing is lost
    assert all(low <= 0 < high for low, high in ranges.values())


def test_ranges_of_another_network_are_refused(models_home: Path) -> None:
    with pytest.raises(WeightsError, match=r"do not belong to this network: \w+ is missing"):
        quantise(ensure("dlib-resnet").read_bytes(), {"input": (0.0, 255.0)})


def small_network() -> bytes:
    graph = Graph("tiny")
    filters = np.array([1.0, -0.5, 0.25, 4.0], np.float32).reshape(2, 2, 1, 1)
    graph.constant(filters, "filters")
    graph.constant(np.array([0.5, -1.0], np.float32), "biases")
    graph.node("Conv", ["input", "filters", "biases"], "mixed", kernel_shape=[1, 1])
    graph.node("Relu", ["mixed"], "kept")
    graph.node("GlobalAveragePool", ["kept"], "output")
    return graph.model({"input": ("n", 2, 2, 2)}, {"output": ("n", 2, 1, 1)})


def test_a_quantised_network_is_right_to_a_step() -> None:
    data = small_network()
    assert quantised_values(onnx.load_model_from_string(data)) == ["input", "kept"]
    whole = quantise(data, {"input": (-1.0, 1.0), "kept": (0.0, 5.5)})
    x = np.random.default_rng(0).uniform(-1, 1, (6, 2, 2, 2)).astype(np.float32)
    exact, rounded = (
        onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"input": x})[0]
        for model in (data, whole)
    )
    assert np.abs(exact - rounded).max() < 2 * 5.5 / 255
    assert np.abs(exact - rounded).max() > 0


def test_average_pools_become_convolutions_and_are_right_to_a_step() -> None:
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


def test_an_empty_range_does_not_divide_by_zero() -> None:
    whole = quantise(small_network(), {"input": (0.0, 0.0), "kept": (0.0, 0.0)})
    x = np.zeros((1, 2, 2, 2), np.float32)
    found = onnxruntime.InferenceSession(whole, providers=["CPUExecutionProvider"]).run(None, {"input": x})[0]
    assert np.isfinite(found).all()


def test_ranges_are_read_from_json() -> None:
    assert read_ranges(json.dumps({"faces": 1, "ranges": {"a": [-1, 2]}}).encode()) == {"a": (-1.0, 2.0)}
