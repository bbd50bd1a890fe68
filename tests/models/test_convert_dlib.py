from __future__ import annotations

from pathlib import Path
from typing import Any

import dlib
import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from mien.errors import WeightsError
from mien.models import convert_dlib, get_card, session
from mien.models.cards import Conversion
from mien.models.convert_dlib import Affine, Convolution, Dense, Reader
from mien.models.weights import package_path
from tests.models import faces


@pytest.fixture(scope="session")
def source() -> bytes:
    found = get_card("dlib-resnet").source
    assert isinstance(found, Conversion)
    return package_path(found.file).read_bytes()


@pytest.fixture(scope="session")
def by_dlib() -> Any:
    found = get_card("dlib-resnet").source
    assert isinstance(found, Conversion)
    return dlib.face_recognition_model_v1(str(package_path(found.file)))


def difference(by_dlib: Any, cut: npt.NDArray[np.uint8]) -> float:
    expected = np.array([by_dlib.compute_face_descriptor(face) for face in cut])
    return float(np.abs(faces.embed(session("dlib-resnet"), cut) - expected).max())


def test_the_converted_network_equals_dlib(models_home: Path, by_dlib: Any, two_faces: npt.NDArray[np.uint8]) -> None:
    assert difference(by_dlib, two_faces) < 1e-5


def test_the_converted_network_equals_dlib_on_fifty_faces(
    models_home: Path, by_dlib: Any, fifty_faces: npt.NDArray[np.uint8]
) -> None:
    assert len(fifty_faces) == 50
    assert difference(by_dlib, fifty_faces) < 1e-5


def test_the_batch_size_does_not_change_a_vector(models_home: Path, two_faces: npt.NDArray[np.uint8]) -> None:
    network = session("dlib-resnet")
    alone = np.concatenate([faces.embed(network, two_faces[i : i + 1]) for i in range(2)])
    many = faces.embed(network, np.concatenate([two_faces] * 9))
    np.testing.assert_allclose(many[:2], alone, atol=1e-6)
    assert faces.embed(network, two_faces[:0]).shape == (0, 128)


def test_it_takes_raw_pixels_and_gives_raw_vectors(models_home: Path, two_faces: npt.NDArray[np.uint8]) -> None:
    network = session("dlib-resnet")
    assert [(i.name, i.shape, i.type) for i in network.get_inputs()] == [("input", ["n", 3, 150, 150], "tensor(float)")]
    assert [(o.name, o.shape) for o in network.get_outputs()] == [("embedding", ["n", 128])]
    lengths = np.linalg.norm(faces.embed(network, two_faces), axis=1)
    assert np.all((lengths > 1.2) & (lengths < 1.6))


def test_converting_twice_gives_the_same_bytes(source: bytes) -> None:
    assert convert_dlib.convert(source) == convert_dlib.convert(source)


def test_the_layers_are_those_of_dlibs_network(source: bytes) -> None:
    found = convert_dlib.read_layers(source)
    assert sum(isinstance(layer, Convolution) for layer in found) == 29
    assert sum(isinstance(layer, Affine) for layer in found) == 29
    assert found.count("add_prev_") == 14
    assert isinstance(found[-1], Dense)


def test_affine_layers_and_normalisation_fold_into_a_convolution_exactly() -> None:
    draw = np.random.default_rng(0)
    layer = Convolution(
        draw.normal(size=(2, 3, 1, 1)).astype(np.float32), draw.normal(size=2).astype(np.float32), (1, 1), (0, 0)
    )
    affine = Affine(np.array([2, 3], np.float32), np.array([1, -1], np.float32))
    pixel = np.array([200, 17, 96], np.float32)
    centred = (pixel - np.array(convert_dlib.MEAN)) / 256
    expected = (layer.filters[:, :, 0, 0] @ centred + layer.biases) * affine.gamma + affine.beta
    folded = layer.scaled(affine).on_pixels()
    np.testing.assert_allclose(folded.filters[:, :, 0, 0] @ pixel + folded.biases, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("data", "value"),
    [(b"\x01\x05", 5), (b"\x81\x05", -5), (b"\x02\x2c\x01", 300), (b"\x82\x2c\x01", -300), (b"\x00", 0)],
)
def test_integers_are_read_as_dlib_writes_them(data: bytes, value: int) -> None:
    reader = Reader(data)
    assert reader.integer() == value
    assert reader.position == len(data)


@pytest.mark.parametrize("part", [0, 0.01, 0.3, 0.999])
def test_a_file_cut_short_is_refused_in_one_sentence(source: bytes, part: float) -> None:
    with pytest.raises(WeightsError) as caught:
        convert_dlib.convert(source[: int(len(source) * part)])
    assert "\n" not in str(caught.value)


def test_another_network_is_refused() -> None:
    found = get_card("dlib-landmarks-5").source
    with pytest.raises(WeightsError, match="not a file of dlib's face recognition network"):
        convert_dlib.convert(package_path(found).read_bytes())  # type: ignore[arg-type]


def test_a_tensor_of_another_version_or_excessive_size_is_refused() -> None:
    with pytest.raises(WeightsError, match="version 3"):
        Reader(b"\x01\x03").tensor()
    with pytest.raises(WeightsError, match="ends at byte"):
        Reader(b"\x01\x02" + b"\x04\xff\xff\xff\x7f" * 4).tensor()
    with pytest.raises(WeightsError, match="shape"):
        Reader(b"\x01\x02" + b"\x81\x01" * 4).tensor()


def test_layers_in_another_order_are_refused(source: bytes) -> None:
    with pytest.raises(WeightsError, match="not a file of dlib's face recognition network"):
        convert_dlib.convert(source.replace(b"\x01\x09add_prev_", b"\x01\x09abc_prev_"))


def test_the_file_opens_without_warnings(source: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    onnxruntime.InferenceSession(convert_dlib.convert(source), providers=["CPUExecutionProvider"])
    assert capfd.readouterr() == ("", "")


def test_a_convolution_of_another_size_is_refused(source: bytes) -> None:
    start = source.index(b"\x01\x05con_4") + 7
    reader = Reader(source, start)
    reader.tensor()
    count = reader.position + 1  # behind its control byte: how many filters there are
    assert source[count] == 32
    with pytest.raises(WeightsError, match="values instead of"):
        convert_dlib.convert(source[:count] + b"\x40" + source[count + 1 :])
