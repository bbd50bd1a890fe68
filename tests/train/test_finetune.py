"""A finetuning begins where the pretrained network stood, and learns from there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from mien.embed.stage import OnnxEmbedder
from mien.errors import DataError
from mien.models import ensure, get_card
from mien.train.architectures import ARCHITECTURES, backbone
from mien.train.export import difference, export
from mien.train.finetune import begin
from mien.train.module import build, tensors
from mien.train.network import NetworkOptions, fit_network
from mien.train.settings import SETTINGS
from tests.models.faces import chip, decoded

BLOCK = "dlib-resnet-block"


@pytest.fixture
def faces(models_home: Path, astronaut: bytes, hopper: bytes) -> npt.NDArray[np.uint8]:
    """Twelve pictures of each of two people, of other brightness and a little moved, (24, 150, 150, 3)."""
    found = []
    for photo in (astronaut, hopper):
        face = chip(decoded(photo))
        assert face is not None
        moved = [np.roll(face, (i % 4, i // 4), (0, 1)) for i in range(12)]
        found += [(picture * (0.6 + 0.03 * i)).astype(np.uint8) for i, picture in enumerate(moved)]
    return np.stack(found)


def test_it_goes_on_from_the_one_embedder_that_ends_at_an_inner_layer() -> None:
    assert backbone((4096,)) is get_card(BLOCK)
    assert SETTINGS["finetune"].embedder == BLOCK
    with pytest.raises(DataError, match=f"choose --embedder {BLOCK}"):
        ARCHITECTURES["finetune"]((128,), 3)


def test_before_it_learns_its_block_computes_what_the_pretrained_one_did(
    models_home: Path, faces: npt.NDArray[np.uint8]
) -> None:
    whole = onnx.load(ensure("dlib-resnet"))
    inner = get_card(BLOCK).source.layer  # type: ignore[union-attr]
    for name in (inner, "pooled"):
        whole.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    opened = onnxruntime.InferenceSession(whole.SerializeToString(), providers=["CPUExecutionProvider"])
    planes = faces.transpose(0, 3, 1, 2).astype(np.float32)
    features, pooled = opened.run([inner, "pooled"], {"input": planes})
    architecture = ARCHITECTURES["finetune"]((4096,), 2)
    module = build(architecture)
    begin(architecture, module)
    assert isinstance(module, torch.nn.Sequential)
    with torch.inference_mode():
        ours = module[:3](torch.from_numpy(features.reshape(len(faces), -1))).numpy()
    assert np.abs(ours - pooled[:, :, 0, 0]).max() < 1e-4
    assert ours.std() > 0.1


def test_all_classes_are_equal_before_it_learns(models_home: Path) -> None:
    architecture = ARCHITECTURES["finetune"]((4096,), 5)
    module = build(architecture).eval()
    begin(architecture, module)
    assert not module(torch.rand(2, 4096)).any()
    assert all(array.any() for name, array in tensors(module).items() if name.startswith("01"))


def test_the_onnx_file_gives_torchs_logits(models_home: Path, faces: npt.NDArray[np.uint8]) -> None:
    features = OnnxEmbedder(BLOCK)(faces)
    architecture = ARCHITECTURES["finetune"]((4096,), 5)
    module = build(architecture).eval()
    assert difference(module, export(architecture, module), features) < 1e-4


def test_it_learns_from_features_and_repeats_with_the_same_seed(
    models_home: Path, faces: npt.NDArray[np.uint8]
) -> None:
    features, labels = OnnxEmbedder(BLOCK)(faces), ["a"] * 12 + ["b"] * 12
    splits = ["train", "train", "val"] * 8
    options = NetworkOptions(replace(SETTINGS["finetune"], most_epochs=20), seed=3)
    one, two = (fit_network(features, labels, splits=splits, options=options) for _ in range(2))
    assert one.parts == two.parts
    held = one.held_out
    right = held.probabilities.argmax(axis=1) == [labels[row] == "b" for row in held.rows]
    assert right.mean() > 0.8
    assert one.difference < 1e-4
