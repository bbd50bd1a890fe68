"""What a whole network from a stranger may be, seen before it is opened; knows no labels and no pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from onnx import ModelProto, TensorProto, checker, load_from_string, shape_inference
from onnx.defs import onnx_opset_version

INPUT, OUTPUT = "input", "logits"
"""What the one input and the one output of a network in a bundle are called."""

OPERATORS = frozenset(
    {
        *("Conv", "Gemm", "MatMul", "BatchNormalization", "LRN"),
        *("Relu", "PRelu", "Add", "Sub", "Mul", "Div", "Sqrt"),
        *("MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "Pad", "Reshape", "Flatten"),
        *("Cast", "LpNormalization", "LogSoftmax", "Slice", "Concat"),
    }
)
"""What networks are exported and joined with.

Nothing among them branches, repeats, reads files or makes an array of a size of its own.
"""

MOST_STEPS = 4096
MOST_VALUES = 2**26
"""No step may give more numbers for one row: 256 MiB as float32."""
MOST_TOGETHER = 2**29
"""Nor may all steps together, since each may be kept until the last: 2 GiB."""
AT_ONCE = 32
"""So many rows may go through a network at once."""
_ROOM = 2**25  # values of a step, for all rows that go through at once
MOST_SIDE = 1024
MOST_DIMENSION = 65536


@dataclass(frozen=True, slots=True)
class Form:
    """What a network takes a row, how many logits it gives for it, and for how many rows at once there is room."""

    row: tuple[int, ...]
    classes: int
    at_once: int


def checked(data: bytes) -> Form:
    """An ONNX file -> its form; nothing of it is run.

    The input is float32 (n, dimension), or (n, 1 or 3, side, side); the output is float32 (n, labels).

    Raises:
        ValueError: it is damaged, or not a network that a bundle may hold; the message says why.
    """
    try:
        model = load_from_string(data)
    except Exception as error:  # protobuf's own
        raise ValueError("the network is no ONNX file") from error
    _check_parts(model)
    row = _row(model)
    del model.graph.value_info[:]  # a claim, which inferring would believe
    try:
        checker.check_model(model)
        one, many = _shapes(model, 1), _shapes(model, AT_ONCE)
    except Exception as error:  # onnx's own
        raise ValueError(f"the network does not fit together: {next(iter(str(error).splitlines()), '')}") from error
    for node in model.graph.node:
        for name in filter(None, node.output):
            if not (_sound(one.get(name)) and name in many):
                raise ValueError(f"the network's {node.op_type} gives an array of unknown or absurd size")
            if math.prod(many[name]) > AT_ONCE * math.prod(one[name]):
                raise ValueError(f"the network's {node.op_type} gives more for a row, the more rows there are")
    if len(one[OUTPUT]) != 2:
        raise ValueError(f"the network's {OUTPUT} are not (n, labels)")
    sizes = [math.prod(row), *map(math.prod, one.values())]
    if sum(sizes) > MOST_TOGETHER:
        raise ValueError(f"the network's steps hold {sum(sizes)} values for one row, which is too many")
    return Form(row, one[OUTPUT][1], max(1, min(AT_ONCE, _ROOM // max(sizes), MOST_TOGETHER // sum(sizes))))


def _shapes(model: ModelProto, rows: int) -> dict[str, tuple[int, ...]]:
    """What each step gives for so many rows, by name."""
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = rows
    inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    return {value.name: _shape(value) for value in (*inferred.graph.value_info, *inferred.graph.output)}


def _check_parts(model: ModelProto) -> None:
    graph = model.graph
    if model.functions or model.training_info or graph.sparse_initializer:
        raise ValueError("the network holds functions, training or sparse arrays, which none in a bundle does")
    if any(opset.domain not in ("", "ai.onnx") for opset in model.opset_import):
        raise ValueError("the network asks for operators of others than ONNX")
    if any(opset.version > onnx_opset_version() for opset in model.opset_import):
        raise ValueError("the network asks for later operators than this ONNX has: update mien")
    for tensor in graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise ValueError("the network's weights lie in another file")
    if len(graph.node) > MOST_STEPS:
        raise ValueError(f"the network has more than {MOST_STEPS} steps")
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            raise ValueError(f"the network has a step {node.op_type!r:.40}, which none in a bundle does")
    if len(graph.output) != 1 or len(graph.input) != 1:
        raise ValueError("the network has more than one input or output, or none")
    if (graph.input[0].name, graph.output[0].name) != (INPUT, OUTPUT):
        raise ValueError(f"the network's input and output are not called {INPUT!r} and {OUTPUT!r}")


def _row(model: ModelProto) -> tuple[int, ...]:
    for value in (model.graph.input[0], model.graph.output[0]):
        tensor = value.type.tensor_type
        if tensor.elem_type != TensorProto.FLOAT or not tensor.shape.dim or tensor.shape.dim[0].HasField("dim_value"):
            raise ValueError(f"the network's {value.name} is not float32 with any number of rows")
    row = _shape(model.graph.input[0])[1:]
    match row:
        case (int(dimension),) if 1 <= dimension <= MOST_DIMENSION:
            return row
        case (1 | 3, int(height), int(width)) if height == width and 1 <= height <= MOST_SIDE:
            return row
    raise ValueError(f"the network takes rows of shape {row}: neither vectors nor square pictures")


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)


def _sound(shape: tuple[int, ...] | None) -> bool:
    return shape is not None and len(shape) > 0 and min(shape) > 0 and math.prod(shape) <= MOST_VALUES
