"""Parts of an ONNX graph, copied into another one; knows no particular network."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import onnx
from onnx import helper, numpy_helper

from mien.errors import WeightsError
from mien.models.graph import Graph
from mien.types import Floats


def copy(
    graph: Graph,
    source: onnx.GraphProto,
    *,
    feeds: Mapping[str, str] | None = None,
    prefix: str = "",
    only: Container[str] | None = None,
    weights: Mapping[str, Floats] | None = None,
) -> None:
    """Add the nodes of a graph and the constants that they take, under their own names behind `prefix`.

    feeds: what of its values is another one here, by name. only: the values to make, all of them by default. weights:
    what stands in place of some of the constants, by their name in the source.
    """
    constants = {tensor.name: tensor for tensor in source.initializer}
    names = {"": "", **(feeds or {})}  # "" leaves an optional input out
    for node in source.node:
        if only is not None and node.output[0] not in only:
            continue
        for name in node.input:
            if name in constants and name not in names:
                value = (weights or {}).get(name, numpy_helper.to_array(constants[name]))
                names[name] = graph.constant(value, f"{prefix}{name}")
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        inputs = [names.get(name, f"{prefix}{name}") for name in node.input]
        graph.node(node.op_type, inputs, f"{prefix}{node.output[0]}", **attributes)


def needed(source: onnx.GraphProto, at: str) -> set[str]:
    """The values that a layer is made from, and its own.

    Raises:
        WeightsError: there is no layer of that name.
    """
    made_by = {node.output[0]: node for node in source.node}
    if at not in made_by:
        raise WeightsError(f"the network {source.name} has no layer {at!r} to end at")
    found: set[str] = set()
    waiting = [at]
    while waiting:
        name = waiting.pop()
        if name in made_by and name not in found:
            found.add(name)
            waiting += made_by[name].input
    return found


def sides(value: Any) -> list[int | str]:
    """The shape of an input or output: a number, or a name, for each side."""
    return [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
