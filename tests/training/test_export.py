"""What is served is what was trained: ONNX Runtime answers as torch does, and a network's files bring it back."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import safetensors.numpy
import torch
from torch import nn

from mien.models.network import inspect_network, network_input
from mien.training.layers import LocalResponseNorm, PaddedResidual, PReLU, Residual, Scale, Standardise, ZeroPad
from mien.training.network_recipe import MAX_DIFFERENCE, difference, export, load_network, save_weights
from mien.training.networks import Network, build_network
from tests.training import crops
from tests.training.clusters import clusters
from tests.training.modules import channels_last, shake, shaken


def operators(data: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(data).graph.node]


@pytest.mark.parametrize(("name", "side"), [("fer-cnn", 33), ("resnet-small", 30), ("alexnet", 25)])
def test_grey_faces_get_torchs_logits(name: str, side: int) -> None:
    faces = crops.grey(16, side)
    network = shaken(name, (1, side, side), faces)
    assert difference(network, export(network), faces) < MAX_DIFFERENCE


def test_vectors_get_torchs_logits() -> None:
    vectors = clusters([10] * 20, dimension=128)[0]
    network = shaken("embedding-cnn", (128,), vectors, 11)
    assert difference(network, export(network), vectors) < MAX_DIFFERENCE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "channels", "side"),
    [("fer-cnn", 1, 48), ("fer-cnn", 3, 40), ("resnet-small", 1, 48), ("resnet-small", 3, 97), ("alexnet", 3, 67)],
)
def test_two_hundred_faces_of_real_data_get_torchs_logits(data: Path, name: str, channels: int, side: int) -> None:
    faces = crops.from_data(data, 200, side, channels=channels)
    network = shaken(name, (channels, side, side), faces)
    assert difference(network, export(network), faces) < MAX_DIFFERENCE


def test_every_layer_in_any_order_gets_torchs_logits(hopper: bytes) -> None:
    faces = crops.colour(hopper, 40, 9)
    norm = LocalResponseNorm(3, 0.3, 0.75, 2.0)
    network = Network(
        "some",
        (3, 9, 9),
        *(Standardise(), nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.Dropout(0.5), nn.BatchNorm2d(4), PReLU(4, 7, 7)),
        *(nn.BatchNorm2d(4), Residual(4, 4), Residual(4, 5), norm, Residual(5, 5, 2), PaddedResidual(5, 7)),
        *(nn.Conv2d(7, 3, 1), nn.Flatten(), nn.Linear(12, 8), nn.BatchNorm1d(8), PReLU(8), nn.Linear(8, 3)),
    )
    shake(network, faces)
    assert difference(network, export(network), faces) < MAX_DIFFERENCE


def test_a_block_whose_channels_shrink_gets_torchs_logits(hopper: bytes) -> None:
    faces = crops.colour(hopper, 40, 9)
    blocks = (nn.Conv2d(3, 6, 1), PaddedResidual(6, 4), PaddedResidual(6, 8))
    network = Network("some", (3, 9, 9), Scale(), *blocks, nn.Flatten(), nn.Linear(32, 3))
    shake(network, faces)
    assert difference(network, export(network), faces) < MAX_DIFFERENCE


def test_the_maximum_of_negative_values_and_padding_is_zero() -> None:
    """ONNX Runtime's own optimiser drops exact zeros before a pooling."""
    faces = crops.grey(8, 6)
    pools = (ZeroPad(2), nn.MaxPool2d(3, 2), ZeroPad((1, 0, 0, 1)), nn.AvgPool2d(2, 2))
    network = Network("some", (1, 6, 6), nn.Conv2d(1, 2, 1), *pools, nn.Flatten(), nn.Linear(8, 3)).eval()
    with torch.no_grad():
        network.get_parameter("00-conv.weight").fill_(-1)
    assert difference(network, export(network), faces) < MAX_DIFFERENCE


def test_the_file_is_one_that_a_bundle_may_hold_without_dropout_or_paths_of_this_machine() -> None:
    network = build_network("resnet-small", (3, 16, 16), 5, 0)
    data = export(network)
    form = inspect_network(data)
    assert (form.row, form.classes) == ((3, 16, 16), 5)
    model = onnx.load_from_string(data)
    assert (model.opset_import[0].version, model.ir_version, model.producer_name) == (18, 8, "mien")
    assert operators(data).count("Conv") == 1 + 2 * 6 + 2
    assert not {"BatchNormalization", "Dropout"} & set(operators(data))
    assert str(Path(__file__).parents[2]).encode() not in data
    assert b".py" not in data


def test_exporting_is_quiet_repeatable_and_changes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    network = build_network("embedding-cnn", (128,), 5, 0).train()
    before = save_weights(network)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert export(network) == export(network)
    assert capfd.readouterr() == ("", "")
    assert network.training
    assert save_weights(network) == before
    assert logging.root.manager.disable == logging.NOTSET


def test_weights_laid_out_with_channels_last_are_exported_alike() -> None:
    faces = crops.grey(8, 24)
    network = shaken("fer-cnn", (1, 24, 24), faces)
    channels_last(network)
    assert difference(network, export(network), faces) < MAX_DIFFERENCE


def test_a_difference_is_seen_and_the_network_goes_on_training() -> None:
    network, vectors = Network("some", (12,), nn.Linear(12, 3)).train(), clusters([8], dimension=12)[0]
    data = export(network)
    assert difference(network, data, vectors) < 1e-6
    bias = network.get_parameter("00-dense.bias")
    with torch.no_grad():
        bias[1] += 0.5
    assert difference(network, data, vectors) == pytest.approx(0.5, abs=1e-5)
    assert network.training
    with torch.no_grad():
        bias[1] = float("nan")
    assert np.isnan(difference(network, data, vectors))
    assert difference(network, data, vectors[:0]) == 0


def inputs_of(shape: tuple[int, ...]) -> npt.NDArray[Any]:
    return crops.grey(16, shape[1]) if len(shape) == 3 else clusters([16], dimension=shape[0])[0]


@pytest.mark.parametrize(("name", "shape"), [("embedding-cnn", (128,)), ("resnet-small", (1, 16, 16))])
def test_a_network_comes_back_from_its_files_bit_for_bit(name: str, shape: tuple[int, ...]) -> None:
    network = shaken(name, shape, inputs_of(shape))
    back = load_network(json.loads(json.dumps(network.to_json())), save_weights(network))
    x = torch.from_numpy(network_input(inputs_of(shape), shape))
    assert torch.equal(back(x), network(x))
    assert save_weights(back) == save_weights(network)


def test_weights_are_saved_under_readable_names_as_float32() -> None:
    network = build_network("resnet-small", (1, 16, 16), 5, 0)
    channels_last(network)
    arrays = safetensors.numpy.load(save_weights(network))
    assert arrays["01-conv.weight"].shape == (64, 1, 3, 3)
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}


def test_weights_of_another_network_are_refused() -> None:
    network = build_network("embedding-cnn", (128,), 5, 0)
    own = safetensors.numpy.load(save_weights(network))
    first = next(iter(own))
    bad: dict[str, dict[str, Any]] = {
        "missing": {name: array for name, array in own.items() if name != first},
        "more": {**own, "other": own[first]},
        "shape": {**own, first: own[first][..., :1].copy()},
        "type": {**own, first: own[first].astype(np.float64)},
        "nan": {**own, first: own[first] * np.float32("nan")},
    }
    for arrays in bad.values():
        with pytest.raises(ValueError, match="the weights"):
            load_network(network.to_json(), safetensors.numpy.save(arrays))


@pytest.mark.parametrize("data", [b"", b"no safetensors", b"\xff" * 64, (2**40).to_bytes(8, "little") + b"{}"])
def test_bytes_that_are_no_weights_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a network of mien"):
        load_network(build_network("embedding-cnn", (128,), 5, 0).to_json(), data)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "python"},
        {"name": ["conv"]},
        {"name": "fer-cnn"},
        {"input": [1, 8]},
        {"input": "8"},
        {"input": [-5]},
        {"input": [10**9]},
        {"input": None},
        {"layers": []},
        {"layers": [{"kind": "dense"}]},
        {"layers": [{"kind": "dense", "units": 5}]},
        {"layers": [{"kind": "dense", "units": -1}]},
        {"layers": [{"kind": "dense", "units": 10**9}]},
        {"initial": "zeros"},
        {"more": 1},
    ],
)
def test_a_description_that_is_not_of_a_network_here_is_refused(change: dict[str, Any]) -> None:
    network = build_network("embedding-cnn", (128,), 5, 0)
    with pytest.raises(ValueError, match=r"not a network of mien|is not that of the network"):
        load_network({**network.to_json(), **change}, save_weights(network))
