"""The recipes that train a network: it answers as it was trained, and is measured on what it had not seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from mien.embedding.stage import OnnxEmbedder
from mien.errors import DataError
from mien.models import ensure, get_card
from mien.models.network import NetworkHead
from mien.training import network_recipe
from mien.training.calibration import Evidence, UnknownThreshold, set_from_few
from mien.training.network_recipe import (
    MAX_DIFFERENCE,
    NetworkFit,
    NetworkOptions,
    difference,
    export,
    fit_network,
    load_network,
    load_pretrained_block,
)
from mien.training.networks import build_network
from mien.training.settings import SETTINGS, TrainerOptions
from mien.types import UNKNOWN
from tests.models.faces import chip, decoded
from tests.training.clusters import clusters

OPTIONS = NetworkOptions(replace(SETTINGS["embedding-cnn"], most_epochs=25, learning_rate=5e-3))


@pytest.fixture(scope="module")
def people() -> NetworkFit:
    vectors, labels = clusters([24] * 6, dimension=128)
    return fit_network(vectors, labels, options=OPTIONS)


def pictures(count: int) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """Crops of two classes, told apart by the side that is bright."""
    rng = np.random.default_rng(0)
    made = rng.integers(0, 120, (count, 20, 20)).astype(np.uint8)
    labels = ["left" if i % 2 else "right" for i in range(count)]
    for picture, label in zip(made, labels, strict=True):
        half = picture[:, :10] if label == "left" else picture[:, 10:]
        half += np.uint8(90)
    return made, labels


def test_it_learns(people: NetworkFit) -> None:
    right = [people.head.labels[i] for i in people.held_out.probabilities.argmax(axis=1)]
    labels = clusters([24] * 6, dimension=128)[1]
    assert np.mean([labels[row] == answer for row, answer in zip(people.held_out.rows, right, strict=True)]) > 0.8


def test_what_is_measured_on_was_not_learnt_from(people: NetworkFit) -> None:
    assert not set(people.held_out.rows.tolist()) & set(people.seen.tolist())
    assert people.held_out.method == "held-out"


def test_probabilities_are_those_of_the_network_in_use(people: NetworkFit) -> None:
    vectors = clusters([24] * 6, dimension=128)[0]
    again = people.head.probabilities(vectors[people.held_out.rows])
    assert np.allclose(again, people.held_out.probabilities, atol=1e-6)
    assert np.allclose(people.held_out.probabilities.sum(axis=1), 1, atol=1e-5)


def test_onnx_runtime_answers_as_torch_does(people: NetworkFit) -> None:
    assert 0 <= people.difference <= MAX_DIFFERENCE


def test_its_files_make_the_same_network_again(people: NetworkFit) -> None:
    module = load_network(json.loads(people.parts["network.json"]), people.parts["weights.safetensors"])
    vectors = clusters([24] * 6, dimension=128)[0][:20]
    with torch.no_grad():
        logits = module(torch.from_numpy(vectors)).numpy()
    assert np.abs(logits - people.head.logits(vectors)).max() < MAX_DIFFERENCE


def test_people_told_apart_by_vectors_get_a_threshold_for_strangers(people: NetworkFit) -> None:
    assert people.unknown.threshold is not None
    known = clusters([24] * 6, dimension=128)[0]
    assert (people.head.familiarity(known) >= people.head.threshold).mean() > 0.9


def test_the_same_seed_gives_the_same_weights() -> None:
    vectors, labels = clusters([12] * 3, dimension=128)
    options = replace(OPTIONS, settings=replace(OPTIONS.settings, most_epochs=3))
    first, again = (fit_network(vectors, labels, options=options) for _ in range(2))
    assert first.parts["weights.safetensors"] == again.parts["weights.safetensors"]
    other = fit_network(vectors, labels, options=replace(options, seed=1))
    assert other.parts["weights.safetensors"] != first.parts["weights.safetensors"]


def small(**changes: object) -> NetworkOptions:
    settings = replace(SETTINGS["fer-cnn"], size=20, policy="none", most_epochs=2, **changes)  # type: ignore[arg-type]
    return NetworkOptions(settings, run=TrainerOptions(threads=1))


def test_crops_without_strangers_get_no_threshold_and_are_told_what_it_needs() -> None:
    crops, labels = pictures(60)
    fit = fit_network(crops, labels, options=small())
    assert fit.unknown.threshold is None
    assert fit.head.threshold == -np.inf
    assert any("20 photos of others, labelled 'unknown'" in note for note in fit.notes)


def test_strangers_among_crops_set_the_threshold_or_it_is_said_why_not() -> None:
    crops, labels = pictures(90)
    labels[60:] = [UNKNOWN] * 30
    fit = fit_network(crops, labels, options=small())
    assert fit.unknown.strangers == 30
    assert fit.head.labels == ("left", "right")
    assert set(range(60, 90)) <= set(fit.seen.tolist())


def test_a_named_split_is_answered_for() -> None:
    crops, labels = pictures(60)
    splits = ["test" if i >= 48 else "train" for i in range(60)]
    fit = fit_network(crops, labels, splits=splits, options=small())
    assert fit.held_out.method == "test"
    assert fit.held_out.rows.tolist() == list(range(48, 60))


def test_the_record_is_strict_json_and_tells_the_course(people: NetworkFit) -> None:
    told = json.loads(json.dumps(people.as_json(), allow_nan=False))
    assert told["epochs"] == len(told["curves"])
    assert told["settings"]["architecture"] == "embedding-cnn"
    assert told["weights"] > 10_000


def test_the_head_travels_as_json_arrays_and_network(people: NetworkFit) -> None:
    head = people.head
    again = NetworkHead.load(head.to_json(), head.to_arrays(), people.parts["network.onnx"])
    vectors = clusters([24] * 6, dimension=128)[0][:5]
    assert (again.probabilities(vectors) == head.probabilities(vectors)).all()


def test_one_class_is_refused() -> None:
    crops, _ = pictures(10)
    with pytest.raises(DataError, match="only one class"):
        fit_network(crops, ["a"] * 10, options=small())


def test_a_loss_that_is_no_number_stops_with_advice() -> None:
    vectors, labels = clusters([20, 20], dimension=128)
    wild = replace(OPTIONS, settings=replace(OPTIONS.settings, learning_rate=1e30, clip=0.0, most_epochs=5))
    with pytest.raises(DataError, match="learning-rate"):
        fit_network(vectors, labels, options=wild)


def test_a_threshold_is_not_set_by_what_is_measured_on(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Evidence] = []

    def watched(evidence: Evidence, classes: int, rate: float) -> UnknownThreshold:
        given.append(evidence)
        return set_from_few(evidence, classes, rate)

    monkeypatch.setattr(network_recipe, "set_from_few", watched)
    vectors, labels = clusters([40] * 4, dimension=128)
    fit = fit_network(vectors, labels, options=replace(OPTIONS, settings=replace(OPTIONS.settings, most_epochs=1)))
    assert len(given[0].known) >= 10
    assert not np.isin(given[0].known, fit.head.familiarity(vectors[fit.held_out.rows])).any()
    assert np.isin(given[0].known, fit.head.familiarity(vectors[fit.seen])).all()


def test_two_photos_of_each_class_will_do() -> None:
    vectors, labels = clusters([2] * 3, dimension=128)
    fit = fit_network(vectors, labels, options=replace(OPTIONS, settings=replace(OPTIONS.settings, most_epochs=2)))
    assert fit.unknown.threshold is None
    assert len(fit.held_out.rows) == 3
    json.dumps(fit.as_json(), allow_nan=False)


def test_a_share_of_strangers_that_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match=r"between 0 and 0\.5"):
        replace(OPTIONS, false_accept_rate=2.0)


def test_the_random_numbers_of_others_stay_as_they_were() -> None:
    vectors, labels = clusters([8] * 3, dimension=128)
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    fit_network(vectors, labels, options=replace(OPTIONS, settings=replace(OPTIONS.settings, most_epochs=1)))
    assert torch.equal(torch.rand(1), expected)


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
    module = build_network("finetune", (4096,), 2, 0)
    load_pretrained_block(module)
    with torch.inference_mode():
        ours = torch.nn.Sequential(*list(module)[:3])(torch.from_numpy(features.reshape(len(faces), -1))).numpy()
    assert np.abs(ours - pooled[:, :, 0, 0]).max() < 1e-4
    assert ours.std() > 0.1


def test_all_classes_are_equal_before_it_learns(models_home: Path) -> None:
    network = build_network("finetune", (4096,), 5, 0).eval()
    load_pretrained_block(network)
    assert not network(torch.rand(2, 4096)).any()
    assert all(weights.any() for weights in network[1].parameters())


def test_the_onnx_file_gives_torchs_logits(models_home: Path, faces: npt.NDArray[np.uint8]) -> None:
    network = build_network("finetune", (4096,), 5, 0)
    assert difference(network, export(network), OnnxEmbedder(BLOCK)(faces)) < MAX_DIFFERENCE


def test_it_learns_from_features_and_repeats_with_the_same_seed(
    models_home: Path, faces: npt.NDArray[np.uint8]
) -> None:
    features, labels = OnnxEmbedder(BLOCK)(faces), ["a"] * 12 + ["b"] * 12
    splits = ["train", "train", "val"] * 8
    options = NetworkOptions(replace(SETTINGS["finetune"], most_epochs=12), seed=3)
    one, two = (fit_network(features, labels, splits=splits, options=options) for _ in range(2))
    assert one.parts == two.parts
    held = one.held_out
    right = held.probabilities.argmax(axis=1) == [labels[row] == "b" for row in held.rows]
    assert right.mean() > 0.8
    assert one.difference < 1e-4
