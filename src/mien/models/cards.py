"""The cards: what is known of each set of weights, read from `cards.toml`; knows no file on this machine."""

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


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file that an installed package carries; the package itself is never imported.

    distribution: what to install, where that is not called as the package is.
    """

    package: str
    path: str
    sha256: str
    bytes: int
    distribution: str = ""


@dataclass(frozen=True, slots=True)
class Inside:
    """Weights compiled into a package, which is installed under one of the names `distributions`."""

    package: str
    distributions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Converted:
    """An ONNX model made from a package's file by the converter `how`."""

    how: Literal["dlib", "mtcnn"]
    file: PackageFile


@dataclass(frozen=True, slots=True)
class Quantised:
    """An int8 ONNX model made from another card, with shipped ranges of its activations."""

    card: str
    ranges: str


@dataclass(frozen=True, slots=True)
class Truncated:
    """The network of another card up to its layer `at`, which is the vector: the mean of crop and mirror image."""

    card: str
    at: str


@dataclass(frozen=True, slots=True)
class Grafted:
    """The network of another card up to its layer `at`, and from there on the network in a shipped file."""

    card: str
    at: str
    file: PackageFile


@dataclass(frozen=True, slots=True)
class Parts:
    """Several cards that belong together."""

    cards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """A file whose checksum is known; `licence` and `url` only where they differ from the card's."""

    file: str
    sha256: str
    licence: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """Where the owner publishes the weights; `member` is the file wanted where that is a zip archive."""

    url: str
    sha256: str
    bytes: int
    member: Known | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """Nobody offers one file with a checksum: the user brings it, and `hint` says where to look."""

    hint: str


Source: TypeAlias = PackageFile | Inside | Converted | Quantised | Truncated | Grafted | Parts | Download | Given


@dataclass(frozen=True, slots=True)
class Input:
    """What an embedder takes: crops of the view of that name, `size` pixels square.

    Their values are taken as (value - mean) * scale, in the order `colour`.
    """

    size: int
    view: str
    colour: Literal["rgb", "bgr"] = "rgb"
    mean: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Card:
    """One set of weights.

    data: what it was trained on. outputs: how many outputs the network has, where a file is taken by its shape.
    dim, threshold: of an embedder, the length of its vectors and the distance below which two faces are one person.
    layout: (channels, height, width) where the vectors are the values of an inner layer; they are used as they come, as
    the mirrored crop is in them already, and scaled to length one they would no longer be what the next layer takes.
    known: files that are taken as this card's by their checksum.
    """

    name: str
    kind: Kind
    title: str
    licence: str
    commercial: Commercial
    data: str
    source: Source
    url: str | None = None
    input: Input | None = None
    dim: int | None = None
    threshold: float | None = None
    layout: tuple[int, int, int] | None = None
    outputs: int = 1
    known: tuple[Known, ...] = ()

    @property
    def is_brought(self) -> bool:
        """Whether its file comes from outside, by `models pull` or `models add`."""
        return isinstance(self.source, Download | Given)


def card(name: str) -> Card:
    """The card of that name.

    Raises:
        UnknownName: there is none; the message lists what there is.
    """
    try:
        return CARDS[name]
    except KeyError:
        near = get_close_matches(name, CARDS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UnknownName(f"there are no weights called {name!r}{hint} (there are: {', '.join(CARDS)})") from None


def _read() -> Mapping[str, Card]:
    text = files("mien.models").joinpath("cards.toml").read_text(encoding="utf-8")
    return MappingProxyType({name: _card(name, table) for name, table in tomllib.loads(text).items()})


def _card(name: str, table: dict[str, Any]) -> Card:
    source = _source(table.pop("source"))
    known = [Known(**entry) for entry in table.pop("known", [])]
    if isinstance(source, Download):
        known.insert(0, source.member or Known(source.url.rsplit("/", 1)[-1], source.sha256))
    size, layout = table.pop("input", None), table.pop("layout", None)
    return Card(
        name=name,
        source=source,
        known=tuple(known),
        input=Input(**size) if size else None,
        layout=tuple(layout) if layout else None,
        **table,
    )


def _source(table: dict[str, Any]) -> Source:
    match table.pop("kind"):
        case "package":
            return PackageFile(**table)
        case "shipped":
            return _shipped(**table)
        case "inside":
            return Inside(table["package"], tuple(table["distributions"]))
        case "converted":
            return Converted(table.pop("how"), PackageFile(**table))
        case "quantised":
            return Quantised(**table)
        case "truncated":
            return Truncated(**table)
        case "grafted":
            return Grafted(table.pop("card"), table.pop("at"), _shipped(**table))
        case "parts":
            return Parts(tuple(table["cards"]))
        case "download":
            member = table.pop("member", None)
            return Download(**table, member=Known(**member) if member else None)
        case "given":
            return Given(**table)
        case other:
            raise ValueError(f"cards.toml: there is no kind of source {other!r}")


def _shipped(file: str, sha256: str, bytes: int) -> PackageFile:
    return PackageFile("mien", f"models/shipped/{file}", sha256, bytes)


CARDS: Mapping[str, Card] = _read()
