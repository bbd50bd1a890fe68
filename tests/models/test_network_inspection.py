"""A network from a stranger: seen through before it is opened, and refused with the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mien.models.network import NetworkHead, NetworkShape, inspect_network
from mien.models.onnx_edit import Graph
from tests.models.networks import LABELS, convolved, edited, linear

Change = Callable[[onnx.ModelProto], object]


def _a_function(model: onnx.ModelProto) -> None:
    model.functions.append(
        helper.make_function("mien", "F", ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])], model.opset_import)
    )


def _a_subgraph(model: onnx.ModelProto) -> None:
    nothing = helper.make_graph([], "then", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["y"], then_branch=nothing, else_branch=nothing))


def _a_subgraph_in_a_known_step(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("body", helper.make_graph([], "body", [], [])))


def _a_second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, ["n", 1]))


def _a_second_output(model: onnx.ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["n", 16]))


def _external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def _sparse(model: onnx.ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "v")
    places = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [2**40]))


def _of_doubles(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def _of_one_row(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_a_function, "functions"),
        (lambda model: model.training_info.add(), "training"),
        (_sparse, "sparse"),
        (_a_subgraph, "node 'If'"),
        (_a_subgraph_in_a_known_step, "is inconsistent"),
        (lambda model: setattr(model.graph.node[0], "op_type", "Loop"), "node 'Loop'"),
        (lambda model: setattr(model.graph.node[0], "domain", "com.microsoft"), "node 'Flatten'"),
        (lambda model: model.opset_import.add(domain="evil", version=1), "not ONNX's own"),
        (lambda model: setattr(model.opset_import[0], "version", 9999), "newer operators"),
        (_external, "in another file"),
        (_a_second_input, "exactly one input"),
        (_a_second_output, "exactly one input"),
        (lambda model: model.graph.ClearField("output"), "exactly one input"),
        (lambda model: model.ClearField("graph"), "exactly one input"),
        (lambda model: setattr(model.graph.output[0], "name", "flat"), "must be called"),
        (_of_doubles, "float32"),
        (_of_one_row, "any number of rows"),
        (lambda model: model.graph.input[0].type.tensor_type.ClearField("shape"), "any number of rows"),
        (lambda model: model.graph.node.pop(), "is inconsistent"),
        (lambda model: setattr(model.graph.node[1], "op_type", "Conv"), "is inconsistent"),
        (lambda model: model.graph.initializer[0].ClearField("raw_data"), "is inconsistent"),
        (lambda model: model.graph.initializer[0].dims.__setitem__(0, 2**50), "is inconsistent"),
        (lambda model: model.graph.initializer[0].dims.__setitem__(0, -3), "is inconsistent"),
        (lambda model: model.graph.node.extend([helper.make_node("Relu", ["flat"], ["r"])] * 5000), "nodes"),
    ],
)
def test_forbidden_parts_are_refused_with_a_reason(change: Change, reason: str) -> None:
    model = edited(linear(16))
    change(model)
    with pytest.raises(ValueError, match=reason) as caught:
        inspect_network(model.SerializeToString())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "row", [(0,), (2**20,), (2, 4, 4), (1, 4, 5), (1, 2048, 2048), (1, 4), (1, 1, 4, 4), ("d",), (3, "s", "s"), ()]
)
def test_inputs_of_excessive_shapes_are_refused(row: tuple[int | str, ...]) -> None:
    model = edited(linear(16))
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", *row]))
    with pytest.raises(ValueError, match="takes rows of shape"):
        inspect_network(model.SerializeToString())


def _grown(kind: str, name: str, values: list[int], **attributes: object) -> bytes:
    """A network that is sound but for one step, which makes its picture as large as it likes."""
    graph = Graph("grown")
    extra = graph.constant(np.array(values, dtype=np.int64), name)
    grown = graph.node(kind, ["input", extra], "grown", **attributes)
    means = graph.node("Flatten", [graph.node("GlobalAveragePool", [grown], "mean")], "flat")
    graph.node("Gemm", [means, graph.constant(np.ones((3, 1), np.float32), "weights")], "logits", transB=1)
    return graph.model({"input": ["n", 1, 4, 4]}, {"logits": ["n", 3]})


def test_a_node_that_would_fill_the_memory_is_refused() -> None:
    assert inspect_network(_grown("Pad", "sides", [0, 0, 1, 1, 0, 0, 1, 1])) == NetworkShape((1, 4, 4), 3, 32)
    for many in (20_000, 2**31, 2**40):
        with pytest.raises(ValueError, match=r"excessive size|is inconsistent"):
            inspect_network(_grown("Pad", "sides", [0, 0, many, many, 0, 0, many, many]))


def _crossed(times: int) -> bytes:
    """A network whose step is as large as rows times rows, and so on: small for one row, and for 32 beyond all."""
    graph = Graph("crossed")
    first = graph.node("ReduceMean", ["input"], "first", axes=[1], keepdims=1)
    crossed = first
    for axis in range(times):
        shape = [-1] + [1] * (axis + 2)
        turned = graph.node("Reshape", [first, graph.constant(np.array(shape, np.int64), f"shape{axis}")], f"x{axis}")
        crossed = graph.node("Add", [crossed, turned], f"crossed{axis}")
    mean = graph.node("ReduceMean", [crossed], "all", axes=list(range(times + 2)), keepdims=1)
    mean = graph.node("Reshape", [mean, graph.constant(np.array([1, 1], np.int64), "flat")], "mean")
    sums = graph.node("Mul", ["input", mean], "sums")
    graph.node("Gemm", [sums, graph.constant(np.ones((3, 4), np.float32), "weights")], "logits", transB=1)
    return graph.model({"input": ["n", 4]}, {"logits": ["n", 3]})


@pytest.mark.parametrize("times", [1, 6])
def test_a_node_that_grows_faster_than_the_rows_is_refused(times: int) -> None:
    with pytest.raises(ValueError, match="the more rows there are"):
        inspect_network(_crossed(times))


def _many(steps: int, side: int) -> bytes:
    """A network of as many large steps, all of which are wanted until the last."""
    graph = Graph("many")
    kept = [graph.node("Relu", ["input"], f"step{i}") for i in range(steps)]
    means = [graph.node("GlobalAveragePool", [each], f"mean{i}") for i, each in enumerate(kept)]
    together = graph.node("Flatten", [graph.node("Concat", means, "together", axis=1)], "flat")
    graph.node("Gemm", [together, graph.constant(np.ones((3, steps), np.float32), "weights")], "logits", transB=1)
    return graph.model({"input": ["n", 1, side, side]}, {"logits": ["n", 3]})


def test_nodes_that_would_fill_the_memory_together_are_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        inspect_network(_many(600, 1024))


def test_the_batch_is_as_large_as_memory_allows() -> None:
    assert inspect_network(_many(2, 64)).batch == 32
    assert inspect_network(_many(20, 1024)).batch == 24
    assert inspect_network(_many(500, 512)).batch == 4


def test_logits_have_one_row_for_each_input_row() -> None:
    graph = Graph("pictures")
    graph.node("Relu", ["input"], "logits")
    with pytest.raises(ValueError, match=r"do not have the shape \(n, labels\)"):
        inspect_network(graph.model({"input": ["n", 1, 4, 4]}, {"logits": ["n", 1, 4, 4]}))


def test_claimed_sizes_are_not_trusted() -> None:
    model = edited(_grown("Pad", "sides", [0, 0, 20_000, 20_000, 0, 0, 20_000, 20_000]))
    del model.graph.value_info[:]
    model.graph.value_info.append(helper.make_tensor_value_info("grown", TensorProto.FLOAT, ["n", 1, 4, 4]))
    with pytest.raises(ValueError, match=r"excessive size|is inconsistent"):
        inspect_network(model.SerializeToString())


@pytest.mark.parametrize("data", [b"", b"no network", b"\x00" * 100, b"\xff" * 100])
def test_a_file_that_is_not_a_network_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="network"):
        inspect_network(data)


def test_a_corrupted_network_is_refused_or_still_works() -> None:
    whole = convolved(1, 8, 8)
    rng = np.random.default_rng(0)
    for _ in range(150):
        broken = bytearray(whole)
        broken[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        cut = whole[: int(rng.integers(len(whole)))]
        for data in (bytes(broken), cut):
            try:
                NetworkHead(LABELS, 1.0, 0.0, False, data)
            except ValueError:
                continue


def test_a_valid_network_states_its_input_and_output() -> None:
    assert inspect_network(linear(16)) == NetworkShape((16,), 3, 32)
    assert inspect_network(convolved(3, 12, 12)) == NetworkShape((3, 12, 12), 3, 32)


def test_the_number_of_labels_must_match_the_logits() -> None:
    with pytest.raises(ValueError, match="has 3 classes"):
        NetworkHead(("a", "b"), 1.0, 0.0, False, linear(16))


def test_external_data_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = edited(linear(16))
    onnx.save(model, tmp_path / "x.onnx", save_as_external_data=True, location="x.data", size_threshold=0)
    with pytest.raises(ValueError, match="in another file"):
        inspect_network((tmp_path / "x.onnx").read_bytes())
