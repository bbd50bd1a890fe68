"""Bundles on disk: folders of JSON, arrays and reports, whose form and checksums are verified before use."""

from __future__ import annotations

import io
import json
import math
import os
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from mien import fileio
from mien.errors import BundleError, DataError
from mien.text import join_names

SCHEMA = 1
SUFFIX = ".mien"
_MANIFEST, _ARRAYS = "bundle.json", "head.npz"
NETWORK, ARCHITECTURE, WEIGHTS = "network.onnx", "network.json", "weights.safetensors"
"""The parts of a bundle whose head is a network: what predicts, its architecture, and the weights to train on from."""
REPORT, CARD = "report.html", "card.md"
"""The pages of a bundle: its report and its model card. Either may be missing."""
_PARTS = frozenset({_MANIFEST, _ARRAYS, NETWORK, ARCHITECTURE, WEIGHTS, REPORT, CARD})
LARGEST = 512 * 2**20
"""The most bytes of a part of a bundle."""
# A stranger's bundle may claim anything. JSON takes up to twenty times its size in memory; 16 MiB hold 40 000 labels.
_LARGEST_JSON = 16 * 2**20
_LARGEST_PAGE = 64 * 2**20

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Bundle:
    """The result of training: `manifest` is bundle.json, `arrays` head.npz, and `network` network.onnx, if any."""

    path: Path
    manifest: Mapping[str, Any]
    arrays: Arrays
    network: bytes | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(SUFFIX)

    def part(self, name: str) -> bytes:
        """One of the parts that prediction does not need, read on request: `ARCHITECTURE` or `WEIGHTS`.

        Raises:
            BundleError: it is missing, or changed since it was written.
        """
        try:
            return _checked(self.path, self.manifest["files"], name)
        except (KeyError, OSError, ValueError) as error:
            raise _damaged(self.path, error) from error

    def page(self, name: str) -> bytes | None:
        """`REPORT` or `CARD` as it is now, since people may edit them; None if there is none.

        A symbolic link counts as none: in a stranger's bundle it could point to any file.

        Raises:
            BundleError: it cannot be read.
        """
        path = self.path / name
        if path.is_symlink() or not path.exists():
            return None
        try:
            return _read(path, _LARGEST_PAGE)
        except (OSError, ValueError) as error:
            raise _damaged(self.path, error) from error

    def has(self, name: str) -> bool:
        """Whether there is such a page."""
        path = self.path / name
        return path.is_file() and not path.is_symlink()


def save(
    path: Path,
    manifest: Mapping[str, Any],
    arrays: Arrays,
    reports: Mapping[str, str],
    parts: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Write a bundle, replacing an older one at that path; `parts` are those of a network, by name.

    Raises:
        ValueError: there is no part of that name.
        DataError: there is something else than a bundle, or it cannot be written.
    """
    if unknown := parts.keys() - {NETWORK, ARCHITECTURE, WEIGHTS}:
        raise ValueError(f"a bundle has no part {min(unknown)!r}")
    check_writable(path)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    data = {_ARRAYS: buffer.getvalue(), **parts}
    # Only what decides predictions has a checksum: the pages may be edited.
    whole = {"schema": SCHEMA, **manifest, "files": {name: _sum(part) for name, part in data.items()}}
    text = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False).encode()
    if len(text) > _LARGEST_JSON or len(data[_ARRAYS]) > LARGEST:
        raise DataError(f"{path} would be too large for a bundle: train on fewer labels")
    if large := [name for name, part in parts.items() if len(part) > LARGEST]:
        raise DataError(f"{join_names(large)} of {path} would be too large: train a smaller network")
    pages = {name: page.encode() for name, page in reports.items()}
    fileio.write_folder(path, {**data, **pages, _MANIFEST: text})


def check_writable(path: Path) -> None:
    """Refuse a path at which no bundle can be written, before hours of training; nothing is created there.

    Raises:
        DataError: there is something else than a bundle, or nothing can be written there.
    """
    fileio.check_writable(Path(os.path.realpath(path)))
    if path.exists() and not (path / _MANIFEST).is_file():
        raise DataError(f"{path} already exists and is not a bundle: choose another --out")
    if foreign := sorted(file.name for file in path.glob("*") if file.name not in _PARTS):
        raise DataError(f"{path} also holds {join_names(foreign)}: move that elsewhere, or choose another --out")


def load(path: Path) -> Bundle:
    """Read and check a bundle; safe with a stranger's: JSON and arrays of numbers, of bounded size, never objects.

    The checksum of its network, if it has one, is verified, but not what the network contains.

    Raises:
        BundleError: it is missing, damaged, changed since it was written, or from a later version.
    """
    try:
        data = _read(path / _MANIFEST, _LARGEST_JSON)
    except (FileNotFoundError, NotADirectoryError) as error:
        near = path.with_name(path.name + SUFFIX)
        hint = f" (did you mean {near}?)" if os.path.lexists(near / _MANIFEST) else ""
        raise BundleError(f"there is no bundle at {path}{hint}: 'mien train' makes one") from error
    except OSError as error:
        raise BundleError(f"the bundle {path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise _damaged(path, error) from error
    try:
        manifest = json.loads(data)
        if not isinstance(manifest, dict):
            raise TypeError("bundle.json is not an object")
        if (schema := manifest["schema"]) != SCHEMA:
            upgrade = f"this mien reads {SCHEMA}: update mien or train it again"
            raise BundleError(f"{path} has schema {schema!r:.20} and {upgrade}")
        sums = manifest["files"]
        network = _checked(path, sums, NETWORK) if NETWORK in sums else None
        return Bundle(path, manifest, _arrays(_checked(path, sums, _ARRAYS)), network)
    except BundleError:
        raise
    except Exception as error:  # json, zipfile, zlib and numpy each have their own for what is broken or too much
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> BundleError:
    match error:
        case KeyError():
            detail = f"{error.args[0]!r} is missing"
        case MemoryError():
            detail = "it asks for more memory than there is"
        case RecursionError():
            detail = "it is nested too deeply"
        case _:
            detail = next(iter(str(error).splitlines()), type(error).__name__)
    return BundleError(f"{path} is damaged ({detail}): restore it or train it again")


def _read(path: Path, most: int) -> bytes:
    if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe would block
        raise ValueError(f"{path.name} is not a file")
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"{path.name} is larger than {most >> 20} MiB")
    return data


def _checked(path: Path, sums: Mapping[str, Mapping[str, Any]], name: str) -> bytes:
    said, data = sums[name], _read(path / name, LARGEST)
    if said != _sum(data):
        raise ValueError(f"{name} does not match its checksum")
    return data


def _sum(data: bytes) -> dict[str, str | int]:
    return {"sha256": sha256(data).hexdigest(), "bytes": len(data)}


def _arrays(data: bytes) -> Arrays:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
            raise ValueError(f"{_ARRAYS} unpacks to more than {LARGEST >> 20} MiB")
        for entry in archive.infolist():
            _check_size(archive, entry)
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _check_size(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Before numpy makes room for an array, see that it is there: its header may claim any shape."""
    with archive.open(entry) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{_ARRAYS} holds what mien does not write")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if math.prod(shape) * dtype.itemsize != entry.file_size - file.tell():
            raise ValueError(f"{_ARRAYS} does not hold the arrays that it says it holds")
