from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from mien.models.quantise import quantise
from recipes.traits.backbone import DIMENSION, Backbone, Block, Unit, export
from recipes.traits.heads import vectors, whole_numbers

SIDE = 32


@pytest.fixture(scope="module")
def network() -> Backbone:
    """A network whose statistics are those of some noise, so that nothing in it is 0 or 1."""
    torch.manual_seed(0)
    made = Backbone()
    for _ in range(3):
        made(torch.rand(8, 3, SIDE, SIDE) * 255)
    return made.eval()


@pytest.fixture(scope="module")
def crops() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (24, SIDE, SIDE, 3)).astype(np.uint8)


def test_it_gives_a_vector_for_each_picture(network: Backbone) -> None:
    with torch.no_grad():
        assert network(torch.rand(2, 3, SIDE, SIDE) * 255).shape == (2, DIMENSION)


def test_it_halves_the_side_four_times_and_once_in_the_stem(network: Backbone) -> None:
    strides = [unit.conv.stride[0] for unit in network.modules() if isinstance(unit, Unit)]
    assert strides.count(2) == 5


def test_blocks_of_one_shape_add_what_came_in(network: Backbone) -> None:
    added = [block.added for block in network.blocks if isinstance(block, Block)]
    assert added.count(True) == sum((False, True, True, True, True, True, True, True, True, True))


@pytest.mark.parametrize(("side", "stride", "pads"), [(3, 1, (1, 1)), (5, 1, (2, 2)), (3, 2, (0, 1)), (5, 2, (1, 2))])
def test_zeros_stand_where_tensorflow_puts_them(side: int, stride: int, pads: tuple[int, int]) -> None:
    assert Unit(4, 4, side, stride, each=True).pads == pads


def test_onnx_says_what_pytorch_says(network: Backbone, crops: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    session = onnxruntime.InferenceSession(export(network, SIDE), providers=["CPUExecutionProvider"])
    planes = crops.transpose(0, 3, 1, 2).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(planes)).numpy()
    found = session.run(None, {"input": planes})[0]
    assert np.abs(found - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_in_whole_numbers_it_is_a_third_of_the_size_and_says_nearly_the_same(
    network: Backbone, crops: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    exact = export(network, SIDE)
    whole = whole_numbers(exact, crops)
    assert len(whole) < 0.35 * len(exact)
    cosines = (vectors(exact, crops, mirror=False) * vectors(whole, crops, mirror=False)).sum(axis=1)
    assert cosines.mean() > 0.9


def test_a_channel_without_filters_keeps_its_bias() -> None:
    torch.manual_seed(0)
    made = Backbone().eval()
    with torch.no_grad():
        made.stem.conv.weight[0] = 0
        made.stem.norm.bias[0] = 3.0
    exact = export(made, SIDE)
    model = onnx.load_model_from_string(exact)
    ranges = dict.fromkeys([node.output[0] for node in model.graph.node], (-6.0, 6.0)) | {"input": (0.0, 255.0)}
    session = onnxruntime.InferenceSession(quantise(exact, ranges), providers=["CPUExecutionProvider"])
    assert np.isfinite(session.run(None, {"input": np.zeros((1, 3, SIDE, SIDE), np.float32)})[0]).all()


def test_vectors_have_length_one_and_know_their_mirror_image(
    network: Backbone, crops: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    onnx_file = export(network, SIDE)
    found, mirrored = (vectors(onnx_file, each, mirror=True) for each in (crops, crops[:, :, ::-1]))
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.allclose(found, mirrored, atol=1e-4)
