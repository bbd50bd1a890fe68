"""The cards: what is known of each set of weights, read from `cards.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from mien.errors import UnknownName

Kind: TypeAlias = Literal["detector", "embedder", "landmarks"]
Commercial: TypeAlias = Literal["yes", "no", "unknown"]

IDENTITY_EMBEDDER, APPEARANCE_EMBEDDER = "dlib-resnet", "traits"
"""The default embedder, whose vectors tell people apart, and the one whose vectors tell how they look."""

EMBEDDER_SEPARATOR = "+"
"""Joins the names of embedders whose vectors are concatenated, as in `dlib-resnet+traits`."""


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file in an installed package, which is never imported.

    distribution: the name to install it by, where it differs from the package's.
    """

    package: str
    path: str
    sha256: str
    bytes: int
    distribution: str = ""


@dataclass(frozen=True, slots=True)
class CompiledPackage:
    """Weights compiled into a package, which is installed under one of the names `distributions`."""

    package: str
    distributions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conversion:
    """An ONNX model made from a package's file."""

    converter: Literal["dlib", "mtcnn"]
    file: PackageFile


@dataclass(frozen=True, slots=True)
class Quantisation:
    """An int8 ONNX model made from another card's network, with the activation ranges in the file `ranges`."""

    card: str
    ranges: str


@dataclass(frozen=True, slots=True)
class Truncation:
    """Another card's network up to `layer`, whose values are the vector: the mean of the crop and its mirror image."""

    card: str
    layer: str


@dataclass(frozen=True, slots=True)
class Graft:
    """Another card's network up to `layer`, and the network in a shipped file on top of it."""

    card: str
    layer: str
    file: PackageFile


@dataclass(frozen=True, slots=True)
class CardGroup:
    """Several cards that belong together."""

    cards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file that is recognised by its checksum; `licence` and `url` only where they differ from the card's."""

    file: str
    sha256: str
    licence: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """Where the owner publishes the weights; where that is a zip archive, `member` is the file to take out of it."""

    url: str
    sha256: str
    bytes: int
    member: KnownFile | None = None


@dataclass(frozen=True, slots=True)
class ManualFile:
    """No download with a checksum exists: users bring the file, and `hint` says where to find it."""

    hint: str


Source: TypeAlias = (
    PackageFile | CompiledPackage | Conversion | Quantisation | Truncation | Graft | CardGroup | Download | ManualFile
)


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What an embedder takes: crops of the view of that name, `size` pixels square.

    Pixels enter the network as (value - mean) * scale, in the order `colour`.
    """

    size: int
    view: str
    colour: Literal["rgb", "bgr"] = "rgb"
    mean: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Card:
    """One set of weights.

    data: what it was trained on. outputs: number of outputs of the network, by which an unknown file is checked.
    dim, threshold: of an embedder, the length of its vectors and the distance below which two faces are one person.
    layout: (channels, height, width) where the vectors are an inner layer's values; these are used as they are: the
    mirror image is in them already, and unit length would make them useless to the next layer.
    known: files that are recognised by their checksum.
    """

    name: str
    kind: Kind
    title: str
    licence: str
    commercial: Commercial
    data: str
    source: Source
    url: str | None = None
    input: InputSpec | None = None
    dim: int | None = None
    threshold: float | None = None
    layout: tuple[int, int, int] | None = None
    outputs: int = 1
    known: tuple[KnownFile, ...] = ()

    @property
    def is_external(self) -> bool:
        """Whether its file comes from outside, by `models pull` or `models add`."""
        return isinstance(self.source, Download | ManualFile)


def get_card(name: str) -> Card:
    """The card of that name; raises UnknownName, whose message lists the names."""
    if name in CARDS:
        return CARDS[name]
    near = get_close_matches(name, CARDS, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UnknownName(f"there are no weights called {name!r}{hint} (there are: {', '.join(CARDS)})")


def _card(name: str, table: dict[str, Any]) -> Card:
    source = _source(table.pop("source"))
    known = [KnownFile(**entry) for entry in table.pop("known", [])]
    if isinstance(source, Download):
        known.insert(0, source.member or KnownFile(source.url.rsplit("/", 1)[-1], source.sha256))
    if "input" in table:
        table["input"] = InputSpec(**table["input"])
    if "layout" in table:
        table["layout"] = tuple(table["layout"])
    return Card(name=name, source=source, known=tuple(known), **table)


def _source(table: dict[str, Any]) -> Source:
    match table.pop("kind"):
        case "package":
            return PackageFile(**table)
        case "shipped":
            return _shipped_file(**table)
        case "compiled":
            return CompiledPackage(table["package"], tuple(table["distributions"]))
        case "converted":
            return Conversion(table.pop("converter"), PackageFile(**table))
        case "quantised":
            return Quantisation(**table)
        case "truncated":
            return Truncation(**table)
        case "grafted":
            return Graft(table.pop("card"), table.pop("layer"), _shipped_file(**table))
        case "group":
            return CardGroup(tuple(table["cards"]))
        case "download":
            member = table.pop("member", None)
            return Download(**table, member=KnownFile(**member) if member else None)
        case "manual":
            return ManualFile(**table)
        case other:
            raise ValueError(f"cards.toml: unknown kind of source {other!r}")


def _shipped_file(file: str, sha256: str, bytes: int) -> PackageFile:
    return PackageFile("mien", f"models/shipped/{file}", sha256, bytes)


_TABLES = tomllib.loads(files("mien.models").joinpath("cards.toml").read_text(encoding="utf-8"))
CARDS: Mapping[str, Card] = MappingProxyType({name: _card(name, table) for name, table in _TABLES.items()})
