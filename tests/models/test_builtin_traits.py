"""The traits that come with mien: what they are called, where they lie, and which may be used."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from mien.errors import UnknownName, WeightsError
from mien.models import CARDS, builtin_traits, ensure, session
from mien.models.cards import Graft, PackageFile
from mien.models.head import Head
from mien.models.weights import package_path
from mien.store import bundle as bundles

BACKBONES = ("traits", "expression-features")


def test_the_names_are_fixed() -> None:
    assert builtin_traits.TRAITS == ("expression", "mask", "age", "gender", "glasses")


@pytest.mark.parametrize("name", builtin_traits.TRAITS)
def test_every_trait_is_an_ordinary_bundle_with_a_card(name: str) -> None:
    path = builtin_traits.bundle_path(name)
    assert path is not None
    bundle = bundles.load(path)
    head = Head.load(bundle.manifest["head"], bundle.arrays)
    assert list(head.labels) == bundle.manifest["labels"]
    assert head.kind == "logistic"
    assert not np.isfinite(head.threshold)
    assert (path / "card.md").read_text("utf-8").startswith("# ")
    assert bundle.manifest["chain"]["embedder"] in BACKBONES


def test_the_labels_are_those_that_are_documented() -> None:
    labels = {name: set(builtin_traits.get_trait(name).labels) for name in builtin_traits.TRAITS}
    assert labels["expression"] == {"angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"}
    assert labels["mask"] == {"with_mask", "without_mask", "incorrect"}
    ages = {"0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70"}
    assert labels["age"] == ages
    assert labels["gender"] == {"Female", "Male"}
    assert labels["glasses"] == {"none", "glasses", "sunglasses"}


def test_expression_alone_stands_on_weights_that_are_not_for_commercial_use() -> None:
    commercial = {name: builtin_traits.get_trait(name).backbone.commercial for name in builtin_traits.TRAITS}
    assert commercial == {**dict.fromkeys(builtin_traits.TRAITS, "yes"), "expression": "no"}


def test_gender_is_silent_about_the_youngest() -> None:
    path = builtin_traits.get_trait("gender").path
    assert json.loads((path / builtin_traits.MANIFEST).read_bytes())["silent"] == {"bundle": "age", "labels": ["0-2"]}


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_network_is_the_file_that_its_card_describes(home: Path, backbone: str) -> None:
    source = CARDS[backbone].source
    file = source.file if isinstance(source, Graft) else source
    assert isinstance(file, PackageFile)
    path = package_path(file)
    assert path.parent == builtin_traits.FOLDER
    assert path.stat().st_size == file.bytes
    assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256


def test_a_shipped_network_is_used_in_place(home: Path) -> None:
    assert ensure("expression-features").parent == builtin_traits.FOLDER
    assert not home.exists()


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_network_takes_pixels_and_gives_vectors(home: Path, backbone: str) -> None:
    card = CARDS[backbone]
    assert card.input is not None
    assert (card.input.mean, card.input.scale, card.input.colour) == (0.0, 1.0, "rgb")
    side = card.input.size
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, side, side)).astype(np.float32)
    (vectors,) = session(backbone).run(None, {session(backbone).get_inputs()[0].name: pixels})
    assert vectors.shape == (3, 256)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()


def test_all_traits_together_are_small() -> None:
    assert sum(file.stat().st_size for file in builtin_traits.FOLDER.rglob("*") if file.is_file()) < 6e6


def test_other_names_have_no_bundle() -> None:
    assert builtin_traits.bundle_path("people") is None
    assert builtin_traits.bundle_path("mask.mien") is None
    assert builtin_traits.bundle_path("") is None
    assert not builtin_traits.is_installed("people")
    with pytest.raises(UnknownName, match="no built-in trait called 'people'"):
        builtin_traits.get_trait("people")


def test_a_trait_that_is_not_installed_is_reported_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin_traits, "FOLDER", tmp_path)
    assert builtin_traits.bundle_path("mask") == tmp_path / "mask.mien"
    assert not builtin_traits.is_installed("mask")
    with pytest.raises(WeightsError, match=r"'mask' is not part of this installation .* pip install"):
        builtin_traits.get_trait("mask")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("all", builtin_traits.TRAITS),
        (" all ", builtin_traits.TRAITS),
        ("none", ()),
        ("mask", ("mask",)),
        ("glasses, mask", ("mask", "glasses")),
        ("age,age", ("age",)),
    ],
)
def test_names_select_traits_in_their_order(text: str, names: tuple[str, ...]) -> None:
    assert builtin_traits.parse_names(text) == names


@pytest.mark.parametrize("text", ["", "sex", "mask;age", "mask,", "all,mask", "none,mask", "Mask"])
def test_an_unknown_name_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(UnknownName, match=r"there are: expression, mask, age, gender, glasses; all; none"):
        builtin_traits.parse_names(text)


def test_a_misspelt_name_gets_a_suggestion() -> None:
    with pytest.raises(UnknownName, match=r"did you mean glasses\?"):
        builtin_traits.parse_names("glases")


def test_all_traits_are_enabled_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIEN_TRAITS", raising=False)
    assert builtin_traits.enabled_traits() == builtin_traits.TRAITS
    monkeypatch.setenv("MIEN_TRAITS", "none")
    assert builtin_traits.enabled_traits() == ()
    monkeypatch.setenv("MIEN_TRAITS", "mask,expression")
    assert builtin_traits.enabled_traits() == ("expression", "mask")
    builtin_traits.require_enabled("mask")
    with pytest.raises(WeightsError, match="'gender' is turned off by MIEN_TRAITS=mask,expression"):
        builtin_traits.require_enabled("gender")


def test_an_unknown_trait_in_the_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_TRAITS", "masks")
    with pytest.raises(UnknownName, match=r"MIEN_TRAITS: there is no .* 'masks'; did you mean mask\?"):
        builtin_traits.enabled_traits()
