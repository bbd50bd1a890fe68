"""The networks are what they are said to be: shapes, weights, initial values, and what each layer computes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mien.errors import DataError
from mien.models import get_card
from mien.models.network import network_input
from mien.training.layers import (
    LocalResponseNorm,
    PaddedResidual,
    PReLU,
    Residual,
    Scale,
    Standardise,
    ZeroPad,
    fast_prelu,
)
from mien.training.networks import ARCHITECTURES, RESNET_SIDE, backbone, build_network, count_weights
from mien.training.settings import SETTINGS
from tests.training import crops
from tests.training.modules import channels_last, shaken

SMALL: dict[str, tuple[int, ...]] = {
    "embedding-cnn": (128,),
    "fer-cnn": (1, 24, 24),
    "alexnet": (3, 25, 25),
    "resnet-small": (1, 16, 16),
    "finetune": (4096,),
}

SHAPES: dict[str, tuple[tuple[int, ...], ...]] = {
    "embedding-cnn": ((128,), (16,), (512,), (1000,)),
    "fer-cnn": ((1, 48, 48), (1, 20, 20), (3, 96, 96), (1, 33, 33)),
    "alexnet": ((3, 67, 67), (1, 25, 25), (3, 64, 64), (3, 112, 112)),
    "finetune": ((4096,),),
    "resnet-small": ((1, 48, 48), (1, 8, 8), (1, 32, 32), (3, 64, 64), (3, 97, 97), (3, 227, 227)),
}


def some(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=shape).astype(np.float32))


def on_meta(name: str, shape: tuple[int, ...], classes: int = 7) -> nn.Sequential:
    """A network without numbers, in evaluation mode: its shapes can be followed in no time."""
    with torch.device("meta"):
        return ARCHITECTURES[name](shape, classes).eval()


def shapes(network: nn.Sequential, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """What comes into each layer, and last what leaves the network."""
    x = torch.empty(1, *shape, device="meta")
    found = [shape]
    for layer in network:
        x = layer(x)
        found.append(tuple(x.shape[1:]))
    return found


@pytest.mark.parametrize(("name", "shape"), [(name, shape) for name, shapes in SHAPES.items() for shape in shapes])
@pytest.mark.parametrize("classes", [2, 100])
def test_a_network_takes_its_inputs_and_gives_one_logit_per_class(
    name: str, shape: tuple[int, ...], classes: int
) -> None:
    assert shapes(on_meta(name, shape, classes), shape)[-1] == (classes,)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("embedding-cnn", (1, 48, 48)),
        ("embedding-cnn", (127,)),
        ("embedding-cnn", (6,)),
        ("fer-cnn", (128,)),
        ("fer-cnn", (1, 19, 19)),
        ("fer-cnn", (1, 225, 225)),
        ("alexnet", (3, 24, 24)),
        ("alexnet", (3, 361, 361)),
        ("finetune", (128,)),
        ("finetune", (1, 48, 48)),
        ("resnet-small", (128,)),
        ("resnet-small", (1, 7, 7)),
        ("resnet-small", (1, 2000, 2000)),
    ],
)
def test_an_input_that_a_network_cannot_take_is_refused_in_a_sentence(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=name if name != "embedding-cnn" else "vector"):
        build_network(name, shape, 7, 0)


@pytest.mark.parametrize(("name", "largest"), [("fer-cnn", 224), ("alexnet", 360), ("resnet-small", 1024)])
def test_the_largest_picture_still_makes_a_network(name: str, largest: int) -> None:
    assert count_weights(name, (3, largest, largest), 7) > 0


def test_embedding_cnn_folds_128_numbers_into_16_rows_of_8() -> None:
    network = on_meta("embedding-cnn", (128,), 11)
    outputs = shapes(network, (128,))[1:]
    assert outputs[0] == (1, 16, 8)
    convolved = [shape for layer, shape in zip(network, outputs, strict=True) if isinstance(layer, nn.Conv2d)]
    assert convolved == [(12, 16, 8), (24, 8, 4)]
    assert [layer.p for layer in network if isinstance(layer, nn.Dropout)] == [0.1, 0.2, 0.2]
    assert count_weights("embedding-cnn", (128,), 11) == 12 * 5 + 24 * (12 * 4 + 1) + 192 * 193 + 11 * 193


def test_fer_cnn_has_the_4_85_million_weights_of_the_system_that_it_replaces() -> None:
    network = on_meta("fer-cnn", (1, 48, 48))
    assert count_weights("fer-cnn", (1, 48, 48), 7) == 4_845_063
    flatten = next(i for i, layer in enumerate(network) if isinstance(layer, nn.Flatten))
    assert shapes(network, (1, 48, 48))[flatten] == (128, 5, 5)
    assert sum(isinstance(layer, PReLU) for layer in network) == 7


def test_alexnet_at_227_pixels_is_krizhevskys_up_to_the_first_pooling() -> None:
    network = on_meta("alexnet", (3, 227, 227), 6)
    inputs = shapes(network, (3, 227, 227))
    first = network[1]
    assert isinstance(first, nn.Conv2d)
    assert (first.out_channels, first.kernel_size, first.stride) == (96, (11, 11), (4, 4))
    assert inputs[2] == (96, 55, 55)
    assert inputs[next(i for i, layer in enumerate(network) if isinstance(layer, nn.Flatten))] == (256, 6, 6)
    assert sum(isinstance(layer, LocalResponseNorm) for layer in network) == 2
    assert [layer.out_features for layer in network if isinstance(layer, nn.Linear)] == [4096, 4096, 6]


def test_resnet_small_has_three_million_weights_at_most() -> None:
    assert all(count_weights("resnet-small", shape, 7) < 3_000_000 for shape in SHAPES["resnet-small"])


def test_resnet_small_does_not_cost_more_for_a_large_picture() -> None:
    for side in range(8, 300, 7):
        network = on_meta("resnet-small", (3, side, side))
        first = next(i for i, layer in enumerate(network) if isinstance(layer, Residual))
        assert RESNET_SIDE // 2 <= shapes(network, (3, side, side))[first][1] <= RESNET_SIDE or side < RESNET_SIDE // 2


def test_finetune_starts_from_the_embedder_that_ends_at_an_inner_layer() -> None:
    assert backbone((4096,)) is get_card("dlib-resnet-block")
    assert SETTINGS["finetune"].embedder == "dlib-resnet-block"
    with pytest.raises(DataError, match="choose --embedder dlib-resnet-block"):
        build_network("finetune", (128,), 3, 0)


def test_the_same_seed_draws_the_same_weights_and_leaves_torchs_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, two, other = (build_network("resnet-small", (1, 16, 16), 5, seed).state_dict() for seed in (7, 7, 8))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["01-conv.weight"], other["01-conv.weight"])


def test_embedding_cnn_starts_with_glorot_and_zero_biases() -> None:
    network = build_network("embedding-cnn", (128,), 11, 0)
    dense = next(layer for layer in network if isinstance(layer, nn.Linear))
    bound = (6 / (192 + 192)) ** 0.5
    assert 0.95 * bound < dense.weight.abs().max() <= bound
    assert all(not weights.any() for name, weights in network.named_parameters() if name.endswith("bias"))


def test_the_others_start_with_he_so_that_signals_keep_their_size() -> None:
    network = build_network("fer-cnn", (1, 48, 48), 7, 0)
    convolution = next(layer for layer in network if isinstance(layer, nn.Conv2d) and layer.in_channels == 64)
    assert convolution.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.03)
    *_, logits = (layer for layer in network if isinstance(layer, nn.Linear))
    assert logits.weight.abs().max() <= (6 / (1024 + 7)) ** 0.5


@pytest.mark.parametrize(("name", "shape"), SMALL.items())
def test_the_description_is_json_and_layers_are_named_by_number_and_kind(name: str, shape: tuple[int, ...]) -> None:
    network = build_network(name, shape, 5, 0)
    fields = json.loads(json.dumps(network.to_json(), allow_nan=False))
    assert (fields["name"], fields["input"]) == (name, list(shape))
    assert fields["initial"] == ("glorot-uniform" if name == "embedding-cnn" else "he-normal")
    kinds = [layer["kind"] for layer in fields["layers"]]
    assert [key for key, _ in network.named_children()] == [f"{i:02d}-{kind}" for i, kind in enumerate(kinds)]


def test_the_description_gives_the_numbers_of_each_layer() -> None:
    layers = build_network("fer-cnn", (1, 48, 48), 7, 0).to_json()["layers"]
    assert layers[0] == {"kind": "scale"}
    assert layers[1] == {"kind": "conv", "filters": 64, "size": 5, "stride": 1, "padding": 0, "bias": True}
    assert layers[3] == {"kind": "zero-padding", "top": 2, "left": 2, "bottom": 2, "right": 2}
    assert layers[-1] == {"kind": "dense", "units": 7}


def test_every_kind_and_field_of_a_layer_is_on_the_page_of_bundles() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "bundle.md").read_text("utf-8")
    layers = [layer for name, shape in SMALL.items() for layer in build_network(name, shape, 5, 0).to_json()["layers"]]
    for layer in layers:
        kind = layer["kind"]
        row = next(line for line in page.splitlines() if line.startswith("|") and f"`{kind}`" in line.split("|")[1])
        assert re.findall(r"`(\w+)`", row.split("|")[2]) == [name for name in layer if name != "kind"]
    assert len({layer["kind"] for layer in layers}) == 17


def test_a_residual_block_begins_as_the_identity() -> None:
    block = next(m for m in build_network("resnet-small", (1, 8, 8), 3, 0) if isinstance(m, Residual)).eval()
    x = some(2, 64, 6, 6)
    torch.testing.assert_close(block(x), functional.relu(x))


def test_a_strided_block_averages_its_input_and_an_odd_edge_over_the_pixels_that_exist() -> None:
    block = Residual(4, 4, 2).eval()
    assert isinstance(block.skip, nn.Conv2d)
    with torch.no_grad():
        block.norm2.weight.zero_()
        block.skip.weight.copy_(torch.eye(4).reshape(4, 4, 1, 1))
    x = some(1, 4, 5, 5).abs()
    y = block(x) * (1 + 1e-5) ** 0.5
    torch.testing.assert_close(y[..., 0, 0], x[..., :2, :2].mean((2, 3)))
    torch.testing.assert_close(y[..., 2, 2], x[..., 4, 4])


@pytest.mark.parametrize(("channels", "filters", "side"), [(4, 8, 8), (4, 2, 3), (3, 3, 9)])
def test_dlibs_block_halves_a_picture_and_fills_up_with_zeros(channels: int, filters: int, side: int) -> None:
    y = PaddedResidual(channels, filters)(some(1, channels, side, side))
    assert y.shape == (1, max(channels, filters), side // 2, side // 2)


def test_two_by_two_filters_pad_right_and_below() -> None:
    convolution = nn.Conv2d(1, 1, 2, bias=False)
    nn.init.ones_(convolution.weight)
    picture = torch.arange(9.0).reshape(1, 1, 3, 3)
    y = convolution(ZeroPad((0, 1, 0, 1))(picture))
    assert y[0, 0].tolist() == [[8, 12, 7], [20, 24, 13], [13, 15, 8]]


def test_standardising_removes_lighting_and_contrast() -> None:
    standardise = Standardise()
    faces = torch.from_numpy(network_input(crops.grey(8, 16), (1, 16, 16)))
    y = standardise(faces)
    torch.testing.assert_close(y.mean((1, 2, 3)), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.std((1, 2, 3), correction=0), torch.ones(8), atol=1e-2, rtol=0)
    torch.testing.assert_close(standardise(faces * 0.5 + 20), y, atol=1e-2, rtol=0)
    assert not standardise(torch.full((1, 1, 16, 16), 200.0)).any()


def test_pixels_are_scaled_to_one() -> None:
    assert Scale()(torch.tensor([[0.0, 255.0]])).tolist() == [[0, 1]]


@pytest.mark.parametrize("shape", [(3, 4, 5), (6,)])
@pytest.mark.parametrize("last", [False, True])
def test_prelu_has_one_slope_per_position(shape: tuple[int, ...], last: bool) -> None:
    module = PReLU(*shape)
    if last:
        channels_last(module)
    x = some(2, *shape)
    assert torch.equal(module(x), functional.relu(x))
    with torch.no_grad():
        module.slope.copy_(some(*shape))
    torch.testing.assert_close(module(x), torch.where(x > 0, x, x * some(*shape)))


def test_prelu_learns_each_slope_by_itself() -> None:
    module = PReLU(3, 4, 5)
    x = some(2, 3, 4, 5)
    module(x).sum().backward()
    assert module.slope.grad is not None
    torch.testing.assert_close(module.slope.grad, x.clamp(max=0).sum(0, keepdim=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (128, 300)])
def test_values_and_gradients_of_the_fast_prelu_are_torchs(dtype: torch.dtype, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x, gradient = torch.randn(shape).to(dtype), torch.randn(shape).to(dtype)
    x[0, 0] = 0
    slope = (torch.rand(shape[1]) - 0.3).to(dtype)
    results = []
    for function in (fast_prelu, functional.prelu):
        leaf, slopes = x.clone().requires_grad_(), slope.clone().requires_grad_()
        y = function(leaf, slopes)
        y.backward(gradient)  # type: ignore[no-untyped-call]
        results.append((y.detach(), leaf.grad, slopes.grad))
    for ours, torchs in zip(*results, strict=True):
        assert ours is not None
        torch.testing.assert_close(ours, torchs)


def test_the_gradient_of_the_fast_prelu_is_the_limit_of_differences() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    slope = torch.rand(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(fast_prelu, (x, slope))


def test_the_memory_layout_of_a_gradient_does_not_matter_to_the_fast_prelu() -> None:
    x, slope = torch.randn(6, 4).requires_grad_(), torch.full((4,), 0.2)
    gradient = torch.randn(4, 6).T
    one, two = (torch.autograd.grad(fast_prelu(x, slope), x, g)[0] for g in (gradient, gradient.contiguous()))
    assert torch.equal(one, two)


def test_local_response_normalisation_is_torchs() -> None:
    x = some(2, 9, 4, 4)
    y = LocalResponseNorm(5, 0.3, 0.75, 2.0)(x)
    torch.testing.assert_close(y, functional.local_response_norm(x, 5, 0.3, 0.75, 2.0))


@pytest.mark.parametrize("name", ["fer-cnn", "alexnet", "resnet-small"])
def test_channels_last_changes_speed_and_nothing_else(name: str) -> None:
    faces = crops.grey(4, SMALL[name][1])
    network, x = shaken(name, SMALL[name], faces, 5), torch.from_numpy(network_input(faces, SMALL[name]))
    before = x.clone()
    expected = network(x)
    y = channels_last(network)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(y, expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(x, before), "a network leaves its input alone"


@pytest.mark.parametrize("name", ["embedding-cnn", "fer-cnn", "resnet-small", "finetune"])
def test_a_network_learns_in_bfloat16(name: str) -> None:
    network: Any = build_network(name, SMALL[name], 5, 0).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(some(4, *SMALL[name])).float().square().mean().backward()
    assert all(weights.grad is not None and weights.grad.isfinite().all() for weights in network.parameters())
