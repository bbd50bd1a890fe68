from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
import pytest

from mien.errors import UnknownName, WeightsError
from mien.models import (
    CARDS,
    builtin_traits,
    cards,
    ensure,
    get_card,
    identity,
    is_available,
    licence_terms,
    session,
    weights,
)
from mien.models.cards import Conversion, PackageFile
from mien.models.inventory import MAX_BYTES, FileState, Location, add, list_traits, list_weights, verify
from mien.models.onnx_edit import Graph


def locations() -> dict[str, Location]:
    return {entry.card.name: entry.location for entry in list_weights()}


def test_every_card_is_listed_with_its_location(home: Path) -> None:
    found = locations()
    assert list(found) == list(CARDS)
    assert found["dlib-landmarks-5"] is found["hog"] is found["haar"] is Location.PACKAGE
    assert found["dlib-resnet"] is found["dlib-resnet-int8"] is found["mtcnn"] is Location.FIRST_USE
    assert found["yunet"] is Location.FIRST_USE
    assert found["sface"] is Location.PULL
    assert found["scrfd"] is Location.ADD
    assert not home.exists()


def test_built_in_traits_are_listed_under_the_licence_of_their_networks(home: Path) -> None:
    found = list_traits()
    assert [entry.trait.name for entry in found if entry.trait] == list(builtin_traits.TRAITS)
    assert {entry.location for entry in found} == {Location.PACKAGE}
    assert [entry.terms.commercial for entry in found] == ["no", "yes", "yes", "yes", "yes"]
    assert all(entry.bytes for entry in found)
    assert all(entry.trait is None for entry in list_weights())


def test_traits_that_are_not_installed_are_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin_traits, "FOLDER", tmp_path)
    assert list_traits() == []


def test_converted_weights_are_listed_in_the_cache(home: Path) -> None:
    ensure("mtcnn-pnet")
    assert locations()["mtcnn-pnet"] is Location.CACHE
    assert locations()["mtcnn"] is Location.FIRST_USE
    ensure("mtcnn")
    assert locations()["mtcnn"] is Location.CACHE


def test_sizes_are_those_of_the_files_in_use(home: Path, test_models: Path) -> None:
    sizes = {entry.card.name: entry.bytes for entry in list_weights()}
    assert sizes["sface"] == 38696353  # of the download
    assert sizes["scrfd"] is sizes["hog"] is sizes["dlib-resnet"] is None
    file = test_models / "mobilefacenet.onnx"
    add(file)
    (entry,) = (each for each in list_weights() if each.card.name == "mobilefacenet")
    assert (entry.location, entry.bytes) == (Location.CACHE, file.stat().st_size)


def test_the_list_does_not_depend_on_the_licence_setting(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = locations()
    monkeypatch.setenv("MIEN_LICENCE", "commercial")
    assert locations() == before


def test_intact_files_verify(home: Path) -> None:
    ensure("mtcnn-pnet")
    checks = verify()
    assert {check.state for check in checks} == {FileState.OK}
    assert {check.name for check in checks} >= {"dlib-resnet", "dlib-landmarks-5", "dlib-landmarks-68", "haar"}
    assert [check.path for check in checks if check.name == "mtcnn-pnet"][1] == ensure("mtcnn-pnet")


def test_a_changed_file_is_found_though_it_was_read_before(home: Path) -> None:
    path = ensure("mtcnn-pnet")
    path.write_bytes(path.read_bytes()[:-1])
    brought = weights.add_to_cache("sface", weights.EXTERNAL_KEY, b"network")
    brought.write_bytes(b"Network")
    changed = {check.path for check in verify() if check.state is FileState.CHANGED}
    assert changed == {path, brought}


def test_a_package_that_is_gone_is_missing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = PackageFile("lender", "net.dat", "0" * 64, 1)
    changed = {
        "dlib-resnet": replace(CARDS["dlib-resnet"], source=Conversion("dlib", gone)),
        "dlib-resnet-int8": CARDS["dlib-resnet-int8"],
        "haar": replace(CARDS["haar"], source=gone),
    }
    monkeypatch.setattr(cards, "CARDS", MappingProxyType(changed))
    assert set(locations().values()) == {Location.MISSING}
    assert [(check.name, check.state) for check in verify()] == [
        ("dlib-resnet", FileState.MISSING),
        ("haar", FileState.MISSING),
    ]


def network(side: int = 112, dim: int = 128, inputs: int = 1, outputs: int = 1, channels: int = 3) -> bytes:
    """A network of that shape, which only averages its pixels."""
    graph = Graph("own")
    graph.constant(np.ones((channels, dim), np.float32), "weights")
    for i in range(outputs):
        flat = graph.node("Flatten", [graph.node("GlobalAveragePool", ["input"], f"mean{i}")], f"flat{i}")
        graph.node("MatMul", [flat, "weights"], f"output{i}")
    takes = {"input" if i == 0 else f"input{i}": ("n", channels, side, side) for i in range(inputs)}
    return graph.model(takes, {f"output{i}": ("n", dim) for i in range(outputs)})


def written(folder: Path, data: bytes, name: str = "own.onnx") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("file", "name", "commercial"),
    [
        ("scrfd_2.5g_bnkps.onnx", "scrfd", "no"),
        ("mobilefacenet.onnx", "mobilefacenet", "unknown"),
    ],
)
def test_real_files_are_recognised_by_their_checksum(
    home: Path, test_models: Path, tmp_path: Path, file: str, name: str, commercial: str
) -> None:
    renamed = written(tmp_path, test_models.joinpath(file).read_bytes(), "download (1)")
    added = add(renamed)
    assert (added.name, added.known, added.terms.commercial) == (name, True, commercial)
    assert ensure(name) == added.path
    assert is_available(name)
    assert session(name).get_inputs()[0].shape[1] == 3


def test_a_second_file_of_a_card_replaces_the_first(home: Path, test_models: Path, tmp_path: Path) -> None:
    first = add(test_models / "scrfd_2.5g_bnkps.onnx").path
    was = identity("scrfd")
    model = onnx.load(test_models / "scrfd_2.5g_bnkps.onnx")
    model.producer_name = "someone else"
    second = add(written(tmp_path, model.SerializeToString()), "scrfd").path
    assert not first.exists()
    assert ensure("scrfd") == second
    assert identity("scrfd") != was


@pytest.mark.parametrize("file", ["yunet_n_320_320.onnx", "yunet_n_640_640.onnx", "yunet_n_dynamic.onnx"])
def test_files_of_yunet_are_networks_of_one_s_own(home: Path, test_models: Path, file: str) -> None:
    with pytest.raises(WeightsError, match="mien does not know the file"):
        add(test_models / file)
    with pytest.raises(WeightsError, match="does not fit 'yunet': its weights come with an installed package"):
        add(test_models / file, "yunet")
    assert not home.exists()


def test_real_files_have_the_shape_of_their_cards(home: Path, test_models: Path, tmp_path: Path) -> None:
    """A copy with another checksum passes by its shape, and under no other card."""
    for file, name in (
        ("scrfd_2.5g_bnkps.onnx", "scrfd"),
        ("mobilefacenet.onnx", "mobilefacenet"),
    ):
        model = onnx.load(test_models / file)
        model.producer_name = "someone else"
        copy = written(tmp_path, model.SerializeToString(), file)
        for other in {"scrfd", "arcface"} - {name}:
            with pytest.raises(WeightsError, match=f"does not fit '{other}'"):
                add(copy, other)
        added = add(copy, name)
        assert (added.name, added.known, added.terms.commercial) == (name, False, "unknown")
        assert ensure(name) == added.path


def test_a_known_file_is_not_taken_for_something_else(home: Path, test_models: Path) -> None:
    with pytest.raises(WeightsError, match="holds weights of 'mobilefacenet', not of 'scrfd'"):
        add(test_models / "mobilefacenet.onnx", "scrfd")
    assert not home.exists()


def test_an_unknown_embedder_is_accepted_by_its_shape(home: Path, tmp_path: Path) -> None:
    added = add(written(tmp_path, network()), "sface")
    assert not added.known
    assert added.terms == licence_terms(get_card("sface"))
    assert added.terms.commercial == "unknown"
    assert "by hand" in added.terms.licence
    found = session("sface").run(None, {"input": np.ones((2, 3, 112, 112), np.float32)})[0]
    assert found.shape == (2, 128)


@pytest.mark.parametrize(
    ("data", "name", "why"),
    [
        (network(side=96), "sface", "pictures of 112 x 112 pixels, but takes 96 x 96"),
        (network(dim=64), "sface", r"128 values per face, but gives \[0, 64\]"),
        (network(dim=128), "arcface", "512 values per face"),
        (network(inputs=2), "sface", "should take one input"),
        (network(channels=1), "sface", "should take one input"),
        (network(outputs=2), "sface", "should have 1 output, but has 2"),
        (network(), "scrfd", "should have 9 outputs, but has 1"),
        (
            network(side=150),
            "dlib-resnet",
            "come with an installed package; files can be added for scrfd, sface",
        ),
    ],
)
def test_a_file_of_another_shape_is_refused_in_one_sentence(
    home: Path, tmp_path: Path, data: bytes, name: str, why: str
) -> None:
    with pytest.raises(WeightsError, match=why) as caught:
        add(written(tmp_path, data), name)
    assert "\n" not in str(caught.value)
    assert not home.exists()


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x08\x07\x12\x00", b"\xff" * 300])
def test_a_file_that_is_not_a_network_is_refused(home: Path, tmp_path: Path, data: bytes) -> None:
    with pytest.raises(WeightsError, match="is not an ONNX file"):
        add(written(tmp_path, data), "sface")


def test_a_network_in_two_files_is_refused(home: Path, tmp_path: Path) -> None:
    model = onnx.load_model_from_string(network())
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")
    with pytest.raises(WeightsError, match="in a second file"):
        add(written(tmp_path, model.SerializeToString()), "sface")


def test_an_unknown_file_without_a_name_asks_for_one(home: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"say with --as what it is \(scrfd, sface, arcface, mobilefacenet\)"):
        add(written(tmp_path, network()))


def test_a_file_that_cannot_be_read_is_named(home: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nothing\.onnx cannot be read \(No such file or directory\)"):
        add(tmp_path / "nothing.onnx")
    with pytest.raises(WeightsError, match=r"cannot be read \(Is a directory\)"):
        add(tmp_path)


def test_a_file_that_is_far_too_large_is_not_read(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(WeightsError, match="larger than 1024 MB"):
        add(path, "sface")


def test_an_unknown_card_is_an_error(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no weights called 'mine'"):
        add(written(tmp_path, network()), "mine")
