"""One ONNX network on a layer of another, as one; knows no particular network, and no place of files."""

from __future__ import annotations

import onnx

from mien.models.copying import copy, needed, sides
from mien.models.graph import Graph

_TOP = "top/"


def graft(base: bytes, at: str, top: bytes) -> bytes:
    """A network, the name of one of its layers, and a network that takes that layer's values -> both as one.

    It takes what the base takes and gives what the top gives; of the base nothing is left that the layer does not need.

    Raises:
        WeightsError: the base has no such layer.
    """
    below, above = onnx.load_model_from_string(base).graph, onnx.load_model_from_string(top).graph
    graph = Graph(f"{above.name} on {below.name}")
    copy(graph, below, only=needed(below, at))
    copy(graph, above, feeds={above.input[0].name: at}, prefix=_TOP)
    given = {f"{_TOP}{value.name}": sides(value) for value in above.output}
    return graph.model({value.name: sides(value) for value in below.input}, given)
