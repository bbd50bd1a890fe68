"""A bundle in use: it prepares faces as training did, or says why it cannot."""

from __future__ import annotations

import json
import shutil
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mien.data import photos
from mien.errors import BundleError, WeightsError
from mien.images.reading import decode
from mien.models import builtin_traits
from mien.pipeline.classifier import load
from mien.pipeline.execute import RunOptions
from mien.types import UNCERTAIN, Prediction
from tests.conftest import Mien
from tests.flows.silent import answering

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
    ready = load(people)
    assert (ready.spec.detector, ready.spec.embedder, ready.spec.view.name) == ("yunet", "dlib-resnet-int8", "dlib")
    assert ready.head.labels == ("Eileen Collins", "Grace Hopper")


def test_it_names_both_people(people: Path, album: Path) -> None:
    found = list(load(people).predictions(photos([album / "originals"]), RunOptions(1)))
    assert [p.label for p in found if isinstance(p, Prediction)] == ["Eileen Collins", "Grace Hopper"]


def test_other_weights_than_it_was_trained_with_are_refused(copy: Path) -> None:
    _edit(copy, lambda manifest: manifest["weights"].update({"dlib-resnet-int8": "another"}))
    with pytest.raises(BundleError, match="other weights of dlib-resnet-int8"):
        load(copy)


@pytest.mark.parametrize("part", ["chain", "head", "weights"])
def test_a_bundle_that_lacks_a_part_is_refused(copy: Path, part: str) -> None:
    _edit(copy, lambda manifest: manifest.pop(part))
    with pytest.raises(BundleError) as caught:
        load(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("labels", [[], ["a"], ["a", "a"], "ab", [1, 2], None])
def test_labels_that_do_not_fit_the_head_are_refused(copy: Path, labels: object) -> None:
    _edit(copy, lambda manifest: manifest["head"].update(labels=labels))
    with pytest.raises(BundleError):
        load(copy)


@pytest.mark.parametrize("threshold", [-1e308, -1.5, 1.5, 1e308, "0.5", True, [], 10**400])
def test_a_threshold_that_is_no_cosine_is_refused(copy: Path, threshold: object) -> None:
    _edit(copy, lambda manifest: manifest["head"].update(threshold=threshold))
    with pytest.raises(BundleError):
        load(copy)


@pytest.mark.parametrize("threshold", [None, -1.0, 0.97, 1.0])
def test_a_threshold_that_is_a_cosine_is_taken(copy: Path, threshold: object) -> None:
    _edit(copy, lambda manifest: manifest["head"].update(threshold=threshold))
    assert load(copy).head.labels


@pytest.mark.parametrize("value", [None, 5, "text", [], [[]], {}, True, 1e308, "\x1b[31m"])
@pytest.mark.parametrize("part", ["chain", "head", "weights"])
def test_a_part_that_is_something_else_is_refused_in_one_sentence(copy: Path, part: str, value: object) -> None:
    _edit(copy, lambda manifest: manifest.update({part: value}))
    with pytest.raises(BundleError) as caught:
        load(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [None, 5, [], {}, True, 1e308, -1, 0, "foo", ["a"], 10**400])
def test_any_field_of_a_chain_that_holds_something_else_is_refused_or_means_what_it_says(
    copy: Path, value: object
) -> None:
    manifest = json.loads((copy / "bundle.json").read_text())
    for field in manifest["chain"]:
        _edit(copy, lambda manifest, field=field: manifest["chain"].update({field: value}))
        with suppress(BundleError):
            assert load(copy).spec.as_json()[field] == value
        (copy / "bundle.json").write_text(json.dumps(manifest))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with nothing turned off."""
    for name in ("MIEN_LICENCE", "MIEN_TRAITS"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("name", builtin_traits.TRAITS)
def test_the_name_of_a_built_in_trait_is_its_bundle(elsewhere: Path, name: str) -> None:
    ready = load(Path(name))
    assert ready.bundle.path == builtin_traits.bundle_path(name)
    assert set(ready.head.labels) == set(builtin_traits.get_trait(name).labels)
    assert ready.spec.detector == "yunet"
    assert (ready.abstention is None) == (name != "gender")


@pytest.mark.parametrize("name", ["people", "mask.mien", "Mask", "traits"])
def test_another_name_is_a_path(elsewhere: Path, name: str) -> None:
    with pytest.raises(BundleError, match=f"there is no bundle at {name}"):
        load(Path(name))


def test_a_bundle_of_one_s_own_wins_over_a_built_in_trait(elsewhere: Path, people: Path) -> None:
    shutil.copytree(people, elsewhere / "mask")
    assert load(Path("mask")).head.labels == ("Eileen Collins", "Grace Hopper")


def test_a_folder_of_photos_that_is_called_like_a_trait_is_said_to_hide_it(elsewhere: Path) -> None:
    (elsewhere / "mask").mkdir()
    with pytest.raises(BundleError, match="mask in this folder is not a bundle"):
        load(Path("mask"))


def test_a_built_in_trait_takes_pictures_that_are_cut(elsewhere: Path) -> None:
    ready = load(Path("mask"), faces="cut")
    assert (ready.spec.faces, ready.spec.view.name, ready.spec.view.margin) == ("cut", "box", 0.0)
    assert ready.spec.view.size == load(Path("mask")).spec.view.size


def test_the_detector_of_a_built_in_trait_is_the_best_that_is_here(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(Path("mask")).spec.detector == "yunet"
    monkeypatch.setattr("mien.models.is_available", lambda name: name != "yunet")
    assert load(Path("mask")).spec.detector == "mtcnn"


def test_a_built_in_trait_that_is_turned_off_is_refused(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_TRAITS", "none")
    with pytest.raises(WeightsError, match="'gender' is turned off"):
        load(Path("gender"))


def test_a_built_in_trait_whose_head_is_of_another_network_is_refused(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, tmp_path, {})
    _edit(builtin_traits.FOLDER / "mask.mien", lambda manifest: manifest["weights"].update({"traits": "another"}))
    with pytest.raises(BundleError, match="does not belong to the network beside it"):
        load(Path("mask"))


def test_of_the_youngest_the_gender_is_uncertain(
    elsewhere: Path, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, tmp_path, {"age": "0-2", "gender": "Female"})
    found = list(load(Path("gender")).predictions(photos([album / "originals"]), RunOptions(1)))
    assert [(p.label, p.top) for p in found if isinstance(p, Prediction)] == [(UNCERTAIN, ())] * 2


def test_a_bundle_from_elsewhere_cannot_ask_for_silence(
    elsewhere: Path, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copy: Path
) -> None:
    answering(monkeypatch, tmp_path, {"age": "0-2"})
    _edit(copy, lambda manifest: manifest.update(silent={"bundle": "age", "labels": ["0-2"]}))
    found = list(load(copy).predictions(photos([album / "originals"]), RunOptions(1)))
    assert [p.label for p in found if isinstance(p, Prediction)] == ["Eileen Collins", "Grace Hopper"]


def test_from_the_command_to_the_first_pixel_are_at_most_twelve_calls(
    people: Path, album: Path, tmp_path: Path, mien: Mien, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks: list[list[str]] = []

    def record(*arguments: Any, **options: Any) -> Any:
        files = [frame.filename for frame in traceback.extract_stack()]
        stacks.append([file for file in files if "/mien/" in file and "/tests/" not in file])
        return decode(*arguments, **options)

    monkeypatch.setattr("mien.images.stage.decode", record)
    photo = tmp_path / "x.jpg"  # one that no other test has left in the cache
    photo.write_bytes((album / "inbox" / "012.jpg").read_bytes() + b"twelve")
    mien("classify", people, photo, "--workers", 1)
    assert stacks
    assert max(map(len, stacks)) + 1 <= 12  # and the call of the decoder itself
