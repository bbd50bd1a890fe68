"""The traits' network: dlib's first layers as they are, a top that begins as dlib's next and is trained."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from mien.models import ensure
from mien.models.onnx_edit import graft
from mien.types import Pixels
from recipes.traits.backbone import (
    BASE_LAYER,
    BASE_SIDE,
    CHANNELS,
    DIMENSION,
    DLIB,
    DLIB_INT8,
    SIDE,
    TOP_LAYER,
    Base,
    Block,
    Top,
    export,
)
from recipes.traits.heads import quantise_network, unit_vectors


@pytest.fixture(scope="module")
def pictures() -> Pixels:
    """Blots of colour, which are nearer to a photo than noise is."""
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (12, 10, 10, 3)).astype(np.uint8)
    return np.repeat(np.repeat(small, SIDE // 10, axis=1), SIDE // 10, axis=2)


@pytest.fixture(scope="module")
def base() -> Base:
    return Base()


@pytest.fixture(scope="module")
def top() -> Top:
    """A top that has moved away from dlib's weights."""
    torch.manual_seed(0)
    made = Top()
    made.begin()
    with torch.no_grad():
        for each in made.parameters():
            each.mul_(1 + 0.1 * torch.rand_like(each))
    return made.eval()


def values(base: Base, pictures: Pixels) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return base(pictures) * np.float32(base.scale)


def test_the_base_gives_dlibs_values_at_that_layer(base: Base, pictures: Pixels) -> None:
    said = base(pictures)
    assert said.shape == (len(pictures), CHANNELS, BASE_SIDE, BASE_SIDE)
    assert said.dtype == np.uint8
    assert 0 < said.mean() < 128


def test_a_top_starts_as_dlibs_own_layers(base: Base, pictures: Pixels) -> None:
    import onnx
    from onnx import TensorProto, helper

    whole = onnx.load_model_from_string(ensure(DLIB).read_bytes())
    for name in (BASE_LAYER, TOP_LAYER):
        whole.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(whole.SerializeToString(), providers=["CPUExecutionProvider"])
    planes = pictures.transpose(0, 3, 1, 2).astype(np.float32)
    given, wanted = session.run([BASE_LAYER, TOP_LAYER], {"input": planes})
    made = Top()
    made.begin()
    with torch.no_grad():
        found = made(torch.from_numpy(given)).numpy()
    assert np.abs(found - wanted.mean(axis=(2, 3))).max() < 1e-4


def test_a_block_that_halves_pads_the_smaller_term() -> None:
    block = Block(2, 4, halves=True)
    for layer in (block.first, block.second):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # it has one
    x = torch.arange(2 * 8 * 8, dtype=torch.float32).reshape(1, 2, 8, 8)
    found = block(x)
    assert found.shape == (1, 4, 4, 4)
    assert torch.equal(found[:, :2], torch.nn.functional.avg_pool2d(x, 2))
    assert not found[:, 2:].any()


def test_onnx_and_pytorch_agree(base: Base, top: Top, pictures: Pixels) -> None:
    given = values(base, pictures)
    session = onnxruntime.InferenceSession(export(top), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        wanted = top(torch.from_numpy(given)).numpy()
    found = session.run(None, {BASE_LAYER: given})[0]
    assert found.shape == (len(pictures), DIMENSION)
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_quantised_it_is_a_third_of_the_size_and_nearly_equal(base: Base, top: Top, pictures: Pixels) -> None:
    exact = export(top)
    whole = quantise_network(exact, [values(base, pictures)], 255 * base.scale)
    assert len(whole) < 0.35 * len(exact)
    below = ensure(DLIB_INT8).read_bytes()
    far, near = (unit_vectors(graft(below, BASE_LAYER, each), pictures, mirror=False) for each in (exact, whole))
    assert (far * near).sum(axis=1).mean() > 0.98


def test_vectors_have_length_one_and_know_their_mirror_image(top: Top, pictures: Pixels) -> None:
    network = graft(ensure(DLIB_INT8).read_bytes(), BASE_LAYER, export(top))
    found, mirrored = (unit_vectors(network, each, mirror=True) for each in (pictures, pictures[:, :, ::-1]))
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.allclose(found, mirrored, atol=1e-4)
