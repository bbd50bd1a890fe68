"""A trained network as a classifier: crops or vectors to probabilities, by ONNX Runtime.

A network from a stranger is inspected before it is opened: what it consists of, and how much memory it may take.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, checker, load_from_string, shape_inference
from onnx.defs import onnx_opset_version

from mien.models.head import (
    Doubles,
    check_centres,
    check_labels,
    check_scale,
    read_scale,
    require_fields,
    softmax,
    unit,
)
from mien.models.sessions import from_bytes
from mien.types import Floats

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

KIND = "network"
Inputs = npt.NDArray[Any]
"""Crops, uint8 (n, side, side) or (n, side, side, 3), or vectors, float32 (n, dimension): as the network says."""

INPUT, OUTPUT = "input", "logits"
"""The names of the one input and the one output of a network in a bundle."""

OPERATORS = frozenset(
    {
        *("Conv", "Gemm", "MatMul", "BatchNormalization", "LRN"),
        *("Relu", "PRelu", "Add", "Sub", "Mul", "Div", "Sqrt"),
        *("MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "Pad", "Reshape", "Flatten"),
        *("Cast", "LpNormalization", "LogSoftmax", "Slice", "Concat"),
    }
)
"""What exported and joined networks consist of.

None of them branches, loops, reads files or makes an array of a size of its own.
"""

MAX_NODES = 4096
MAX_VALUES_PER_NODE = 2**26
"""Numbers that one node may give for one row: 256 MiB as float32."""
MAX_VALUES = 2**29
"""Numbers that all nodes together may give for one row, since each may be kept until the last: 2 GiB."""
MAX_BATCH = 32
"""Rows that go through a network at once."""
MAX_BATCH_VALUES = 2**25
"""Numbers that one node may give for a batch."""
MAX_SIDE = 1024
MAX_DIMENSION = 65536


@dataclass(frozen=True, slots=True, eq=False)
class NetworkHead:
    """Crops or vectors -> probabilities of the labels, and familiarity: a whole network in place of a `Head`.

    Probabilities are the softmax of the network's logits over `temperature`; with `mirror` the logits are the mean over
    the crop and its mirror image. Familiarity is the cosine to the nearest of `centres` (k, d), where there are any,
    and the largest logit where there are none; below `threshold` it is a stranger.

    `onnx` takes "input", float32 (n, d) or (n, channels, side, side) with pixels of 0..255, and gives "logits" (n, k).

    Raises:
        ValueError: the parts do not make a head, or the network is not one that a bundle may hold.
    """

    labels: tuple[str, ...]
    temperature: float
    threshold: float
    mirror: bool
    onnx: bytes = field(repr=False)
    centres: Floats | None = None
    input: tuple[int, ...] = field(init=False)
    _batch: int = field(init=False, repr=False)
    _session: InferenceSession = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_labels(self.labels)
        check_scale(self.temperature, self.threshold)
        row, k, batch = inspect_network(self.onnx)
        if k != len(self.labels):
            raise ValueError(f"the network has {k} classes, but the head has {len(self.labels)} labels")
        if self.mirror and len(row) == 1:
            raise ValueError("a vector has no mirror image")
        if self.centres is not None:
            if len(row) != 1:
                raise ValueError("a network that takes crops has no centres")
            check_centres(self.centres, (k, row[0]))
        object.__setattr__(self, "input", row)
        object.__setattr__(self, "_batch", batch)
        object.__setattr__(self, "_session", from_bytes(self.onnx))

    def __reduce__(self) -> tuple[Any, ...]:
        # A session cannot be sent to another process; a new one is opened there.
        parts = (self.labels, self.temperature, self.threshold, self.mirror, self.onnx, self.centres)
        return type(self), parts

    @property
    def kind(self) -> str:
        return KIND

    @property
    def certain(self) -> float:
        return 0.0

    def probabilities(self, inputs: Inputs) -> Floats:
        """Crops or vectors -> calibrated probabilities (n, k), float32; raises ValueError over any other inputs."""
        return self.answer(inputs)[0]

    def familiarity(self, inputs: Inputs) -> Floats:
        """Crops or vectors -> cosine to the nearest class centre, or the largest logit (n,); raises as above."""
        if self.centres is not None:
            return self._cosines(self._rows(inputs))
        return self.answer(inputs)[1]

    def answer(self, inputs: Inputs) -> tuple[Floats, Floats]:
        """Crops or vectors -> `probabilities` and `familiarity`, from one run of the network; raises as above."""
        rows = self._rows(inputs)
        logits = self._logits(rows)
        probabilities = softmax(logits / self.temperature).astype(np.float32)
        if self.centres is not None:
            return probabilities, self._cosines(rows)
        return probabilities, logits.max(axis=1).astype(np.float32)

    def logits(self, inputs: Inputs) -> Doubles:
        """Crops or vectors -> logits before calibration (n, k), float64; raises as above."""
        return self._logits(self._rows(inputs))

    def _logits(self, rows: Inputs) -> Doubles:
        blocks = [np.zeros((0, len(self.labels)))]
        for start in range(0, len(rows), self._batch):
            block = network_input(rows[start : start + self._batch], self.input)
            logits = self._run(block)
            if self.mirror:
                logits = (logits + self._run(np.ascontiguousarray(block[..., ::-1]))) / 2
            blocks.append(logits)
        return np.concatenate(blocks)

    def _run(self, block: Floats) -> Doubles:
        logits: Floats = self._session.run([OUTPUT], {INPUT: block})[0]
        if not np.isfinite(logits).all():
            raise ValueError("the network's output is not finite")
        return logits.astype(np.float64)

    def _cosines(self, rows: Inputs) -> Floats:
        assert self.centres is not None
        return np.asarray((unit(rows) @ self.centres.astype(np.float64).T).max(axis=1), dtype=np.float32)

    def _rows(self, inputs: Inputs) -> Inputs:
        if len(self.input) == 1:
            if inputs.ndim != 2 or inputs.shape[1] != self.input[0]:
                raise ValueError(f"this network takes vectors of shape (n, {self.input[0]}), not {inputs.shape}")
            if not np.isfinite(inputs).all():
                raise ValueError("a vector holds a value that is not finite")
            return inputs
        colour = inputs.ndim == 4
        if inputs.dtype != np.uint8 or inputs.ndim not in (3, 4) or inputs.shape[1:3] != self.input[1:]:
            raise ValueError(f"this network takes uint8 crops of {self.input[1:]}, not {inputs.dtype} {inputs.shape}")
        if colour and (inputs.shape[3] != 3 or self.input[0] == 1):
            raise ValueError(f"this network takes crops of {self.input[0]} channels, not of {inputs.shape[3]}")
        return inputs

    def to_json(self) -> dict[str, Any]:
        """The part of a head that is neither arrays nor the network, as strict JSON: a threshold of -inf is null."""
        return {
            "kind": KIND,
            "labels": list(self.labels),
            "temperature": self.temperature,
            "threshold": self.threshold if math.isfinite(self.threshold) else None,
            "mirror": self.mirror,
        }

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays of a head by name, for an npz file."""
        return {} if self.centres is None else {"centres": self.centres}

    @classmethod
    def load(cls, json: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], onnx: bytes | None) -> NetworkHead:
        """The results of `to_json` and `to_arrays`, and the ONNX file -> the head.

        Raises:
            ValueError: a part is missing, or is not what a head is made of; nothing in it is trusted.
        """
        require_fields(json, ("kind", "labels", "temperature", "threshold", "mirror"))
        if json["kind"] != KIND or onnx is None:
            raise ValueError("the head is not a network, or its network is missing")
        if not isinstance(json["labels"], list) or not isinstance(json["mirror"], bool):
            raise ValueError("a head's labels are a list of names, and its mirror is true or false")  # noqa: TRY004  (as Head)
        return cls(
            labels=tuple(json["labels"]),
            **read_scale(json),
            mirror=json["mirror"],
            onnx=onnx,
            centres=arrays.get("centres"),
        )


def network_input(rows: Inputs, row: tuple[int, ...]) -> Floats:
    """Crops or vectors -> float32 (n, *row), as a network takes them; grey is repeated for each channel."""
    if len(row) == 3:
        rows = rows.transpose(0, 3, 1, 2) if rows.ndim == 4 else np.broadcast_to(rows[:, None], (len(rows), *row))
    return np.ascontiguousarray(rows, dtype=np.float32)


class NetworkShape(NamedTuple):
    """The shape of one row of a network's input, the number of logits for it, and how many rows may go in at once."""

    row: tuple[int, ...]
    classes: int
    batch: int


def inspect_network(data: bytes) -> NetworkShape:
    """An ONNX file -> its shape; nothing of it is run.

    The input is float32 (n, dimension), or (n, 1 or 3, side, side); the output is float32 (n, labels).

    Raises:
        ValueError: it is damaged, or not a network that a bundle may hold; the message says why.
    """
    try:
        model = load_from_string(data)
    except Exception as error:  # protobuf's own
        raise ValueError("the network is not an ONNX file") from error
    _check_parts(model)
    row = _row(model)
    del model.graph.value_info[:]  # claims that shape inference would believe
    try:
        checker.check_model(model)
        one, many = _shapes(model, 1), _shapes(model, MAX_BATCH)
    except Exception as error:  # onnx's own
        raise ValueError(f"the network is inconsistent: {next(iter(str(error).splitlines()), '')}") from error
    for node in model.graph.node:
        for name in filter(None, node.output):
            if not (_is_sound(one.get(name)) and name in many):
                raise ValueError(f"the network's {node.op_type} gives an array of unknown or excessive size")
            if math.prod(many[name]) > MAX_BATCH * math.prod(one[name]):
                raise ValueError(f"the network's {node.op_type} gives more values per row, the more rows there are")
    if len(one[OUTPUT]) != 2:
        raise ValueError(f"the network's {OUTPUT} do not have the shape (n, labels)")
    sizes = [math.prod(row), *map(math.prod, one.values())]
    if sum(sizes) > MAX_VALUES:
        raise ValueError(f"the network's nodes hold {sum(sizes)} values for one row, which is too many")
    batch = max(1, min(MAX_BATCH, MAX_BATCH_VALUES // max(sizes), MAX_VALUES // sum(sizes)))
    return NetworkShape(row, one[OUTPUT][1], batch)


def _shapes(model: ModelProto, rows: int) -> dict[str, tuple[int, ...]]:
    """The shape of each value for so many rows, by name."""
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = rows
    inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    return {value.name: _shape(value) for value in (*inferred.graph.value_info, *inferred.graph.output)}


def _check_parts(model: ModelProto) -> None:
    graph = model.graph
    if model.functions or model.training_info or graph.sparse_initializer:
        raise ValueError("the network holds functions, training information or sparse arrays, which a bundle must not")
    if any(opset.domain not in ("", "ai.onnx") for opset in model.opset_import):
        raise ValueError("the network uses operators that are not ONNX's own")
    if any(opset.version > onnx_opset_version() for opset in model.opset_import):
        raise ValueError("the network uses newer operators than this ONNX has: update mien")
    for tensor in graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise ValueError("the network's weights are in another file")
    if len(graph.node) > MAX_NODES:
        raise ValueError(f"the network has more than {MAX_NODES} nodes")
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            raise ValueError(f"the network has a node {node.op_type!r:.40}, which a bundle must not")
    if len(graph.output) != 1 or len(graph.input) != 1:
        raise ValueError("the network must have exactly one input and one output")
    if (graph.input[0].name, graph.output[0].name) != (INPUT, OUTPUT):
        raise ValueError(f"the network's input and output must be called {INPUT!r} and {OUTPUT!r}")


def _row(model: ModelProto) -> tuple[int, ...]:
    for value in (model.graph.input[0], model.graph.output[0]):
        tensor = value.type.tensor_type
        if tensor.elem_type != TensorProto.FLOAT or not tensor.shape.dim or tensor.shape.dim[0].HasField("dim_value"):
            raise ValueError(f"the network's {value.name} must be float32 with any number of rows")
    match row := _shape(model.graph.input[0])[1:]:
        case (int(dimension),) if 1 <= dimension <= MAX_DIMENSION:
            return row
        case (1 | 3, int(height), int(width)) if height == width and 1 <= height <= MAX_SIDE:
            return row
    raise ValueError(f"the network takes rows of shape {row}: neither vectors nor square pictures")


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)


def _is_sound(shape: tuple[int, ...] | None) -> bool:
    return shape is not None and len(shape) > 0 and min(shape) > 0 and math.prod(shape) <= MAX_VALUES_PER_NODE
