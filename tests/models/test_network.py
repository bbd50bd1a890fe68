"""A network in use: the right logits, whatever the batch, the thread or the process."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from mien.models.head import unit
from mien.models.network import NetworkHead, inspect_network, network_input
from mien.store import bundle as bundles
from mien.types import Floats, Pixels
from tests.models.networks import LABELS, convolved, head, linear, weights


@pytest.fixture(scope="module")
def faces(astronaut: bytes) -> Pixels:
    """Forty windows of a photo, (40, 12, 12, 3)."""
    photo = cv2.imdecode(np.frombuffer(astronaut, np.uint8), cv2.IMREAD_COLOR)
    assert photo is not None
    windows = [cv2.resize(photo[20 + i : 200 + i, 100 + 3 * i : 280 + 3 * i, ::-1], (12, 12)) for i in range(40)]
    return np.stack(windows).astype(np.uint8)


def vectors(n: int, d: int = 16) -> Floats:
    return np.random.default_rng(1).normal(size=(n, d)).astype(np.float32)


def softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def test_probabilities_are_the_softmax_of_the_logits_over_the_temperature(faces: Pixels) -> None:
    found = head(linear(3, 12, 12)).probabilities(faces)
    logits = faces.transpose(0, 3, 1, 2).reshape(40, -1).astype(np.float64) @ weights(432).T
    np.testing.assert_allclose(found, softmax(logits / 0.7), atol=1e-6)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_familiarity_of_a_crop_is_its_largest_logit(faces: Pixels) -> None:
    ours = head(linear(3, 12, 12))
    assert np.array_equal(ours.familiarity(faces), ours.logits(faces).max(axis=1).astype(np.float32))
    assert ours.familiarity(faces).dtype == np.float32


def test_familiarity_of_a_vector_is_the_cosine_to_the_nearest_centre() -> None:
    centres = unit(vectors(3)).astype(np.float32)
    ours = head(linear(16), centres=centres)
    np.testing.assert_allclose(ours.familiarity(centres * 7), 1, atol=1e-6)
    np.testing.assert_allclose(ours.familiarity(vectors(9)), (unit(vectors(9)) @ centres.T).max(axis=1), atol=1e-6)
    assert np.array_equal(head(linear(16)).familiarity(vectors(9)), head(linear(16)).logits(vectors(9)).max(axis=1))


def test_one_run_gives_probabilities_and_familiarity(faces: Pixels) -> None:
    of_vectors = head(linear(16), centres=unit(vectors(3)).astype(np.float32))
    for ours, inputs in ((head(convolved(3, 12, 12), mirror=True), faces), (of_vectors, vectors(9))):
        probabilities, familiarity = ours.answer(inputs)
        assert np.array_equal(probabilities, ours.probabilities(inputs))
        assert np.array_equal(familiarity, ours.familiarity(inputs))


def test_with_mirror_a_face_and_its_mirror_image_get_the_same_answer(faces: Pixels) -> None:
    plain, mirrored = head(linear(3, 12, 12)), head(linear(3, 12, 12), mirror=True)
    flipped = faces[:, :, ::-1]
    np.testing.assert_allclose(mirrored.logits(faces), (plain.logits(faces) + plain.logits(flipped)) / 2, atol=1e-6)
    np.testing.assert_allclose(mirrored.logits(faces), mirrored.logits(flipped), atol=1e-6)
    assert np.abs(plain.logits(faces) - plain.logits(flipped)).max() > 0.01


def test_grey_crops_become_three_channels_for_a_colour_network(faces: Pixels) -> None:
    grey = faces[..., 0]
    ours = head(convolved(3, 12, 12))
    assert np.array_equal(ours.logits(grey), ours.logits(np.repeat(grey[..., None], 3, axis=3)))
    assert head(convolved(1, 12, 12)).logits(grey).shape == (40, 3)


def test_network_input_has_the_layout_of_torch_and_onnx(faces: Pixels) -> None:
    found = network_input(faces, (3, 12, 12))
    assert found.shape == (40, 3, 12, 12)
    assert found.dtype == np.float32
    assert np.array_equal(found[5, 1], faces[5, :, :, 1])
    assert np.array_equal(network_input(faces[..., 0], (1, 12, 12))[:, 0], faces[..., 0])
    assert network_input(vectors(2), (16,)).shape == (2, 16)


@pytest.mark.parametrize("mirror", [False, True])
def test_a_row_does_not_depend_on_its_batch(faces: Pixels, mirror: bool) -> None:
    ours = head(convolved(3, 12, 12), mirror=mirror)
    singly = np.concatenate([ours.probabilities(faces[i : i + 1]) for i in range(40)])
    np.testing.assert_allclose(ours.probabilities(faces), singly, atol=1e-6)
    many = np.tile(faces, (3, 1, 1, 1))
    np.testing.assert_allclose(ours.probabilities(many)[-40:], singly, atol=1e-6)


def test_a_network_with_very_large_steps_takes_fewer_rows_at_once(
    faces: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = head(convolved(3, 12, 12))
    monkeypatch.setattr("mien.models.network.MAX_BATCH_VALUES", 3 * 8 * 12 * 12)
    few = head(convolved(3, 12, 12))
    assert inspect_network(convolved(3, 12, 12)).batch == 3
    np.testing.assert_allclose(few.logits(faces), whole.logits(faces), atol=1e-6)


def test_no_rows_give_no_answers(faces: Pixels) -> None:
    assert head(convolved(3, 12, 12)).probabilities(faces[:0]).shape == (0, 3)
    assert head(convolved(3, 12, 12), mirror=True).familiarity(faces[:0]).shape == (0,)
    assert head(linear(16)).answer(vectors(0))[1].shape == (0,)


def test_the_input_stays_unmodified(faces: Pixels) -> None:
    before = faces.copy()
    head(convolved(3, 12, 12), mirror=True).answer(faces)
    assert np.array_equal(faces, before)


def test_inputs_in_any_memory_order_get_the_same_answer(faces: Pixels) -> None:
    ours = head(convolved(3, 12, 12))
    assert np.array_equal(ours.logits(np.asfortranarray(faces)), ours.logits(faces))
    assert np.array_equal(ours.logits(faces[::-1]), ours.logits(np.ascontiguousarray(faces[::-1])))


@pytest.mark.parametrize(
    ("row", "shape", "kind"),
    [
        ((3, 12, 12), (2, 12, 13, 3), np.uint8),
        ((3, 12, 12), (2, 13, 12), np.uint8),
        ((3, 12, 12), (2, 12, 12, 4), np.uint8),
        ((3, 12, 12), (2, 3, 12, 12), np.uint8),
        ((3, 12, 12), (2, 12, 12, 3), np.float32),
        ((3, 12, 12), (12, 12), np.uint8),
        ((1, 12, 12), (2, 12, 12, 3), np.uint8),
        ((1, 12, 12), (2, 144), np.float32),
        ((16,), (2, 15), np.float32),
        ((16,), (16,), np.float32),
        ((16,), (2, 4, 4), np.uint8),
    ],
)
def test_inputs_that_the_network_does_not_take_are_refused(
    row: tuple[int, ...], shape: tuple[int, ...], kind: Any
) -> None:
    ours, inputs = head(linear(*row)), np.zeros(shape, dtype=kind)
    for ask in (ours.probabilities, ours.familiarity, ours.logits):
        with pytest.raises(ValueError, match="this network takes"):
            ask(inputs)


def test_values_that_are_not_finite_are_refused_in_and_out() -> None:
    bad = vectors(2)
    bad[1, 3] = np.inf
    with pytest.raises(ValueError, match="not finite"):
        head(linear(16), centres=unit(vectors(3)).astype(np.float32)).familiarity(bad)
    huge = head(linear(16, matrix=np.full((3, 16), 3e38, dtype=np.float32)))
    with pytest.raises(ValueError, match="output is not finite"):
        huge.probabilities(np.abs(vectors(2)))


def test_threads_share_a_head_and_agree(faces: Pixels) -> None:
    ours = head(convolved(3, 12, 12))
    expected = ours.probabilities(faces)
    with ThreadPoolExecutor(4) as pool:
        assert all(np.array_equal(found, expected) for found in pool.map(ours.probabilities, [faces] * 24))


def test_a_head_takes_one_thread_and_does_not_spin() -> None:
    options = head(linear(16))._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_a_head_can_be_sent_to_another_process(faces: Pixels) -> None:
    ours = head(convolved(3, 12, 12), mirror=True)
    there = pickle.loads(pickle.dumps(ours))
    assert np.array_equal(there.probabilities(faces), ours.probabilities(faces))
    assert (there.labels, there.threshold, there.mirror, there.input) == (LABELS, -0.5, True, (3, 12, 12))


def test_a_field_of_a_head_can_be_replaced() -> None:
    ours = replace(head(linear(16)), threshold=0.25)
    assert (ours.threshold, ours.temperature, ours.input) == (0.25, 0.7, (16,))


def test_a_head_prints_in_a_line_without_its_weights() -> None:
    assert len(repr(head(linear(16)))) < 300


@pytest.mark.parametrize("threshold", [0.25, -math.inf])
def test_a_head_survives_saving(faces: Pixels, threshold: float) -> None:
    ours = replace(head(convolved(3, 12, 12), mirror=True), threshold=threshold)
    text = json.dumps(ours.to_json(), allow_nan=False)
    back = NetworkHead.load(json.loads(text), ours.to_arrays(), ours.onnx)
    assert (back.kind, back.labels, back.threshold, back.mirror) == ("network", LABELS, threshold, True)
    assert np.array_equal(back.probabilities(faces), ours.probabilities(faces))


def test_centres_are_saved_with_a_head() -> None:
    ours = head(linear(16), centres=unit(vectors(3)).astype(np.float32))
    back = NetworkHead.load(ours.to_json(), ours.to_arrays(), ours.onnx)
    assert back.centres is not None
    assert np.array_equal(back.familiarity(vectors(5)), ours.familiarity(vectors(5)))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "logistic"},
        {"labels": ["a"]},
        {"labels": ["a", "b"]},
        {"labels": ["a", "b", "b"]},
        {"labels": ["a", "b", "unknown"]},
        {"labels": ["a", "b", 5]},
        {"labels": "abc"},
        {"temperature": 0},
        {"temperature": "1"},
        {"temperature": 10**400},
        {"temperature": None},
        {"threshold": "x"},
        {"mirror": 1},
        {"mirror": None},
        {"mirror": True},
    ],
)
def test_invalid_heads_are_refused(change: dict[str, Any]) -> None:
    ours = head(linear(16))
    with pytest.raises(ValueError, match=r"head|label|mirror"):
        NetworkHead.load({**ours.to_json(), **change}, {}, ours.onnx)


@pytest.mark.parametrize("name", ["kind", "labels", "temperature", "threshold", "mirror"])
def test_a_missing_part_is_named(name: str) -> None:
    fields = {key: value for key, value in head(linear(16)).to_json().items() if key != name}
    with pytest.raises(ValueError, match=name):
        NetworkHead.load(fields, {}, linear(16))


def test_a_head_without_its_network_is_refused() -> None:
    with pytest.raises(ValueError, match="its network is missing"):
        NetworkHead.load(head(linear(16)).to_json(), {}, None)
    with pytest.raises(ValueError, match="not an ONNX file"):
        NetworkHead.load(head(linear(16)).to_json(), {}, b"no network")


@pytest.mark.parametrize(
    "centres",
    [
        np.ones((3, 16), dtype=np.float32),
        np.eye(3, 16, dtype=np.float64),
        np.eye(3, 15, dtype=np.float32),
        np.eye(2, 16, dtype=np.float32),
        np.full((3, 16), np.nan, dtype=np.float32),
    ],
)
def test_invalid_centres_are_refused(centres: Any) -> None:
    with pytest.raises(ValueError, match="centres"):
        head(linear(16), centres=centres)


def test_crops_have_no_centres() -> None:
    with pytest.raises(ValueError, match="no centres"):
        head(linear(1, 4, 4), centres=np.eye(3, 16, dtype=np.float32))


def test_a_bundle_with_a_network_answers_where_there_is_no_torch(tmp_path: Path) -> None:
    ours = head(convolved(3, 12, 12))
    manifest = {"head": ours.to_json()}
    bundles.save(tmp_path / "x.mien", manifest, ours.to_arrays(), {}, {bundles.NETWORK: ours.onnx})
    code = f"""
import sys
sys.modules.update(dict.fromkeys(["torch", "kornia", "safetensors", "tensorboard"]))
import numpy as np
from pathlib import Path
from mien.models.network import NetworkHead
from mien.store import bundle
found = bundle.load(Path({str(tmp_path / "x.mien")!r}))
head = NetworkHead.load(found.manifest["head"], found.arrays, found.network)
print(head.probabilities(np.full((2, 12, 12, 3), 90, np.uint8)).tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    expected = ours.probabilities(np.full((2, 12, 12, 3), 90, np.uint8))
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=1e-6)
