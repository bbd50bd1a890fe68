"""The cards: what is known of each set of weights, read from `cards.toml`, and from the cache for the user's own."""

from __future__ import annotations

import json
import math
import re
import shlex
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from mien.config import settings
from mien.errors import MienWarning, UnknownName, WeightsError

Kind: TypeAlias = Literal["detector", "embedder", "landmarks"]
Commercial: TypeAlias = Literal["yes", "no", "unknown"]

IDENTITY_EMBEDDER, APPEARANCE_EMBEDDER = "dlib-resnet-int8", "traits"
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

    converter: Literal["dlib", "mtcnn", "yunet"]
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


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A network that the user added under a name of their own."""

    sha256: str


_Made: TypeAlias = Conversion | Quantisation | Truncation | Graft
Source: TypeAlias = PackageFile | CompiledPackage | _Made | CardGroup | Download | ManualFile | OwnFile


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What an embedder takes: crops of the view of that name, `size` pixels square.

    Pixels enter the network as (value - mean) * scale, in the order `colour`. one_by_one: it takes no batches, or gives
    other vectors in one.
    """

    size: int
    view: str
    colour: Literal["rgb", "bgr"] = "rgb"
    mean: float = 0.0
    scale: float = 1.0
    one_by_one: bool = False


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
        return isinstance(self.source, Download | ManualFile | OwnFile)


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


@dataclass(frozen=True, slots=True)
class _OwnFields:
    """The card of a network of the user's own as JSON, in the cache folder and in bundles."""

    kind: Literal["detector", "embedder"]
    title: str
    licence: str
    commercial: Commercial
    data: str
    sha256: str
    outputs: int
    input: InputSpec | None
    dim: int | None
    threshold: float | None


_SAME_FIELDS = tuple(name for name in _OwnFields.__slots__ if name != "sha256")  # as in a card


def own_card_as_json(card: Card) -> dict[str, Any]:
    """What `own_card_from_json` makes the card from."""
    fields = {name: getattr(card, name) for name in _SAME_FIELDS}
    sha256 = card.source.sha256 if isinstance(card.source, OwnFile) else ""
    return fields | {"sha256": sha256, "input": card.input and asdict(card.input)}


def own_card_from_json(name: str, fields: object) -> Card:
    """The card of a network of the user's own; raises ValueError where the fields are not those of one."""
    from mien.validate import from_dict  # takes a while to load, and built-in cards do without

    own = from_dict(_OwnFields, fields)
    if not OWN_NAME.fullmatch(name) or not re.fullmatch("[0-9a-f]{64}", own.sha256):
        raise ValueError("its name or its SHA-256 is not one")
    if (own.kind == "embedder") != (own.input is not None and own.dim is not None):
        raise ValueError("'input' and 'dim' belong to embedders")
    spec = own.input or InputSpec(112, "arcface")
    if not 8 <= spec.size <= 2048 or spec.scale == 0 or not 0 < (own.threshold or 1) < math.inf:
        raise ValueError("'size', 'scale' or 'threshold' is out of range")
    return Card(name, source=OwnFile(own.sha256), **{field: getattr(own, field) for field in _SAME_FIELDS})


def add_command(card: Card) -> str:
    """What to type to add a network of one's own as this card has it."""
    words = ["mien", "models", "add", "FILE", "--as", card.name, "--kind", card.kind]
    if spec := card.input:
        words += ["--view", spec.view, "--size", f"{spec.size}", "--mean", f"{spec.mean:.12g}"]
        words += ["--scale", f"{1 / spec.scale:.12g}", "--colour", spec.colour]
    words += ["--threshold", f"{card.threshold:.12g}"] if card.threshold else []
    return shlex.join([*words, "--licence", card.licence, "--commercial", card.commercial])


def own_card(name: str, kind: Kind) -> Card | None:
    """The card of a network that the user added, if there is one of that name and kind."""
    card = None if name in BUILT_IN else CARDS.get(name)
    return card if card and card.kind == kind else None


def own_names(kind: Kind) -> list[str]:
    """The names of the networks of that kind that the user added."""
    return [name for name, card in CARDS.items() if name not in BUILT_IN and card.kind == kind]


def cache_folder() -> Path:
    """The folder of converted, downloaded and added weights and the cards of added ones; it may not exist yet."""
    return settings().home / "models"


def own_card_path(name: str) -> Path:
    """Where the card of a network of the user's own is kept."""
    return cache_folder() / f"{name}.json"


class _Cards(Mapping[str, Card]):
    """The built-in cards, then those of the user's own networks.

    A process keeps to the cards that it has read, so that a network which another one adds anew with another mean does
    not change the vectors halfway; `forget` is for the process that adds. A damaged card is an error only where its
    name is asked for.
    """

    def __init__(self) -> None:
        self._own: dict[Path, Card] = {}

    def __getitem__(self, name: str) -> Card:
        if name in BUILT_IN:
            return BUILT_IN[name]
        if not OWN_NAME.fullmatch(name):
            raise KeyError(name)
        path = own_card_path(name)
        if path not in self._own:
            self._own[path] = _read_own(name, path)
        return self._own[path]

    def __iter__(self) -> Iterator[str]:
        yield from BUILT_IN
        for path in sorted(cache_folder().glob("*.json")):
            try:
                found = path.stem in self
            except WeightsError as error:
                warnings.warn(str(error), MienWarning, stacklevel=2)
            else:
                if found and path.stem not in BUILT_IN:
                    yield path.stem

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def forget(self, name: str) -> None:
        """Read that card anew when it is asked for again."""
        self._own.pop(own_card_path(name), None)


def _read_own(name: str, path: Path) -> Card:
    try:
        return own_card_from_json(name, json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise KeyError(name) from None
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(
            f"{path} is damaged ({error}): type 'mien models remove {name}', and add that network again"
        ) from error


OWN_NAME = re.compile("[a-z0-9][a-z0-9-]{0,63}")
"""Names that users may give: they are names of files, too."""

_TABLES = tomllib.loads(files("mien.models").joinpath("cards.toml").read_text(encoding="utf-8"))
BUILT_IN: Mapping[str, Card] = MappingProxyType({name: _card(name, table) for name, table in _TABLES.items()})
CARDS = _Cards()
