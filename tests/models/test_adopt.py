from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from mien.errors import UnknownName, WeightsError
from mien.models import ensure, identity, present, session, terms_of
from mien.models.adopt import MAX_BYTES, add
from mien.models.cards import card
from mien.models.graph import Graph


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
        ("yunet_n_dynamic.onnx", "yunet", "yes"),
        ("yunet_n_320_320.onnx", "yunet", "yes"),
        ("yunet_n_640_640.onnx", "yunet", "yes"),
        ("scrfd_2.5g_bnkps.onnx", "scrfd", "no"),
        ("mobilefacenet.onnx", "mobilefacenet", "unknown"),
    ],
)
def test_real_files_are_known_by_their_checksum(
    home: Path, test_models: Path, tmp_path: Path, file: str, name: str, commercial: str
) -> None:
    renamed = written(tmp_path, test_models.joinpath(file).read_bytes(), "download (1)")
    added = add(renamed)
    assert (added.name, added.known, added.terms.commercial) == (name, True, commercial)
    assert ensure(name) == added.path
    assert present(name)
    assert session(name).get_inputs()[0].shape[1] == 3


def test_a_second_file_of_a_card_takes_the_place_of_the_first(home: Path, test_models: Path) -> None:
    first = add(test_models / "yunet_n_320_320.onnx").path
    was = identity("yunet")
    second = add(test_models / "yunet_n_dynamic.onnx").path
    assert not first.exists()
    assert ensure("yunet") == second
    assert identity("yunet") != was


def test_real_files_have_the_shape_of_their_cards(home: Path, test_models: Path, tmp_path: Path) -> None:
    """A copy with another checksum passes by its shape, and under no other card."""
    for file, name in (
        ("yunet_n_640_640.onnx", "yunet"),
        ("scrfd_2.5g_bnkps.onnx", "scrfd"),
        ("mobilefacenet.onnx", "mobilefacenet"),
    ):
        model = onnx.load(test_models / file)
        model.producer_name = "someone else"
        copy = written(tmp_path, model.SerializeToString(), file)
        for other in {"yunet", "scrfd", "arcface"} - {name}:
            with pytest.raises(WeightsError, match=f"does not fit '{other}'"):
                add(copy, other)
        added = add(copy, name)
        assert (added.name, added.known, added.terms.commercial) == (name, False, "unknown")
        assert ensure(name) == added.path


def test_a_known_file_is_not_taken_for_something_else(home: Path, test_models: Path) -> None:
    with pytest.raises(WeightsError, match="known as weights of 'yunet', not of 'scrfd'"):
        add(test_models / "yunet_n_dynamic.onnx", "scrfd")
    assert not home.exists()


def test_an_own_embedder_is_taken_by_its_shape(home: Path, tmp_path: Path) -> None:
    added = add(written(tmp_path, network()), "sface")
    assert not added.known
    assert added.terms == terms_of(card("sface"))
    assert added.terms.commercial == "unknown"
    assert "by hand" in added.terms.licence
    found = session("sface").run(None, {"input": np.ones((2, 3, 112, 112), np.float32)})[0]
    assert found.shape == (2, 128)


@pytest.mark.parametrize(
    ("data", "name", "why"),
    [
        (network(side=96), "sface", "pictures of 112 x 112 pixels, and takes 96 x 96"),
        (network(dim=64), "sface", r"128 values a face, and gives \[0, 64\]"),
        (network(dim=128), "arcface", "512 values a face"),
        (network(inputs=2), "sface", "should take one input"),
        (network(channels=1), "sface", "should take one input"),
        (network(outputs=2), "sface", "should have 1 output, and has 2"),
        (network(), "yunet", "should have 12 outputs, and has 1"),
        (network(side=150), "dlib-resnet", "come with an installed package; files are taken for yunet, scrfd, sface"),
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
def test_what_is_no_network_is_refused(home: Path, tmp_path: Path, data: bytes) -> None:
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
    with pytest.raises(WeightsError, match=r"say with --as what it is \(yunet, scrfd, sface, arcface, mobilefacenet\)"):
        add(written(tmp_path, network()))


def test_a_file_that_cannot_be_read_is_named(home: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nothing\.onnx cannot be read \(No such file or directory\)"):
        add(tmp_path / "nothing.onnx")
    with pytest.raises(WeightsError, match=r"cannot be read \(Is a directory\)"):
        add(tmp_path)


def test_a_file_far_too_large_is_not_read(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(WeightsError, match="larger than 1024 MB"):
        add(path, "sface")


def test_an_unknown_card_is_an_error(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no weights called 'mine'"):
        add(written(tmp_path, network()), "mine")
