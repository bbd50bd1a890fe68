"""Writes ONNX graphs node by node; knows no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, checker, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
"""Read by every ONNX Runtime since 1.14."""

Shape = Sequence[int | str]


class Graph:
    """A graph under construction: each call adds one node or constant and returns the name of what it makes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, value: npt.ArrayLike, name: str) -> str:
        """Add a constant of that name; float64 becomes float32."""
        array = np.array(value, order="C")
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node of that kind, whose one output (and itself) is called `output`."""
        self.nodes(kind, inputs, [output], **attributes)
        return output

    def nodes(self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """Add a node of that kind with several outputs, called like the first."""
        self._nodes.append(helper.make_node(kind, list(inputs), list(outputs), name=outputs[0], **attributes))

    def model(self, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> bytes:
        """Graph -> ONNX file, with float32 inputs and outputs of the shapes given, checked."""
        ends = [
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in side.items()]
            for side in (inputs, outputs)
        ]
        graph = helper.make_graph(self._nodes, self.name, ends[0], ends[1], self._constants)
        model = helper.make_model(
            graph,
            producer_name="mien",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        checker.check_model(model, full_check=True)
        data: bytes = model.SerializeToString(deterministic=True)
        return data
