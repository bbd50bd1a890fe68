"""The traits that come with mien: what they are called, where they lie, and which may be used."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from mien.errors import UnknownName, WeightsError
from mien.models import CARDS, ensure, session, shipped
from mien.models.cards import Grafted, PackageFile
from mien.models.head import Head
from mien.models.weights import location
from mien.store import bundle as bundles

TRUNKS = ("traits", "expression-features")


def test_the_names_are_fixed() -> None:
    assert shipped.TRAITS == ("expression", "mask", "age", "gender", "glasses")


@pytest.mark.parametrize("name", shipped.TRAITS)
def test_every_trait_is_an_ordinary_bundle_with_a_card(name: str) -> None:
    path = shipped.bundle(name)
    assert path is not None
    bundle = bundles.load(path)
    head = Head.load(bundle.manifest["head"], bundle.arrays)
    assert list(head.labels) == bundle.manifest["labels"]
    assert head.kind == "logistic"
    assert not np.isfinite(head.threshold)
    assert (path / "card.md").read_text("utf-8").startswith("# ")
    assert bundle.manifest["chain"]["embedder"] in TRUNKS


def test_the_labels_are_those_that_are_documented() -> None:
    labels = {name: set(shipped.shipped(name).labels) for name in shipped.TRAITS}
    assert labels["expression"] == {"angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"}
    assert labels["mask"] == {"with_mask", "without_mask", "incorrect"}
    ages = {"0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70"}
    assert labels["age"] == ages
    assert labels["gender"] == {"Female", "Male"}
    assert labels["glasses"] == {"none", "glasses", "sunglasses"}


def test_expression_alone_stands_on_weights_that_are_not_for_commercial_use() -> None:
    commercial = {name: shipped.shipped(name).trunk.commercial for name in shipped.TRAITS}
    assert commercial == {**dict.fromkeys(shipped.TRAITS, "yes"), "expression": "no"}


def test_nothing_is_said_of_the_gender_of_the_youngest() -> None:
    path = shipped.shipped("gender").path
    assert json.loads((path / shipped.MANIFEST).read_bytes())["silent"] == {"bundle": "age", "labels": ["0-2"]}


@pytest.mark.parametrize("trunk", TRUNKS)
def test_a_network_is_the_file_that_its_card_describes(home: Path, trunk: str) -> None:
    source = CARDS[trunk].source
    file = source.file if isinstance(source, Grafted) else source
    assert isinstance(file, PackageFile)
    path = location(file)
    assert path.parent == shipped.FOLDER
    assert path.stat().st_size == file.bytes
    assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256


def test_a_network_that_comes_whole_is_used_where_it_lies(home: Path) -> None:
    assert ensure("expression-features").parent == shipped.FOLDER
    assert not home.exists()


@pytest.mark.parametrize("trunk", TRUNKS)
def test_a_network_takes_pixels_and_gives_vectors(home: Path, trunk: str) -> None:
    card = CARDS[trunk]
    assert card.input is not None
    assert (card.input.mean, card.input.scale, card.input.colour) == (0.0, 1.0, "rgb")
    side = card.input.size
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, side, side)).astype(np.float32)
    (vectors,) = session(trunk).run(None, {session(trunk).get_inputs()[0].name: pixels})
    assert vectors.shape == (3, 256)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()


def test_all_of_them_together_stay_small() -> None:
    assert sum(file.stat().st_size for file in shipped.FOLDER.rglob("*") if file.is_file()) < 6e6


def test_other_names_have_no_bundle() -> None:
    assert shipped.bundle("people") is None
    assert shipped.bundle("mask.mien") is None
    assert shipped.bundle("") is None
    assert not shipped.is_there("people")
    with pytest.raises(UnknownName, match="no built-in trait called 'people'"):
        shipped.shipped("people")


def test_a_trait_that_is_not_installed_is_said_to_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    assert shipped.bundle("mask") == tmp_path / "mask.mien"
    assert not shipped.is_there("mask")
    with pytest.raises(WeightsError, match=r"'mask' is not part of this installation .* pip install"):
        shipped.shipped("mask")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("all", shipped.TRAITS),
        (" all ", shipped.TRAITS),
        ("none", ()),
        ("mask", ("mask",)),
        ("glasses, mask", ("mask", "glasses")),
        ("age,age", ("age",)),
    ],
)
def test_what_is_wanted_is_told_by_names(text: str, names: tuple[str, ...]) -> None:
    assert shipped.named(text) == names


@pytest.mark.parametrize("text", ["", "sex", "mask;age", "mask,", "all,mask", "none,mask", "Mask"])
def test_a_name_that_there_is_not_is_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(UnknownName, match=r"there are: expression, mask, age, gender, glasses; all; none"):
        shipped.named(text)


def test_a_slip_of_the_pen_is_understood() -> None:
    with pytest.raises(UnknownName, match=r"did you mean glasses\?"):
        shipped.named("glases")


def test_all_are_turned_on_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIEN_TRAITS", raising=False)
    assert shipped.turned_on() == shipped.TRAITS
    monkeypatch.setenv("MIEN_TRAITS", "none")
    assert shipped.turned_on() == ()
    monkeypatch.setenv("MIEN_TRAITS", "mask,expression")
    assert shipped.turned_on() == ("expression", "mask")
    shipped.permit("mask")
    with pytest.raises(WeightsError, match="'gender' is turned off by MIEN_TRAITS=mask,expression"):
        shipped.permit("gender")


def test_a_setting_that_names_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_TRAITS", "masks")
    with pytest.raises(UnknownName, match=r"MIEN_TRAITS: there is no .* 'masks'; did you mean mask\?"):
        shipped.turned_on()
