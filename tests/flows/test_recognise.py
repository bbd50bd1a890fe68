"""A bundle in use: it prepares faces as training did, or says why it cannot."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from mien.collect import photos
from mien.errors import BundleError
from mien.flows.drive import Drive
from mien.flows.recognise import recognise
from mien.types import Prediction

pytestmark = pytest.mark.usefixtures("models_home")


@pytest.fixture
def copy(people: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(people, tmp_path / "copy.mien"))


def _edit(bundle: Path, change: object) -> None:
    path = bundle / "bundle.json"
    manifest = json.loads(path.read_text())
    change(manifest)  # type: ignore[operator]
    path.write_text(json.dumps(manifest))


def test_it_pins_what_it_was_trained_with(people: Path) -> None:
    ready = recognise(people)
    assert (ready.chain.detector, ready.chain.embedder, ready.chain.view.name) == ("mtcnn", "dlib-resnet", "dlib")
    assert ready.head.labels == ("Eileen Collins", "Grace Hopper")


def test_it_names_both_people(people: Path, album: Path) -> None:
    found = list(recognise(people).predictions(photos([album / "originals"]), Drive(1)))
    assert [p.label for p in found if isinstance(p, Prediction)] == ["Eileen Collins", "Grace Hopper"]


def test_other_weights_than_it_was_trained_with_are_refused(copy: Path) -> None:
    _edit(copy, lambda manifest: manifest["weights"].update({"dlib-resnet": "another"}))
    with pytest.raises(BundleError, match="other weights of dlib-resnet"):
        recognise(copy)


@pytest.mark.parametrize("part", ["chain", "head", "weights"])
def test_a_bundle_that_lacks_a_part_is_refused(copy: Path, part: str) -> None:
    _edit(copy, lambda manifest: manifest.pop(part))
    with pytest.raises(BundleError) as caught:
        recognise(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("labels", [[], ["a"], ["a", "a"], "ab", [1, 2], None])
def test_labels_that_do_not_fit_the_head_are_refused(copy: Path, labels: object) -> None:
    _edit(copy, lambda manifest: manifest["head"].update(labels=labels))
    with pytest.raises(BundleError):
        recognise(copy)


@pytest.mark.parametrize("threshold", [-1e308, -1.5, 1.5, 1e308, "0.5", True, [], 10**400])
def test_a_threshold_that_is_no_cosine_is_refused(copy: Path, threshold: object) -> None:
    _edit(copy, lambda manifest: manifest["head"].update(threshold=threshold))
    with pytest.raises(BundleError):
        recognise(copy)


@pytest.mark.parametrize("threshold", [None, -1.0, 0.97, 1.0])
def test_a_threshold_that_is_a_cosine_is_taken(copy: Path, threshold: object) -> None:
    _edit(copy, lambda manifest: manifest["head"].update(threshold=threshold))
    assert recognise(copy).head.labels


@pytest.mark.parametrize("value", [None, 5, "text", [], [[]], {}, True, 1e308, "\x1b[31m"])
@pytest.mark.parametrize("part", ["chain", "head", "weights"])
def test_a_part_that_is_something_else_is_refused_in_one_sentence(copy: Path, part: str, value: object) -> None:
    _edit(copy, lambda manifest: manifest.update({part: value}))
    with pytest.raises(BundleError) as caught:
        recognise(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [None, 5, [], {}, True, 1e308, -1, 0, "foo", ["a"], 10**400])
def test_any_field_of_a_chain_that_holds_something_else_is_refused_or_means_what_it_says(
    copy: Path, value: object
) -> None:
    manifest = json.loads((copy / "bundle.json").read_text())
    for field in manifest["chain"]:
        _edit(copy, lambda manifest, field=field: manifest["chain"].update({field: value}))
        with suppress(BundleError):
            assert recognise(copy).chain.as_json()[field] == value
        (copy / "bundle.json").write_text(json.dumps(manifest))
