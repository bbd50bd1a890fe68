"""What is served is what was trained: ONNX Runtime answers as torch does, on real faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from mien.models.network import inspect_network
from mien.train.architecture import Architecture
from mien.train.architectures import ARCHITECTURES
from mien.train.export import difference, export
from mien.train.layers import (
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LocalResponseNorm,
    MaxPool,
    PaddedResidual,
    Prelu,
    Relu,
    Residual,
    Scale,
    Standardise,
    ZeroPadding,
)
from mien.train.module import build, tensors
from tests.train import crops
from tests.train.clusters import clusters
from tests.train.modules import channels_last, shaken

CLOSE = 1e-4


def a_network(*layers: Layer, shape: tuple[int, ...]) -> Architecture:
    return Architecture("some", shape, (*layers, Flatten(), Dense(3)) if len(shape) == 3 else (*layers, Dense(3)))


def operators(data: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(data).graph.node]


@pytest.mark.parametrize(
    ("name", "side"), [("fer-cnn", 48), ("fer-cnn", 33), ("resnet-small", 48), ("resnet-small", 30), ("alexnet", 25)]
)
def test_grey_faces_get_torchs_logits(name: str, side: int) -> None:
    architecture, faces = ARCHITECTURES[name]((1, side, side), 7), crops.grey(16, side)
    module = shaken(architecture, faces)
    assert difference(module, export(architecture, module), faces) < CLOSE


@pytest.mark.parametrize(
    ("name", "side"), [("fer-cnn", 40), ("resnet-small", 90), ("resnet-small", 98), ("alexnet", 67)]
)
def test_colour_faces_get_torchs_logits(name: str, side: int, astronaut: bytes) -> None:
    architecture, faces = ARCHITECTURES[name]((3, side, side), 7), crops.colour(astronaut, 8, side)
    module = shaken(architecture, faces)
    assert difference(module, export(architecture, module), faces) < CLOSE


def test_vectors_get_torchs_logits() -> None:
    architecture = ARCHITECTURES["embedding-cnn"]((128,), 11)
    vectors = clusters([10] * 20, dimension=128)[0]
    module = shaken(architecture, vectors)
    assert difference(module, export(architecture, module), vectors) < CLOSE


@pytest.mark.parametrize(
    ("name", "channels", "side"),
    [("fer-cnn", 1, 48), ("resnet-small", 1, 48), ("resnet-small", 3, 96), ("alexnet", 3, 67)],
)
def test_two_hundred_faces_of_real_data_get_torchs_logits(data: Path, name: str, channels: int, side: int) -> None:
    architecture = ARCHITECTURES[name]((channels, side, side), 7)
    faces = crops.from_data(data, 200, side, channels=channels)
    module = shaken(architecture, faces)
    assert difference(module, export(architecture, module), faces) < CLOSE


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ((Conv(4, 3, bias=False), BatchNorm(), Relu()), (1, 9, 9)),
        ((Conv(4, 3), Dropout(0.5), BatchNorm(), Conv(4, 3, 2, 2), BatchNorm()), (1, 9, 9)),
        ((BatchNorm(), Conv(4, 3), Prelu(), BatchNorm()), (3, 9, 9)),
        ((Residual(3), Residual(5), Residual(5, 2), Residual(5, 2)), (3, 9, 9)),
        ((Scale(), PaddedResidual(3), PaddedResidual(5)), (3, 9, 9)),
        ((Scale(), Conv(6, 1), PaddedResidual(4)), (3, 9, 9)),
        ((Standardise(), LocalResponseNorm(3, 0.3, 0.75, 2.0), AvgPool(3, 2)), (3, 9, 9)),
        ((Standardise(), Dense(8), BatchNorm(), Prelu(), Dropout(0.3)), (12,)),
        ((BatchNorm(), Relu()), (12,)),
    ],
)
def test_layers_in_any_order_get_torchs_logits(
    layers: tuple[Layer, ...], shape: tuple[int, ...], hopper: bytes
) -> None:
    architecture = a_network(*layers, shape=shape)
    inputs = crops.colour(hopper, 40, 9) if len(shape) == 3 else clusters([40], dimension=12)[0]
    if shape[0] == 1:
        inputs = inputs[..., 0]
    module = shaken(architecture, inputs)
    assert difference(module, export(architecture, module), inputs) < CLOSE


def test_zeros_beside_negative_values_are_the_greatest_of_them() -> None:
    """ONNX Runtime's own optimiser forgets them, unless it is kept from it."""
    layers = (Conv(2, 1), ZeroPadding(2, 2, 2, 2), MaxPool(3, 2), ZeroPadding(0, 1, 1, 0), AvgPool(2, 2))
    architecture, faces = a_network(*layers, shape=(1, 6, 6)), crops.grey(8, 6)
    module = build(architecture).eval()
    with torch.no_grad():
        module.get_parameter("00-conv.weight").fill_(-1)
    assert difference(module, export(architecture, module), faces) < CLOSE


def test_batch_normalisation_is_worked_in_and_dropout_is_gone() -> None:
    architecture = ARCHITECTURES["resnet-small"]((1, 16, 16), 5)
    found = operators(export(architecture, build(architecture)))
    assert {"BatchNormalization", "Dropout"} & set(found) == set()
    assert found.count("Conv") == 1 + 2 * 6 + 2


def test_the_exported_network_is_one_that_a_bundle_may_hold_and_says_its_shapes() -> None:
    for name, shape in (("embedding-cnn", (128,)), ("fer-cnn", (1, 24, 24)), ("resnet-small", (3, 16, 16))):
        architecture = ARCHITECTURES[name](shape, 5)
        data = export(architecture, build(architecture))
        form = inspect_network(data)
        assert (form.row, form.classes) == (shape, 5)
        assert onnx.load_from_string(data).opset_import[0].version == 17


def test_exporting_twice_gives_the_same_bytes_and_changes_nothing() -> None:
    architecture = ARCHITECTURES["embedding-cnn"]((128,), 5)
    module = build(architecture).train()
    before = tensors(module)
    assert export(architecture, module) == export(architecture, module)
    assert module.training
    assert all(np.array_equal(array, before[name]) for name, array in tensors(module).items())


def test_channels_last_weights_are_exported_alike() -> None:
    architecture = ARCHITECTURES["fer-cnn"]((1, 24, 24), 5)
    module = shaken(architecture, crops.grey(8, 24))
    assert export(architecture, channels_last(module)) == export(architecture, module)


def test_a_difference_is_seen_and_the_module_goes_on_training() -> None:
    architecture = a_network(shape=(12,))
    module, vectors = build(architecture).train(), clusters([8], dimension=12)[0]
    data = export(architecture, module)
    assert difference(module, data, vectors) < 1e-6
    bias = module.get_parameter("00-dense.bias")
    with torch.no_grad():
        bias[1] += 0.5
    assert difference(module, data, vectors) == pytest.approx(0.5, abs=1e-5)
    assert module.training
    with torch.no_grad():
        bias[1] = float("nan")
    assert np.isnan(difference(module, data, vectors))
    assert difference(module, data, vectors[:0]) == 0
