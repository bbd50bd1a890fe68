"""Turns an expression network into the files of the package: a quantised trunk, and a calibrated head on its vectors.

    mien train FER2013 --faces cut --recipe resnet-small --out expression.mien
    python -m recipes.traits.expression FER2013 --trained expression.mien

FER2013 is the pool with its official splits. The temperature is fitted on PublicTest's first half and the figures are
of the second; the accuracy on all of PublicTest is what `mien evaluate` gives.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import onnx
import pyarrow.parquet as pq
from onnx import TensorProto, helper, numpy_helper

from mien.store import bundle
from mien.types import Floats, Ints, Pixels
from recipes.traits.cards import page
from recipes.traits.heads import calibrate, input_batches, linear_head, quantise_network, unit_vectors
from recipes.traits.ship import Provenance, ship

AIM = 0.75
TRUNK = "expression-features"
GREY = (0.299, 0.587, 0.114)
"""Of red, green and blue, as Pillow makes grey (ITU-R 601)."""


def trunk(network: bytes) -> tuple[bytes, Floats, Floats]:
    """A network of grey crops -> itself for RGB pixels up to its last dense layer, and that one's weights and bias."""
    model = onnx.load_model_from_string(network)
    graph = model.graph
    dense = next(node for node in graph.node if node.output[0] == graph.output[0].name)
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    weights, bias = (np.array(numpy_helper.to_array(tensors[name])) for name in dense.input[1:3])
    side = graph.input[0].type.tensor_type.shape.dim[2].dim_value
    (taken, features), k = (graph.input[0].name, dense.input[0]), len(bias)
    graph.node.remove(dense)
    for name in dense.input[1:3]:
        graph.initializer.remove(tensors[name])
    for node in graph.node:
        node.input[:] = ["grey" if name == taken else name for name in node.input]
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(GREY, np.float32).reshape(1, 3, 1, 1), "shares"),
            numpy_helper.from_array(np.array([1], np.int64), "channels"),
        ]
    )
    graph.node.insert(0, helper.make_node("ReduceSum", ["shared", "channels"], ["grey"], keepdims=1))
    graph.node.insert(0, helper.make_node("Mul", [taken, "shares"], ["shared"]))
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.append(helper.make_tensor_value_info(taken, TensorProto.FLOAT, ["n", 3, side, side]))
    graph.output.append(helper.make_tensor_value_info(features, TensorProto.FLOAT, ["n", weights.size // k]))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(), weights if weights.shape[0] == k else weights.T, bias


def rows(pool: Path, usage: str, labels: tuple[str, ...]) -> tuple[Pixels, Ints]:
    """The faces of one official split -> (n, 48, 48, 3), and the number of each one's label."""
    table = pq.read_table(pool)
    chosen = [i for i, said in enumerate(table["usage"].to_pylist()) if said == usage]
    pictures, said = table["image"].to_pylist(), table["label"].to_pylist()
    crops = [np.asarray(cv2.imdecode(np.frombuffer(pictures[i]["bytes"], np.uint8), 1), np.uint8) for i in chosen]
    return np.stack(crops), np.array([labels.index(said[i]) for i in chosen])


def main() -> None:
    """Write trunk, bundle and card into the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pool", type=Path)
    parser.add_argument("--trained", type=Path, required=True)
    options = parser.parse_args()
    trained = bundle.load(options.trained)
    labels = tuple(trained.manifest["head"]["labels"])
    network, weights, bias = trunk(trained.network or b"")
    crops, y = rows(options.pool, "Training", labels)
    whole = quantise_network(network, input_batches(crops[:: len(crops) // 500]))
    some = np.arange(0, len(crops), 5)
    seen = unit_vectors(whole, crops[some], mirror=True)
    length = _length(network, crops[some[::10]])
    head = linear_head(labels, weights * length, bias, (seen, y[some]))
    tested, truth = rows(options.pool, "PublicTest", labels)
    found = unit_vectors(whole, tested, mirror=True)
    first = np.arange(len(found)) % 2 == 0
    head = calibrate(head, found[first], truth[first], AIM)
    answers = head.probabilities(found)
    sure = (answers.max(axis=1) >= head.certain) & ~first
    right = answers.argmax(axis=1) == truth
    print(f"PublicTest: {right.mean():.2%} of {len(right)}; certain from {head.certain:.2f}:", end=" ")
    print(f"{sure.sum() / (~first).sum():.1%} of the second half, {right[sure].mean():.1%} right")
    counts = {"expression": {name: int((y == i).sum()) for i, name in enumerate(labels)}}
    training = json.dumps(trained.manifest["training"]["settings"]["samples"])
    provenance = Provenance(
        date.today().isoformat(),
        f"mien train --recipe resnet-small --faces cut ({training} rows), then python -m recipes.traits.expression",
        "FER2013, the photos of its Training split: for research only",
        0,
        counts,
    )
    print(ship(TRUNK, whole, {"expression": head}, provenance, {"expression": page("expression")}))


def _length(network: bytes, crops: Pixels) -> np.float32:
    """The mean length of the vectors, by which a layer that took them as they came is scaled."""
    import onnxruntime

    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    input_batches = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32)
    found = session.run(None, {session.get_inputs()[0].name: input_batches})[0]
    return np.float32(np.linalg.norm(found, axis=1).mean())


if __name__ == "__main__":
    main()
