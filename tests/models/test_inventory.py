from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from mien.models import CARDS, cache, ensure, inventory, shipped, weights
from mien.models.adopt import add
from mien.models.cards import Converted, PackageFile
from mien.models.inventory import State, Where, holdings, traits, verify


def places() -> dict[str, Where]:
    return {held.card.name: held.where for held in holdings()}


def test_every_card_is_listed_with_its_place(home: Path) -> None:
    found = places()
    assert list(found) == list(CARDS)
    assert found["dlib-landmarks-5"] is found["hog"] is found["haar"] is Where.PACKAGE
    assert found["dlib-resnet"] is found["dlib-resnet-int8"] is found["mtcnn"] is Where.FIRST_USE
    assert found["yunet"] is Where.PULL
    assert found["scrfd"] is Where.ADD
    assert not home.exists()


def test_the_built_in_traits_are_listed_under_the_terms_of_their_networks(home: Path) -> None:
    found = traits()
    assert [held.trait.name for held in found if held.trait] == list(shipped.TRAITS)
    assert {held.where for held in found} == {Where.PACKAGE}
    assert [held.terms.commercial for held in found] == ["no", "yes", "yes", "yes", "yes"]
    assert all(held.bytes for held in found)
    assert all(held.trait is None for held in holdings())


def test_traits_that_are_not_installed_are_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    assert traits() == []


def test_what_was_made_is_listed_in_the_cache(home: Path) -> None:
    ensure("mtcnn-pnet")
    assert places()["mtcnn-pnet"] is Where.CACHE
    assert places()["mtcnn"] is Where.FIRST_USE
    ensure("mtcnn")
    assert places()["mtcnn"] is Where.CACHE


def test_sizes_are_those_of_the_files_that_count(home: Path, test_models: Path) -> None:
    sizes = {held.card.name: held.bytes for held in holdings()}
    assert sizes["yunet"] == 322906  # of the download
    assert sizes["scrfd"] is sizes["hog"] is sizes["dlib-resnet"] is None
    add(test_models / "yunet_n_320_320.onnx")
    (held,) = (each for each in holdings() if each.card.name == "yunet")
    assert (held.where, held.bytes) == (Where.CACHE, 317434)


def test_the_list_does_not_depend_on_the_licence_in_force(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = places()
    monkeypatch.setenv("MIEN_LICENCE", "commercial")
    assert places() == before


def test_sound_files_verify(home: Path) -> None:
    ensure("mtcnn-pnet")
    checks = verify()
    assert {check.state for check in checks} == {State.OK}
    assert {check.name for check in checks} >= {"dlib-resnet", "dlib-landmarks-5", "dlib-landmarks-68", "haar"}
    assert [check.path for check in checks if check.name == "mtcnn-pnet"][1] == ensure("mtcnn-pnet")


def test_a_changed_file_is_found_though_it_was_read_before(home: Path) -> None:
    path = ensure("mtcnn-pnet")
    path.write_bytes(path.read_bytes()[:-1])
    brought = cache.store("yunet", weights.BROUGHT, b"network")
    brought.write_bytes(b"Network")
    changed = {check.path for check in verify() if check.state is State.CHANGED}
    assert changed == {path, brought}


def test_a_package_that_is_gone_is_missing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = PackageFile("lender", "net.dat", "0" * 64, 1)
    cards = {
        "dlib-resnet": replace(CARDS["dlib-resnet"], source=Converted("dlib", gone)),
        "dlib-resnet-int8": CARDS["dlib-resnet-int8"],
        "haar": replace(CARDS["haar"], source=gone),
    }
    monkeypatch.setattr(inventory, "CARDS", MappingProxyType(cards))
    assert set(places().values()) == {Where.MISSING}
    assert [(check.name, check.state) for check in verify()] == [
        ("dlib-resnet", State.MISSING),
        ("haar", State.MISSING),
    ]
