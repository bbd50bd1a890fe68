"""What a training leaves becomes what the package carries, and nothing that does not fit together is written."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.models import CARDS, builtin_traits, get_card
from mien.models.cards import PackageFile
from mien.models.head import Head, unit
from mien.models.weights import card_identity
from mien.pipeline.spec import build_spec
from mien.store import bundle as bundles
from recipes.traits import ship as shipping
from recipes.traits.ship import Provenance, ship

FACTS = Provenance("2026-01-31", "make traits", "faces", 7, {"gender": {"Female": 3, "Male": 2}})


def a_head(*labels: str, dimension: int = 256) -> Head:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(len(labels), dimension)).astype(np.float32)
    centres = unit(weights).astype(np.float32)
    return Head("logistic", labels, weights, np.zeros(len(labels), np.float32), centres, 1.5, -math.inf, 0.4)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the cards, and a folder beside it."""
    copied = tmp_path / "cards.toml"
    copied.write_bytes(shipping.CARDS.read_bytes())
    monkeypatch.setattr(shipping, "CARDS", copied)
    monkeypatch.setattr(builtin_traits, "FOLDER", tmp_path / "shipped")
    return tmp_path


def test_a_network_its_heads_and_their_pages_are_written(package: Path) -> None:
    heads = {"gender": a_head("Female", "Male"), "mask": a_head("with_mask", "without_mask", "incorrect")}
    ship("traits", b"a network", heads, FACTS, {"gender": "# gender\n", "mask": "# mask\n"})
    assert (builtin_traits.FOLDER / "traits.onnx").read_bytes() == b"a network"
    bundle = bundles.load(builtin_traits.FOLDER / "gender.mien")
    head = Head.load(bundle.manifest["head"], bundle.arrays)
    assert (head.labels, head.certain, head.temperature) == (("Female", "Male"), 0.4, 1.5)
    assert (builtin_traits.FOLDER / "mask.mien" / "card.md").read_text() == "# mask\n"
    assert bundle.manifest["counts"] == {"Female": 3, "Male": 2}
    assert bundle.manifest["training"] == {"data": "faces", "seed": 7}


def test_the_cards_say_what_was_written_and_nothing_else_changes(package: Path) -> None:
    before = shipping.CARDS.read_text()
    lines = ship("traits", b"a network", {}, FACTS, {})
    digest = hashlib.sha256(b"a network").hexdigest()
    assert lines == f'file = "traits.onnx"\nsha256 = "{digest}"\nbytes = 9\n'
    after = shipping.CARDS.read_text()
    assert after.count(lines) == 1
    changed = {line for line in before.splitlines() if line not in after.splitlines()}
    assert {line.split(" = ")[0] for line in changed} <= {"sha256", "bytes"}
    assert len(before.splitlines()) == len(after.splitlines())


def test_a_bundle_pins_the_very_network_and_leaves_the_detector_open(package: Path) -> None:
    ship("expression-features", b"a network", {"expression": a_head("happy", "sad")}, FACTS, {"expression": "# e\n"})
    manifest = bundles.load(builtin_traits.FOLDER / "expression.mien").manifest
    way = build_spec("mtcnn", "expression-features")
    assert manifest["chain"] == {**way.as_json(), "detector": "auto", "view": manifest["chain"]["view"]}
    found = get_card("expression-features")
    assert isinstance(found.source, PackageFile)
    source = replace(found.source, sha256=hashlib.sha256(b"a network").hexdigest())
    assert manifest["weights"] == {"expression-features": card_identity(replace(found, source=source))}


def test_only_gender_is_silent_about_anybody(package: Path) -> None:
    heads = {"gender": a_head("Female", "Male"), "age": a_head("0-2", "3-9")}
    ship("traits", b"a network", heads, FACTS, {"gender": "# gender\n", "age": "# age\n"})
    assert bundles.load(builtin_traits.FOLDER / "gender.mien").manifest["silent"] == {
        "bundle": "age",
        "labels": ["0-2"],
    }
    assert "silent" not in bundles.load(builtin_traits.FOLDER / "age.mien").manifest


@pytest.mark.parametrize(("trait", "dimension"), [("mood", 256), ("mask", 128)])
def test_nothing_is_written_that_does_not_fit(package: Path, trait: str, dimension: int) -> None:
    with pytest.raises(ValueError, match="not a trait, or its head does not take"):
        ship("traits", b"a network", {trait: a_head("a", "b", dimension=dimension)}, FACTS, {trait: "# page\n"})
    assert not builtin_traits.FOLDER.exists()
    assert "bytes = 9\n" not in shipping.CARDS.read_text()


def test_a_network_that_no_card_ships_is_refused(package: Path) -> None:
    with pytest.raises(ValueError, match="no card"):
        ship("dlib-resnet", b"a network", {}, FACTS, {})
    assert CARDS["dlib-resnet"].source is get_card("dlib-resnet").source
