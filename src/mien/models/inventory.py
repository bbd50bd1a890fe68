"""Which weights are on this machine: lists them, verifies them, adds files that the user brings, and removes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import Any

from mien import fileio
from mien.errors import DataError, WeightsError
from mien.models import builtin_traits, cards, weights
from mien.models.cards import (
    Card,
    CardGroup,
    CompiledPackage,
    Conversion,
    Download,
    Graft,
    ManualFile,
    OwnFile,
    PackageFile,
    Quantisation,
    Truncation,
    get_card,
)

MAX_BYTES = 1 << 30
"""Far above any network for faces."""
_FLOAT32 = 1  # of ONNX's data types


class Location(StrEnum):
    """Where a card's weights are, or what it takes to have them."""

    PACKAGE = "package"
    CACHE = "cache"
    FIRST_USE = "made on first use"
    PULL = "to download"
    ADD = "to add"
    MISSING = "missing"


class FileState(StrEnum):
    """The result of verifying a file."""

    OK = "ok"
    CHANGED = "changed"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class InventoryEntry:
    """A card, the licence of its file, where that is, and its size in bytes (of the download, if it is not here).

    trait: the built-in trait that takes the card's vectors; None for the card's own weights.
    """

    card: Card
    terms: weights.LicenceTerms
    location: Location
    bytes: int | None
    trait: builtin_traits.BuiltinTrait | None = None


@dataclass(frozen=True, slots=True)
class FileCheck:
    """A file of weights that was read again."""

    name: str
    path: Path
    state: FileState


@dataclass(frozen=True, slots=True)
class AddResult:
    """The card that a file was added to, the file in the cache, its licence, and whether its checksum is known.

    trial: what a network of the user's own made of a photo.
    """

    name: str
    path: Path
    known: bool
    terms: weights.LicenceTerms
    trial: str = ""


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """An ONNX file with one input (n, 3, height, width) of float32, as its header describes it.

    sides: height and width of the pictures that it takes, 0 where one is free. outputs: the sides of each, likewise.
    scales: whether the network begins with a subtraction and a multiplication or division, and so wants pixels as
    they are.
    """

    data: bytes
    sha256: str
    sides: tuple[int, int]
    outputs: tuple[tuple[int, ...], ...]
    scales: bool


def list_weights() -> list[InventoryEntry]:
    """All cards and where their weights are; none are read."""
    return [InventoryEntry(card, weights.licence_terms(card), *_location(card)) for card in cards.CARDS.values()]


def list_traits() -> list[InventoryEntry]:
    """The built-in traits of this installation, each under the licence of its network."""
    traits = map(builtin_traits.get_trait, filter(builtin_traits.is_installed, builtin_traits.TRAITS))
    return [
        InventoryEntry(trait.backbone, weights.licence_terms(trait.backbone), Location.PACKAGE, trait.bytes, trait)
        for trait in traits
    ]


def verify() -> list[FileCheck]:
    """Read every file of weights in packages and in the cache, and compare it with its SHA-256."""
    return [check for card in cards.CARDS.values() for check in _checks(card)]


def _location(card: Card) -> tuple[Location, int | None]:
    cached = _cached(card)
    if cached:
        return Location.CACHE, cached[0].stat().st_size
    match card.source:
        case Download():
            return Location.PULL, card.source.bytes
        case ManualFile() | OwnFile():
            return Location.ADD, None
        case CardGroup(names):
            parts = (_location(get_card(name))[0] for name in names)
            return next((part for part in parts if part is not Location.CACHE), Location.CACHE), None
    size = card.source.bytes if isinstance(card.source, PackageFile) else None
    if not weights.has_source(card):
        return Location.MISSING, size
    used_in_place = isinstance(card.source, PackageFile | CompiledPackage)
    return Location.PACKAGE if used_in_place else Location.FIRST_USE, size


def _cached(card: Card) -> list[Path]:
    if card.is_external:
        return weights.external_files(card)
    if isinstance(card.source, Conversion | Quantisation | Truncation | Graft):
        return weights.cached_files(card.name, weights.cache_key(card))
    return []


def _checks(card: Card) -> Iterator[FileCheck]:
    file = card.source.file if isinstance(card.source, Conversion | Graft) else card.source
    if isinstance(file, PackageFile):
        if weights.is_installed(file):
            path = weights.package_path(file)
            yield FileCheck(card.name, path, _state(weights.file_sha256(path) == file.sha256))
        else:
            yield FileCheck(card.name, Path(file.package, file.path), FileState.MISSING)
    cached = _cached(card)
    if isinstance(card.source, OwnFile) and not cached:
        yield FileCheck(card.name, cards.own_card_path(card.name).with_suffix(".onnx"), FileState.MISSING)
    for path in cached:
        intact = weights.file_sha256(path).startswith(weights.digest_in_name(path))
        yield FileCheck(card.name, path, _state(intact))


def _state(intact: bool) -> FileState:
    return FileState.OK if intact else FileState.CHANGED


def add(file: Path, name: str | None = None) -> AddResult:
    """Copy a file of weights into the cache, under the card that its checksum belongs to, or else under `name`.

    Raises:
        UnknownName: there is no card of that name.
        WeightsError: the file cannot be read, is not known and no name is given, or does not fit the name.
    """
    requested = get_card(name) if name else None
    data = _read(file)
    sha256 = hashlib.sha256(data).hexdigest()
    known = known_card(sha256)
    if known is not None and requested is not None and known.name != requested.name:
        raise WeightsError(f"{file} holds weights of {known.name!r}, not of {requested.name!r}: omit --as")
    card = known or requested
    if card is None:
        raise WeightsError(
            f"mien does not know the file {file}: say with --as what it is ({_choices()}), or give a new name"
        )
    if known is None and (problem := _mismatch(_graph(file, data), card)):
        raise WeightsError(f"{file} does not fit {card.name!r}: {problem}")
    path = weights.add_to_cache(card.name, weights.EXTERNAL_KEY, data)
    return AddResult(card.name, path, known is not None, weights.licence_terms(card))


def known_card(sha256: str) -> Card | None:
    """The built-in card that knows a file of this checksum."""
    return next((card for card in cards.BUILT_IN.values() if sha256 in [file.sha256 for file in card.known]), None)


def inspect(file: Path) -> NetworkFile:
    """Read the header of a network of the user's own.

    Raises:
        WeightsError: it is no ONNX file, or takes something else than one batch of colour pictures.
    """
    data = _read(file)
    graph = _graph(file, data)
    values = _inputs(graph)
    shapes = [_shape(value) for value in values]
    floats = all(value.type.tensor_type.elem_type == _FLOAT32 for value in values)
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][0] > 1 or shapes[0][1] not in (0, 3) or not floats:
        takes = f"{shapes}{'' if floats else ' of another type'}"
        raise WeightsError(
            f"{file} cannot be used: it should take one input (n, 3, height, width) of float32, but takes {takes}"
        )
    # Much as InsightFace tells the two kinds of its networks apart.
    first = {node.op_type for node in takewhile(lambda node: node.op_type != "Conv", graph.node[:8])}
    outputs = tuple(tuple(_shape(each)) for each in graph.output)
    sides, scales = (shapes[0][2], shapes[0][3]), "Sub" in first and bool(first & {"Mul", "Div"})
    return NetworkFile(data, hashlib.sha256(data).hexdigest(), sides, outputs, scales)


def store_own(card: Card) -> None:
    """Put the card of a network of the user's own beside its file, after which it can be used by its name."""
    try:
        fileio.write(cards.own_card_path(card.name), json.dumps(cards.own_card_as_json(card), indent=1).encode())
    except DataError as error:
        raise WeightsError(f"{error} (MIEN_HOME says where weights are kept)") from error
    cards.CARDS.forget(card.name)


def remove(name: str) -> list[Path]:
    """Remove weights that were added or downloaded -> the files that are gone.

    Raises:
        UnknownName: there are no weights of that name.
        WeightsError: they come with an installed package, or are not on this machine.
    """
    own = cards.own_card_path(name) if cards.OWN_NAME.fullmatch(name) and name not in cards.BUILT_IN else None
    if (own is None or not own.is_file()) and not get_card(name).is_external:
        raise WeightsError(f"the weights of {name!r} come with an installed package, or are made from such a file")
    files = [path for path in (own,) if path and path.is_file()]  # first, so that no card is left without its file
    files += weights.cached_files(name, weights.EXTERNAL_KEY)
    if not files:
        raise WeightsError(f"weights {name!r} are not on this machine: there is nothing to remove")
    cards.CARDS.forget(name)
    for path in files:
        try:
            path.unlink()
        except OSError as error:
            raise WeightsError(f"{path} could not be removed ({error.strerror})") from error
    return files


def _inputs(graph: Any) -> list[Any]:
    constants = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in constants]


def _graph(file: Path, data: bytes) -> Any:
    import onnx  # here, as it takes longer to import than everything else in this room

    try:
        graph = onnx.load_model_from_string(data).graph
    except Exception as error:  # protobuf's own, which onnx does not name
        raise WeightsError(f"{file} is not an ONNX file ({type(error).__name__})") from error
    if not graph.node:
        raise WeightsError(f"{file} is not an ONNX file: it holds no network")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in graph.initializer):
        raise WeightsError(f"{file} keeps its numbers in a second file: save it as one file")
    return graph


def _mismatch(graph: Any, card: Card) -> str | None:
    """Why this network cannot be that of the card, or None where its inputs and outputs fit."""
    if not card.is_external:
        return f"its weights come with an installed package; files can be added for {_choices()}"
    inputs = [_shape(value) for value in _inputs(graph)]
    outputs = [_shape(value) for value in graph.output]
    if len(inputs) != 1 or len(inputs[0]) != 4 or inputs[0][1] not in (0, 3):
        return f"it should take one input (n, 3, height, width), but takes {list(inputs)}"
    size = card.input.size if card.input else 0
    if size and any(side not in (0, size) for side in inputs[0][2:]):
        return f"it should take pictures of {size} x {size} pixels, but takes {inputs[0][3]} x {inputs[0][2]}"
    if len(outputs) != card.outputs:
        return f"it should have {card.outputs} output{'s' * (card.outputs > 1)}, but has {len(outputs)}"
    if card.dim and (not outputs[0] or outputs[0][-1] not in (0, card.dim)):
        return f"it should give {card.dim} values per face, but gives {list(outputs[0])}"
    return None


def _shape(value: Any) -> list[int]:
    """The sides of an input or output; 0 where one is free."""
    return [int(side.dim_value) for side in value.type.tensor_type.shape.dim]


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise WeightsError(f"{file} is larger than {MAX_BYTES >> 20} MB: it cannot be weights for faces")
        return file.read_bytes()
    except OSError as error:
        raise WeightsError(f"{file} cannot be read ({error.strerror})") from error


def _choices() -> str:
    return ", ".join(name for name, card in cards.CARDS.items() if card.is_external)
