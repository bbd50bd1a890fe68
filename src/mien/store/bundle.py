"""Bundles on disk: a folder of JSON, arrays and reports, checked before anything of it is believed.

Knows the form of a bundle and its checksums; what the fields mean is for those who load it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien import atomic
from mien.errors import BundleError, DataError

SCHEMA = 1
SUFFIX = ".mien"
_MANIFEST = "bundle.json"
_LARGEST = 512 * 2**20  # bytes of one file; a stranger's bundle may claim anything

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Bundle:
    """What training left: `manifest` is bundle.json, `arrays` is head.npz."""

    path: Path
    manifest: Mapping[str, Any]
    arrays: Arrays

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(SUFFIX)


def save(path: Path, manifest: Mapping[str, Any], arrays: Arrays, reports: Mapping[str, str]) -> None:
    """Write a bundle, in place of an older one at that path.

    Raises:
        DataError: something that is not a bundle lies there, or it cannot be written.
    """
    writable(path)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    files = {"head.npz": buffer.getvalue(), **{name: text.encode() for name, text in reports.items()}}
    sums = {name: {"sha256": sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()}
    whole = {"schema": SCHEMA, **manifest, "files": sums}
    files[_MANIFEST] = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False).encode()
    atomic.write_folder(path, files)


def writable(path: Path) -> None:
    """Refuse early, before hours of training, a path at which no bundle can be written.

    Raises:
        DataError: something that is not a bundle lies there.
    """
    if path.exists() and not (path / _MANIFEST).is_file():
        raise DataError(f"{path} is there already and is not a bundle: choose another --out")


def load(path: Path) -> Bundle:
    """Read and check a bundle; safe with a stranger's: JSON and arrays of numbers, of bounded size, never objects.

    Raises:
        BundleError: it is missing, damaged, changed since it was written, or from a later version.
    """
    if not (path / _MANIFEST).is_file():
        near = path.with_name(path.name + SUFFIX)
        hint = f" (did you mean {near}?)" if (near / _MANIFEST).is_file() else ""
        raise BundleError(f"there is no bundle at {path}{hint}: 'mien train' makes one")
    try:
        manifest = json.loads(_read(path / _MANIFEST))
        if not isinstance(manifest, dict):
            raise TypeError("bundle.json is not an object")
        if manifest["schema"] != SCHEMA:
            raise BundleError(
                f"{path} has schema {manifest['schema']!r} and this mien reads {SCHEMA}: update mien or train it anew"
            )
        data = _checked(path, manifest["files"], "head.npz")
        return Bundle(path, manifest, _arrays(data))
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        detail = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise BundleError(f"{path} is damaged ({detail}): restore it or train it anew") from error


def _read(path: Path) -> bytes:
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"{path.name} is larger than {_LARGEST >> 20} MiB")
    return path.read_bytes()


def _checked(path: Path, sums: Mapping[str, Mapping[str, str]], name: str) -> bytes:
    data = _read(path / name)
    if sha256(data).hexdigest() != sums[name]["sha256"]:
        raise ValueError(f"{name} does not match its checksum")
    return data


def _arrays(data: bytes) -> Arrays:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
            raise ValueError(f"head.npz unpacks to more than {_LARGEST >> 20} MiB")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
