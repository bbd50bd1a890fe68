from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from mien.errors import WeightsError
from mien.models import convert_mtcnn, get_card, session
from mien.models.cards import Conversion
from mien.models.convert_mtcnn import ARCHITECTURES, Pool, PReluConvolution, convolve, convolve_prelu_pool
from mien.models.onnx_edit import Graph
from mien.models.sessions import from_bytes
from mien.models.weights import package_path
from tests.models import faces

Array = npt.NDArray[np.float32]


def source(name: str) -> bytes:
    found = get_card(f"mtcnn-{name}").source
    assert isinstance(found, Conversion)
    return package_path(found.file).read_bytes()


def convolution(x: Array, filters: Array, biases: Array) -> Array:
    """Channels last, as Keras keeps them; nothing padded."""
    rows, columns = filters.shape[:2]
    windows = sliding_window_view(x, (rows, columns), axis=(1, 2))
    return np.asarray(np.einsum("nhwirc,rcio->nhwo", windows, filters, optimize=True) + biases, np.float32)


def prelu(x: Array, slope: Array) -> Array:
    return np.asarray(np.maximum(x, 0) + slope * np.minimum(x, 0), np.float32)


def max_pool(x: Array, size: int, part: bool) -> Array:
    if part:
        more = [(-(side - size)) % 2 for side in x.shape[1:3]]
        x = np.pad(x, ((0, 0), (0, more[0]), (0, more[1]), (0, 0)), constant_values=-np.inf)
    windows = sliding_window_view(x, (size, size), axis=(1, 2))[:, ::2, ::2]
    return np.asarray(windows.max(axis=(-1, -2)), np.float32)


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True), np.float32)


def reference(name: str, x: Array) -> dict[str, Array]:
    """The same network in numpy, straight from the file's arrays; x is channels last."""
    net = ARCHITECTURES[name]
    arrays = iter(convert_mtcnn.read_arrays(source(name), net))
    for i in range(net.convolutions):
        x = prelu(convolution(x, next(arrays), next(arrays)), next(arrays))
        if i < len(net.pools):
            x = max_pool(x, *net.pools[i])
    if net.side is None:
        box = convolution(x, next(arrays), next(arrays))
        return {"box": box.transpose(0, 3, 1, 2), "score": softmax(convolution(x, next(arrays), next(arrays)))[..., 1]}
    x = prelu(x.transpose(0, 2, 1, 3).reshape(len(x), -1) @ next(arrays) + next(arrays), next(arrays))
    names = ["box", "landmarks", "score"] if net.landmarks else ["box", "score"]
    made = {name: np.asarray(x @ next(arrays) + next(arrays), np.float32) for name in names}
    return made | {"score": softmax(made["score"])[:, 1]}


@pytest.mark.parametrize(
    ("name", "shape"), [("pnet", (2, 31, 44, 3)), ("rnet", (5, 24, 24, 3)), ("onet", (5, 48, 48, 3))]
)
def test_the_converted_networks_compute_what_the_arrays_say(
    models_home: Path, name: str, shape: tuple[int, ...]
) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    network = session(f"mtcnn-{name}")
    names = [output.name for output in network.get_outputs()]
    found = dict(zip(names, network.run(None, {"input": np.ascontiguousarray(x.transpose(0, 3, 1, 2))}), strict=True))
    expected = reference(name, x)
    assert names == list(expected)
    for key, values in expected.items():
        assert found[key].shape == values.shape
        np.testing.assert_allclose(found[key], values, atol=2e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_array_is_where_the_file_says(name: str) -> None:
    """Joblib writes a byte that counts the padding, the padding, then the numbers, each on a multiple of 16."""
    net = ARCHITECTURES[name]
    raw, end = convert_mtcnn.unpack(source(name), net), 0
    for offset, shape in net.arrays:
        assert offset % 16 == 0
        assert offset > end
        padding = len(raw[end:offset]) - len(raw[end:offset].rstrip(b"\xff"))
        assert raw[offset - padding - 1] == padding
        end = offset + 4 * int(np.prod(shape))
    assert raw[end:] == b"e."  # the pickle's own end: no array is left over


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_numbers_are_those_of_a_trained_network(name: str) -> None:
    for values in convert_mtcnn.read_arrays(source(name), ARCHITECTURES[name]):
        assert np.isfinite(values).all()
        assert 0 < np.abs(values).max() < 20


def test_pnet_fires_at_a_face(models_home: Path, astronaut: bytes) -> None:
    pixels = faces.decoded(astronaut)
    side = 12 / 130  # her face is some 130 pixels wide
    small = cv2.resize(pixels, None, fx=side, fy=side, interpolation=cv2.INTER_AREA)
    x = ((small.astype(np.float32) - 127.5) / 128).transpose(2, 0, 1)[None]
    score = session("mtcnn-pnet").run(["score"], {"input": np.ascontiguousarray(x)})[0][0]
    y, column = np.unravel_index(score.argmax(), score.shape)
    assert score.max() > 0.9
    assert np.hypot((2 * column + 6) / side - 225, (2 * y + 6) / side - 120) < 60


def test_onet_puts_the_eyes_above_the_mouth(models_home: Path, two_faces: npt.NDArray[np.uint8]) -> None:
    cut = np.stack([cv2.resize(face[20:130, 20:130], (48, 48), interpolation=cv2.INTER_AREA) for face in two_faces])
    box, landmarks, score = session("mtcnn-onet").run(None, {"input": (faces.tensor(cut) - 127.5) / 128})
    assert box.shape == (2, 4)
    assert (score > 0.9).all()
    x, y = landmarks[:, :5], landmarks[:, 5:]
    assert (x[:, 0] < x[:, 1]).all()
    assert (x[:, 3] < x[:, 4]).all()
    assert (y[:, :2].max(axis=1) < y[:, 2]).all()
    assert (y[:, 2] < y[:, 3:].min(axis=1)).all()


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    """Neither joblib nor pickle nor mtcnn itself takes part in a conversion."""
    code = (
        "import sys; from mien.models import convert_mtcnn, get_card; from mien.models.weights import package_path\n"
        "data = package_path(get_card('mtcnn-onet').source.file).read_bytes()\n"
        "def audit(event, args):\n"
        "    if event == 'pickle.find_class': raise SystemExit('unpickled ' + repr(args))\n"
        "sys.addaudithook(audit)\n"
        "convert_mtcnn.convert(data, 'onet')\n"
        "sys.exit(any(name in sys.modules for name in ('joblib', 'mtcnn')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_another_file_is_refused() -> None:
    with pytest.raises(WeightsError, match="cannot be unpacked"):
        convert_mtcnn.convert(b"not LZ4", "pnet")
    with pytest.raises(WeightsError, match="instead of 27450"):
        convert_mtcnn.convert(source("rnet"), "pnet")


GENTLE = [0.3, -0.4, 0.0, 0.9, -1.2]
STEEP = [0.3, -0.4, 1.3, 0.9, 0.25]
STRAIGHT = [0.3, 1.0, -0.4, 0.1]


def network_with(layer: PReluConvolution, pool: Pool | None) -> tuple[bytes, Array]:
    """A network of one layer and of another after it that puts the signs right; and the other's filters."""
    graph = Graph("layer")
    value, signs = convolve_prelu_pool(graph, "input", layer, pool)
    assert signs.shape == layer.slopes.shape
    after = np.random.default_rng(1).normal(size=(4, len(signs), 1, 1)).astype(np.float32)
    end = convolve(graph, value, after * signs[:, None, None], np.zeros(4, np.float32), "end")
    return graph.model({"input": ("n", 3, "h", "w")}, {end: ("n", 4, "rows", "columns")}), after


def prelu_layer(slopes: list[float]) -> PReluConvolution:
    random = np.random.default_rng(0)
    filters, biases = random.normal(size=(len(slopes), 3, 3, 3)), random.normal(size=len(slopes))
    return PReluConvolution("1", filters.astype(np.float32), biases.astype(np.float32), np.array(slopes, np.float32))


@pytest.mark.parametrize("pool", [None, (2, True), (2, False), (3, True)])
@pytest.mark.parametrize("slopes", [GENTLE, STEEP, STRAIGHT, GENTLE * 3, STEEP * 3, [-0.5] * 9, [1.5] * 16])
def test_every_form_of_a_layer_computes_the_same(slopes: list[float], pool: Pool | None) -> None:
    given = prelu_layer(slopes)
    network, after = network_with(given, pool)
    x = np.random.default_rng(2).normal(size=(2, 15, 12, 3)).astype(np.float32)
    expected = prelu(convolution(x, given.filters.transpose(2, 3, 1, 0), given.biases), np.array(slopes, np.float32))
    if pool is not None:
        expected = max_pool(expected, *pool)
    expected = convolution(expected, after.transpose(2, 3, 1, 0), np.zeros(4, np.float32))
    found = from_bytes(network).run(None, {"input": np.ascontiguousarray(x.transpose(0, 3, 1, 2))})[0]
    np.testing.assert_allclose(found.transpose(0, 2, 3, 1), expected, atol=1e-4)


def test_no_form_takes_the_runtimes_own_prelu() -> None:
    for slopes in (GENTLE, STEEP, STRAIGHT):
        for pool in (None, (2, True)):
            assert b"PRelu" not in network_with(prelu_layer(slopes), pool)[0]


def test_the_pool_comes_first_where_the_block_has_room() -> None:
    few, many = network_with(prelu_layer(GENTLE), (2, True))[0], network_with(prelu_layer(GENTLE * 3), (2, True))[0]
    assert few.index(b"MaxPool") < few.index(b"Relu")
    assert many.index(b"Relu") < many.index(b"MaxPool")
