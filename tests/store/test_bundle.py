"""Bundles: what was saved is loaded, and nothing else is believed."""

from __future__ import annotations

import io
import json
import shutil
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
    ["", "[]", "null", "{}", '{"schema": 1}', '{"schema": 1, "files": {}}', '{"schema": 1, "files": []}', "\x00"],
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
    manifest["files"]["head.npz"]["sha256"] = sha256(data).hexdigest()
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
    monkeypatch.setattr(bundles, "_LARGEST", 100_000)
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
