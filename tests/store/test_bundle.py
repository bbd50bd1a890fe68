"""Bundles: what was saved is loaded, and nothing else is believed."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mien.errors import BundleError, DataError
from mien.store import bundle as bundles

_ARRAYS = {"weights": np.arange(6, dtype=np.float32).reshape(2, 3)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    bundles.save(tmp_path / "people.mien", {"recipe": "head", "labels": ["가", "b"]}, _ARRAYS, {"card.md": "# card"})
    return tmp_path / "people.mien"


def test_what_was_saved_is_loaded(path: Path) -> None:
    bundle = bundles.load(path)
    assert bundle.name == "people"
    assert bundle.manifest["labels"] == ["가", "b"]
    assert np.array_equal(bundle.arrays["weights"], _ARRAYS["weights"])
    assert sorted(file.name for file in path.iterdir()) == ["bundle.json", "card.md", "head.npz"]


def test_a_bundle_may_be_moved(path: Path, tmp_path: Path) -> None:
    shutil.move(path, tmp_path / "other.mien")
    assert bundles.load(tmp_path / "other.mien").name == "other"


def test_a_newer_one_takes_its_place(path: Path) -> None:
    bundles.save(path, {"recipe": "other"}, _ARRAYS, {})
    assert bundles.load(path).manifest["recipe"] == "other"
    assert not (path / "card.md").exists()


def test_no_folder_that_is_not_a_bundle_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_bytes(b"dear")
    with pytest.raises(DataError, match="is not a bundle"):
        bundles.save(tmp_path / "photos", {}, _ARRAYS, {})
    assert (tmp_path / "photos" / "me.jpg").read_bytes() == b"dear"


def test_a_missing_bundle_hints_at_the_one_that_was_meant(path: Path) -> None:
    with pytest.raises(BundleError, match=r"did you mean .*people\.mien"):
        bundles.load(path.with_suffix(""))
    with pytest.raises(BundleError, match="mien train"):
        bundles.load(path.with_name("nobody"))


def test_a_changed_array_file_is_refused(path: Path) -> None:
    data = bytearray((path / "head.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (path / "head.npz").write_bytes(data)
    with pytest.raises(BundleError, match="checksum"):
        bundles.load(path)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "null", "{}", "\x00", "[" * 200_000, '{"schema":' * 100_000, "9" * 5000),
        *(
            f'{{"schema": 1{more}}}'
            for more in ("", ', "files": {}', ', "files": []', ', "files": 5', ', "files": "x"')
        ),
        *(f'{{"schema": 1, "files": {{"head.npz": {sums}}}}}' for sums in ("{}", "[]", "5", "null", '{"sha256": 5}')),
    ],
)
def test_a_manifest_that_is_none_is_refused_in_one_sentence(path: Path, text: str) -> None:
    (path / "bundle.json").write_text(text)
    with pytest.raises(BundleError) as caught:
        bundles.load(path)
    assert "\n" not in str(caught.value)


def test_a_bundle_of_a_later_schema_says_to_update(path: Path) -> None:
    manifest = json.loads((path / "bundle.json").read_text())
    (path / "bundle.json").write_text(json.dumps({**manifest, "schema": 99}))
    with pytest.raises(BundleError, match="update mien"):
        bundles.load(path)


def _sign(path: Path, data: bytes) -> None:
    """As an attacker can: the checksum fits what lies there."""
    from hashlib import sha256

    (path / "head.npz").write_bytes(data)
    manifest = json.loads((path / "bundle.json").read_text())
    manifest["files"]["head.npz"] = {"sha256": sha256(data).hexdigest(), "bytes": len(data)}
    (path / "bundle.json").write_text(json.dumps(manifest))


def test_arrays_of_objects_are_refused_unread(path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(path / "pwned"),)

    buffer = io.BytesIO()
    np.savez(buffer, weights=np.array([Evil()], dtype=object))
    _sign(path, buffer.getvalue())
    with pytest.raises(BundleError):
        bundles.load(path)
    assert not (path / "pwned").exists()


def test_arrays_that_unpack_to_more_than_a_bundle_may_hold_are_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "LARGEST", 100_000)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights.npy", b"\0" * 10_000_000)
    _sign(path, buffer.getvalue())
    with pytest.raises(BundleError, match="unpacks to more"):
        bundles.load(path)


def test_what_is_no_archive_is_refused(path: Path) -> None:
    _sign(path, b"PK but not really")
    with pytest.raises(BundleError, match="damaged"):
        bundles.load(path)


def test_the_pages_may_be_edited(path: Path) -> None:
    (path / "card.md").write_text("# card, with a word from us")
    assert bundles.load(path).name == "people"
    assert list(bundles.load(path).manifest["files"]) == ["head.npz"]


@pytest.mark.parametrize("wrong", [{"bytes": 5}, {"bytes": None}, {"sha256": ""}, {"sha256": ["a"]}])
def test_what_is_said_of_the_arrays_has_to_be_true(path: Path, wrong: dict[str, object]) -> None:
    manifest = json.loads((path / "bundle.json").read_text())
    manifest["files"]["head.npz"].update(wrong)
    (path / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="checksum"):
        bundles.load(path)


@pytest.mark.parametrize("name", ["bundle.json", "head.npz"])
def test_a_pipe_is_refused_and_not_waited_for(path: Path, name: str) -> None:
    (path / name).unlink()
    os.mkfifo(path / name)
    with pytest.raises(BundleError, match=f"{name} is not a file"):
        bundles.load(path)


def test_a_manifest_of_many_megabytes_is_refused_unread(path: Path) -> None:
    with (path / "bundle.json").open("wb") as file:
        file.truncate(20 * 2**20)
    with pytest.raises(BundleError, match="larger than 16 MiB"):
        bundles.load(path)


def test_no_bundle_is_written_that_could_not_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "_LARGEST_JSON", 1000)
    with pytest.raises(DataError, match="fewer labels"):
        bundles.save(tmp_path / "x.mien", {"labels": ["long"] * 500}, _ARRAYS, {})
    assert list(tmp_path.iterdir()) == []


def _npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """An array file whose header says what it likes."""
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + data


def _npz(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("weights.npy", data)
    return buffer.getvalue()


_SAID = "{'descr': '<f4', 'fortran_order': False, 'shape': %s}"


@pytest.mark.parametrize(
    "data",
    [
        _npy(_SAID % "(1000000000000, 128)"),
        _npy(_SAID % "(2, 3)", b"\0" * 20),
        _npy(_SAID % "(2, 3)", b"\0" * 28),
        _npy(_SAID % "(-2, -3)", b"\0" * 23),
        _npy(_SAID % f"({2**62}, {2**62}, {2**62})"),
        _npy(_SAID % "(2, 3)", b"\0" * 24, version=b"\x02\x00"),
        _npy(_SAID % "'two'"),
        _npy("(" * 9000),
        _npy("{'descr': '<f4'"),
        _npy(_SAID % ("(" * 300 + ")" * 300)),
        b"\x93NUMPY",
        b"",
        b"this is no array",
    ],
)
def test_an_array_that_is_not_what_its_header_says_is_refused_in_one_sentence(path: Path, data: bytes) -> None:
    _sign(path, _npz(data))
    with pytest.raises(BundleError) as caught:
        bundles.load(path)
    assert str(caught.value).startswith(f"{path} is damaged (")
    assert "\n" not in str(caught.value)


def test_an_archive_that_is_locked_or_broken_inside_is_refused(path: Path) -> None:
    whole = _npz(_npy(_SAID % "(2, 3)", b"\0" * 24))
    locked = bytearray(whole)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[whole.index(mark) + place] |= 1
    strange = bytearray(whole)
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        strange[whole.index(mark) + place] = 77
    for data in (locked, strange, whole[:-30], whole[20:]):
        _sign(path, bytes(data))
        with pytest.raises(BundleError, match="damaged"):
            bundles.load(path)


def test_a_path_that_no_bundle_can_have_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for odd in (
        tmp_path / ("x" * 300),
        tmp_path / ("x" * 252),
        tmp_path / "file",
        tmp_path / "file" / "x",
        tmp_path / "\udcff",
    ):
        with pytest.raises(BundleError, match="bundle"):
            bundles.load(odd)


def test_where_no_bundle_can_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for odd in (tmp_path / "file" / "x.mien", tmp_path / ("x" * 300), tmp_path / "file"):
        with pytest.raises(DataError):
            bundles.check_writable(odd)
    bundles.check_writable(tmp_path / "deep" / "x.mien")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_bundle_with_something_of_the_users_in_it_is_not_replaced(path: Path) -> None:
    (path / "notes.txt").write_text("dear")
    with pytest.raises(DataError, match=r"also holds notes\.txt: move that elsewhere"):
        bundles.save(path, {}, _ARRAYS, {})
    assert (path / "notes.txt").read_text() == "dear"


_NETWORK = {"network.onnx": b"\x08\x08onnx", "network.json": b'{"name": "tiny"}', "weights.safetensors": b"weights"}


@pytest.fixture
def network(tmp_path: Path) -> Path:
    bundles.save(tmp_path / "faces.mien", {"recipe": "fer-cnn"}, _ARRAYS, {"card.md": "# card"}, _NETWORK)
    return tmp_path / "faces.mien"


def test_the_parts_of_a_network_come_back_as_they_were(network: Path) -> None:
    bundle = bundles.load(network)
    assert bundle.network == _NETWORK["network.onnx"]
    assert bundle.part(bundles.ARCHITECTURE) == _NETWORK["network.json"]
    assert bundle.part(bundles.WEIGHTS) == _NETWORK["weights.safetensors"]
    assert sorted(bundle.manifest["files"]) == sorted(["head.npz", *_NETWORK])
    assert "onnx" not in repr(bundle).replace("network.onnx", "")


def test_a_bundle_without_a_network_has_no_parts_and_no_new_schema(path: Path) -> None:
    bundle = bundles.load(path)
    assert bundle.network is None
    assert (bundle.manifest["schema"], list(bundle.manifest["files"])) == (1, ["head.npz"])
    with pytest.raises(BundleError, match=r"weights\.safetensors' is missing"):
        bundle.part(bundles.WEIGHTS)


def test_a_network_in_place_of_a_head_and_a_head_in_place_of_a_network_leave_nothing_over(network: Path) -> None:
    bundles.save(network, {"recipe": "head"}, _ARRAYS, {})
    assert sorted(file.name for file in network.iterdir()) == ["bundle.json", "head.npz"]
    bundles.save(network, {"recipe": "fer-cnn"}, _ARRAYS, {}, _NETWORK)
    assert bundles.load(network).network is not None


def test_a_changed_network_is_refused(network: Path) -> None:
    (network / "network.onnx").write_bytes(b"\x08\x08evil")
    with pytest.raises(BundleError, match=r"network\.onnx does not match its checksum"):
        bundles.load(network)


def test_a_network_that_is_gone_is_missed(network: Path) -> None:
    (network / "network.onnx").unlink()
    with pytest.raises(BundleError, match="damaged"):
        bundles.load(network)


def test_a_network_that_no_checksum_names_is_not_read(path: Path) -> None:
    (path / "network.onnx").write_bytes(b"slipped in")
    assert bundles.load(path).network is None


def test_changed_parts_that_answering_does_not_need_are_refused_when_they_are_asked_for(network: Path) -> None:
    for name in (bundles.ARCHITECTURE, bundles.WEIGHTS):
        (network / name).write_bytes(b"other")
        bundle = bundles.load(network)
        with pytest.raises(BundleError, match="checksum"):
            bundle.part(name)
        (network / name).unlink()
        with pytest.raises(BundleError, match="damaged"):
            bundle.part(name)


@pytest.mark.parametrize("name", ["network.onnx", "network.json", "weights.safetensors"])
def test_no_part_may_be_larger_than_a_part_may_be(
    network: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "LARGEST", 1000)
    with pytest.raises(DataError, match=f"{name} of .* a smaller network"):
        bundles.save(tmp_path / "x.mien", {}, _ARRAYS, {}, {**_NETWORK, name: b"\0" * 1001})
    assert not (tmp_path / "x.mien").exists()
    with (network / name).open("wb") as file:
        file.truncate(2000)
    with pytest.raises(BundleError, match=f"{name} is larger than"):
        bundles.load(network).part(name)


def test_only_parts_that_there_are_can_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no part 'model\.pkl'"):
        bundles.save(tmp_path / "x.mien", {}, _ARRAYS, {}, {"model.pkl": b""})
    with pytest.raises(ValueError, match="no part"):
        bundles.save(tmp_path / "x.mien", {}, _ARRAYS, {}, {"../up": b""})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sums", ["[]", "5", '"network.onnx"', '{"head.npz": 5, "network.onnx": 5}'])
def test_sums_that_are_none_are_refused(network: Path, sums: str) -> None:
    manifest = json.loads((network / "bundle.json").read_text())
    (network / "bundle.json").write_text(json.dumps({**manifest, "files": json.loads(sums)}))
    with pytest.raises(BundleError, match="damaged"):
        bundles.load(network)
