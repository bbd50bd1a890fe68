"""Converts YuNet's ONNX file to one that takes pictures of any size, and runs faster.

The file's input is 640 x 640, in BGR. Its heads are twelve pairs of convolutions, for each of three strides the scores
of a face (`cls`, `obj`), box and landmarks, each beside the others on the same values: one pair of 16 channels does the
work of four, and 16 is the runtime's fast block.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from mien.errors import WeightsError
from mien.models.onnx_edit import Graph, copy_nodes, values_up_to

STRIDES = (8, 16, 32)
_HEADS = ("cls", "obj", "bbox", "kps")


def convert(data: bytes) -> bytes:
    """YuNet's file, with its twelve outputs -> ONNX.

    "rgb" is (n, 3, height, width), values 0 to 255, sides in multiples of 32. "windows_8", "windows_16" and
    "windows_32" are (n, 16, height / stride, width / stride): two logits whose probabilities' geometric mean is the
    score, the box (centre in strides from the grid's point, logarithm of the size in strides) and five points (x, y) in
    strides from the grid's point. Raises WeightsError where the file is another network.
    """
    source = onnx.load_model_from_string(data).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in source.initializer}
    producers = {node.output[0]: node for node in source.node}
    graph, first = Graph("yunet"), source.node[0]
    ends: list[tuple[int, str, list[onnx.NodeProto]]] = []
    for stride in STRIDES:
        layers = [_convolutions(producers, f"{head}_{stride}") for head in _HEADS]
        inputs = {pair[0].input[0] for pair in layers}
        if len(inputs) != 1:
            raise WeightsError(f"the heads of stride {stride} do not begin at one value: this is not YuNet's network")
        ends.append((stride, inputs.pop(), [layer for pair in layers for layer in pair]))
    flipped = np.ascontiguousarray(arrays[first.input[1]][:, ::-1])
    wanted = set().union(*(values_up_to(source, value) for _, value, _ in ends))
    feeds = {source.input[0].name: "rgb"}
    copy_nodes(graph, source, feeds=feeds, only=wanted, weights={first.input[1]: flipped})
    for stride, value, convolutions in ends:
        joint = [
            np.concatenate([arrays[layer.input[k]] for layer in convolutions[i::2]]) for i in (0, 1) for k in (1, 2)
        ]
        constants = [graph.constant(array, f"head_{stride}_{i}") for i, array in enumerate(joint)]
        narrow = graph.node("Conv", [value, *constants[:2]], f"head_{stride}")
        depthwise = {"group": len(joint[3]), "pads": [1, 1, 1, 1]}
        graph.node("Conv", [narrow, *constants[2:]], f"windows_{stride}", **depthwise)
    outputs = {f"windows_{stride}": ("n", 16, f"rows_{stride}", f"columns_{stride}") for stride in STRIDES}
    return graph.model({"rgb": ("n", 3, "height", "width")}, outputs)


def _convolutions(producers: dict[str, onnx.NodeProto], output: str) -> tuple[onnx.NodeProto, onnx.NodeProto]:
    """The two convolutions, 1 x 1 and by channel, that an output comes from."""
    node = producers.get(output)
    while node is not None and node.op_type != "Conv":
        node = producers.get(node.input[0])
    before = None if node is None else producers.get(node.input[0])
    if node is None or before is None or before.op_type != "Conv":
        raise WeightsError(f"it has no output {output!r} that two convolutions give: this is not YuNet's network")
    return before, node
