"""Quantises trained networks, and fits and calibrates heads on their unit vectors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression

from mien.models.head import Doubles, Head, unit
from mien.models.onnx_edit import quantise, quantised_values
from mien.training.calibration import fit_temperature
from mien.training.head import class_centres
from mien.types import Floats, Ints, Pixels

_MANY = 32
MIN_FACES = 40
"""The least number of faces from which an accuracy is estimated."""


def quantise_network(network: bytes, inputs: Iterable[Floats], greatest: float = 255.0) -> bytes:
    """A float network and batches of what it takes, values from 0 to `greatest` -> the network in 8-bit integers.

    A range runs from the 1st percentile of the inputs' least values to the 99th of their greatest.
    """
    model = onnx.load_model_from_string(network)
    names = quantised_values(model)
    taken = model.graph.input[0].name
    inner = [name for name in names if name != taken]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ends: dict[str, list[Doubles]] = {name: [] for name in inner}
    for batch in inputs:
        for name, values in zip(inner, session.run(inner, {taken: batch}), strict=True):
            flat = values.reshape(len(batch), -1)
            ends[name].append(np.stack([flat.min(axis=1), flat.max(axis=1)]))
    ranges = {taken: (0.0, greatest)}
    for name, found in ends.items():
        low, high = np.concatenate(found, axis=1)
        ranges[name] = (float(np.percentile(low, 1)), float(np.percentile(high, 99)))
    return quantise(network, ranges)


def input_batches(crops: Pixels) -> Iterator[Floats]:
    """Crops (n, s, s, 3) -> batches of input for a network that takes pixels."""
    for start in range(0, len(crops), _MANY):
        yield _planes(crops[start : start + _MANY])


def unit_vectors(network: bytes, crops: Pixels, *, mirror: bool) -> Floats:
    """Crops (n, s, s, 3) -> their vectors of length one (n, d), as the embedding stage makes them."""
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    taken = session.get_inputs()[0].name
    made = []
    for start in range(0, len(crops), _MANY):
        batch = crops[start : start + _MANY]
        found = session.run(None, {taken: _planes(batch)})[0]
        if mirror:
            found = (found + session.run(None, {taken: _planes(batch[:, :, ::-1])})[0]) / 2
        made.append(found)
    return np.asarray(unit(np.concatenate(made)), np.float32)


def linear_head(labels: Sequence[str], weights: Floats, bias: Floats, seen: tuple[Floats, Ints]) -> Head:
    """A linear layer on unit vectors, and the training vectors with their classes -> a head, uncalibrated."""
    centres = class_centres(unit(seen[0]), seen[1], len(labels)).astype(np.float32)
    return Head("logistic", tuple(labels), weights, bias, centres, temperature=1.0, threshold=-math.inf)


def fit_head(labels: Sequence[str], seen: tuple[Floats, Ints], strength: float) -> Head:
    """A head by logistic regression on vectors and their classes, all of which must occur; uncalibrated."""
    model = LogisticRegression(C=strength, max_iter=500).fit(*seen)
    weights, bias = model.coef_.astype(np.float32), model.intercept_.astype(np.float32)
    if len(labels) == 2:  # scikit-learn keeps the second class's alone
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return linear_head(labels, weights, bias, seen)


def best_head(heads: Sequence[Head], found: Floats, y: Ints) -> Head:
    """The most accurate head on held-out vectors; among equals the first."""
    right = [float((head.probabilities(found).argmax(axis=1) == y).mean()) for head in heads]
    return heads[int(np.argmax(right))]


def calibrate(head: Head, found: Floats, y: Ints, aim: float) -> Head:
    """A head with its temperature and certainty fitted on held-out vectors.

    Of the answers that are at least as certain, the share `aim` or more is right.
    """
    logits = unit(found) @ head.weights.astype(np.float64).T + head.bias.astype(np.float64)
    honest = replace(head, temperature=fit_temperature(logits, y))
    return replace(honest, certain=least_certainty(honest.probabilities(found), y, aim))


def least_certainty(probabilities: Floats, y: Ints, aim: float) -> float:
    """The lowest bound on the top probability above which the share `aim` of answers is right; 0 if all together are.

    It is a multiple of 0.01, and leaves enough answers for an estimate.
    """
    top, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    for bound in np.arange(0, 1, 0.01):
        above = top >= bound
        if above.sum() < MIN_FACES:
            break
        if right[above].mean() >= aim:
            return round(float(bound), 2)
    return round(float(bound), 2)


def _planes(crops: Pixels) -> Floats:
    return np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32)
