"""Architectures as torch modules: they compute what they say, start as they should, and travel as bytes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mien.models.network import network_input
from mien.train.architecture import Architecture
from mien.train.architectures import ARCHITECTURES, RESNET_STAGES
from mien.train.layers import (
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    Flatten,
    Layer,
    LocalResponseNorm,
    Prelu,
    Relu,
    Reshape,
    Residual,
    Scale,
    Standardise,
    ZeroPadding,
)
from mien.train.module import build, count, loaded, restore, tensors, weights
from tests.train import crops
from tests.train.modules import channels_last, shaken

SMALL: dict[str, tuple[int, ...]] = {
    "embedding-cnn": (128,),
    "fer-cnn": (1, 24, 24),
    "alexnet": (3, 25, 25),
    "resnet-small": (1, 16, 16),
}


def layers(*each: Layer, shape: tuple[int, ...]) -> Any:
    """The modules of some layers, which take this shape; what a network needs around them is left out."""
    first = (Reshape(*shape), *each, Flatten()) if len(shape) == 3 else (Scale(), *each)
    module = build(Architecture("some", (math.prod(shape),), (*first, Dense(2))))
    assert isinstance(module, nn.Sequential)
    return module[1 : 1 + len(each)].eval()


def some(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=shape).astype(np.float32))


@pytest.mark.parametrize(("name", "shape"), SMALL.items())
def test_a_module_gives_a_logit_a_class_and_has_the_weights_that_were_counted(
    name: str, shape: tuple[int, ...]
) -> None:
    architecture = ARCHITECTURES[name](shape, 5)
    module = build(architecture)
    assert module.eval()(some(2, *shape)).shape == (2, 5)
    assert count(module) == architecture.weights


def test_the_same_seed_draws_the_same_weights() -> None:
    architecture = ARCHITECTURES["resnet-small"]((1, 16, 16), 5)
    drawn = []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        drawn.append(weights(build(architecture)))
    assert drawn[0] == drawn[1] != drawn[2]


def test_embedding_cnn_starts_as_glorot_says_and_with_no_bias() -> None:
    module = build(ARCHITECTURES["embedding-cnn"]((128,), 11))
    dense = next(each for each in module.modules() if isinstance(each, nn.Linear))
    bound = (6 / (192 + 192)) ** 0.5
    assert 0.95 * bound < dense.weight.abs().max() <= bound
    assert all(not weights.any() for name, weights in module.named_parameters() if name.endswith("bias"))


def test_the_others_start_as_he_says_so_that_signals_keep_their_size() -> None:
    module = build(ARCHITECTURES["fer-cnn"]((1, 48, 48), 7))
    convolution = next(each for each in module.modules() if isinstance(each, nn.Conv2d) and each.in_channels == 64)
    assert convolution.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.03)
    *_, logits = (each for each in module.modules() if isinstance(each, nn.Linear))
    assert logits.weight.abs().max() <= (6 / (1024 + 7)) ** 0.5


def test_a_residual_block_begins_as_the_identity() -> None:
    x = some(2, 8, 6, 6)
    torch.testing.assert_close(layers(Residual(8), shape=(8, 6, 6))(x), functional.relu(x))


def test_a_strided_block_averages_what_it_skips_and_an_odd_edge_is_of_what_there_is() -> None:
    block = layers(Residual(4, 2), shape=(4, 5, 5))
    with torch.no_grad():
        block[0].skip.weight.copy_(torch.eye(4).reshape(4, 4, 1, 1))
    x = some(1, 4, 5, 5).abs()
    found = block(x) * (1 + 1e-5) ** 0.5
    torch.testing.assert_close(found[..., 0, 0], x[..., :2, :2].mean((2, 3)))
    torch.testing.assert_close(found[..., 2, 2], x[..., 4, 4])


def test_numbers_fold_into_a_picture_row_by_row() -> None:
    found = layers(Reshape(1, 16, 8), Flatten(), shape=(128,))[:1](torch.arange(128.0)[None])
    assert found[0, 0, 0].tolist() == list(range(8))
    assert found[0, 0, 15, 7] == 127


def test_two_by_two_same_pads_right_and_below() -> None:
    module = layers(ZeroPadding(0, 0, 1, 1), Conv(1, 2, bias=False), shape=(1, 3, 3))
    with torch.no_grad():
        module[1].weight.fill_(1)
    picture = torch.arange(9.0).reshape(1, 1, 3, 3)
    assert module(picture)[0, 0].tolist() == [[8, 12, 7], [20, 24, 13], [13, 15, 8]]


def test_standardising_takes_light_and_contrast_away() -> None:
    module = layers(Standardise(), shape=(1, 16, 16))
    faces = torch.from_numpy(network_input(crops.grey(8, 16), (1, 16, 16)))
    found = module(faces)
    torch.testing.assert_close(found.mean((1, 2, 3)), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.std((1, 2, 3), correction=0), torch.ones(8), atol=1e-2, rtol=0)
    torch.testing.assert_close(module(faces * 0.5 + 20), found, atol=1e-2, rtol=0)
    assert not module(torch.full((1, 1, 16, 16), 200.0)).any()


def test_pixels_are_scaled_to_one() -> None:
    assert layers(Scale(), shape=(2,))(torch.tensor([[0.0, 255.0]])).tolist() == [[0, 1]]


@pytest.mark.parametrize("shape", [(3, 4, 5), (6,)])
@pytest.mark.parametrize("last", [False, True])
def test_prelu_has_a_slope_a_position(shape: tuple[int, ...], last: bool) -> None:
    module = layers(Prelu(), shape=shape)
    if last:
        channels_last(module)
    x = some(2, *shape)
    assert torch.equal(module(x), functional.relu(x))
    with torch.no_grad():
        module[0].slope.copy_(some(*shape))
    torch.testing.assert_close(module(x), torch.where(x > 0, x, x * some(*shape)))


def test_prelu_learns_each_slope_by_itself() -> None:
    module = layers(Prelu(), shape=(3, 4, 5)).train()
    x = some(2, 3, 4, 5)
    module(x).sum().backward()
    torch.testing.assert_close(module[0].slope.grad, x.clamp(max=0).sum(0, keepdim=True))


def test_local_response_normalisation_is_torchs() -> None:
    layer = LocalResponseNorm(5, 0.3, 0.75, 2.0)
    x = some(2, 9, 4, 4)
    torch.testing.assert_close(layers(layer, shape=(9, 4, 4))(x), functional.local_response_norm(x, 5, 0.3, 0.75, 2.0))


def test_batch_normalisation_takes_vectors_and_pictures() -> None:
    for shape in ((4, 3, 3), (4,)):
        found = layers(BatchNorm(), shape=shape).train()(some(64, *shape) * 9 + 5)
        assert found.mean().item() == pytest.approx(0, abs=1e-5)
        assert found.std().item() == pytest.approx(1, abs=0.01)


def test_a_module_leaves_its_input_alone() -> None:
    x = some(2, 1, 4, 4)
    before = x.clone()
    layers(Relu(), AvgPool(2, 2), Relu(), shape=(1, 4, 4))(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", ["fer-cnn", "alexnet", "resnet-small"])
def test_channels_last_changes_speed_and_nothing_else(name: str) -> None:
    architecture = ARCHITECTURES[name](SMALL[name], 5)
    faces = crops.grey(4, SMALL[name][1])
    module, x = shaken(architecture, faces), torch.from_numpy(network_input(faces, SMALL[name]))
    expected = module(x)
    found = channels_last(module)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "shape"), SMALL.items())
def test_a_module_learns_in_bfloat16(name: str, shape: tuple[int, ...]) -> None:
    module = build(ARCHITECTURES[name](shape, 5)).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        module(some(4, *shape)).float().square().mean().backward()
    assert all(weights.grad is not None and weights.grad.isfinite().all() for weights in module.parameters())


@pytest.mark.parametrize(("name", "shape"), SMALL.items())
def test_weights_travel_as_bytes_and_come_back_bit_for_bit(name: str, shape: tuple[int, ...]) -> None:
    architecture = ARCHITECTURES[name](shape, 5)
    inputs = crops.grey(16, shape[1]) if len(shape) == 3 else some(16, *shape).numpy()
    module = shaken(architecture, inputs)
    back = loaded(architecture, weights(module)).eval()
    x = torch.from_numpy(network_input(inputs, shape))
    assert torch.equal(back(x), module(x))
    assert weights(back) == weights(module)


def test_the_tensors_of_a_module_are_copies_with_readable_names() -> None:
    module = channels_last(build(ARCHITECTURES["resnet-small"]((1, 16, 16), 5)))
    found = tensors(module)
    assert found["01-conv.weight"].shape == (RESNET_STAGES[0], 1, 3, 3)
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
    assert all(array.flags.c_contiguous for array in found.values())
    found["01-conv.weight"][:] = 0
    assert tensors(module)["01-conv.weight"].any()


def test_weights_of_another_network_are_refused() -> None:
    architecture = ARCHITECTURES["embedding-cnn"]((128,), 5)
    own = tensors(build(architecture))
    first = next(iter(own))
    bad: dict[str, dict[str, Any]] = {
        "missing": {name: array for name, array in own.items() if name != first},
        "more": {**own, "other": own[first]},
        "shape": {**own, first: own[first][..., :1]},
        "type": {**own, first: own[first].astype(np.float64)},
        "nan": {**own, first: own[first] * np.float32("nan")},
    }
    for arrays in bad.values():
        with pytest.raises(ValueError, match="the weights"):
            restore(architecture, arrays)
    assert weights(restore(architecture, own)) == weights(restore(architecture, tensors(restore(architecture, own))))


@pytest.mark.parametrize("data", [b"", b"no safetensors", b"\xff" * 64, (2**40).to_bytes(8, "little") + b"{}"])
def test_bytes_that_are_no_weights_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no safetensors file"):
        loaded(ARCHITECTURES["embedding-cnn"]((128,), 5), data)
