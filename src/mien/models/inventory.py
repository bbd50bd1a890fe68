"""Says what weights there are, where they are, and whether they are still what they were; makes and fetches none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from mien.models import cache, shipped
from mien.models.cards import (
    CARDS,
    Card,
    Converted,
    Download,
    Grafted,
    Inside,
    PackageFile,
    Parts,
    Quantised,
    Truncated,
)
from mien.models.weights import BROUGHT, Terms, location, made_key, terms_of


class Where(StrEnum):
    """Where a card's weights are, or what it takes to have them."""

    PACKAGE = "package"
    CACHE = "cache"
    FIRST_USE = "made on first use"
    PULL = "to download"
    ADD = "to add"
    MISSING = "missing"


class State(StrEnum):
    """What became of a file."""

    OK = "ok"
    CHANGED = "changed"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Holding:
    """A card, under which terms its file is, where that is, and its size in bytes (of the download, if not here).

    trait: the built-in trait whose head on the card's vectors this is; None for the card's own weights.
    """

    card: Card
    terms: Terms
    where: Where
    bytes: int | None
    trait: shipped.Shipped | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One file of weights, read again."""

    name: str
    path: Path
    state: State


def holdings() -> list[Holding]:
    """All cards and where their weights are, without reading any."""
    return [Holding(card, terms_of(card), *_where(card)) for card in CARDS.values()]


def traits() -> list[Holding]:
    """The built-in traits that there are, each under the terms of the network that it stands on."""
    found = [shipped.shipped(name) for name in shipped.TRAITS if shipped.is_there(name)]
    return [Holding(each.trunk, terms_of(each.trunk), Where.PACKAGE, each.bytes, each) for each in found]


def verify() -> list[Check]:
    """Read every file of weights that is here, in packages and in the cache, and compare it with its SHA-256."""
    return [check for card in CARDS.values() for check in _checks(card)]


def _where(card: Card) -> tuple[Where, int | None]:
    cached = _cached(card)
    if cached:
        return Where.CACHE, cached[0].stat().st_size
    match card.source:
        case Inside(package):
            return (Where.PACKAGE if find_spec(package) else Where.MISSING), None
        case PackageFile():
            return (Where.PACKAGE if _exists(card.source) else Where.MISSING), card.source.bytes
        case Converted() | Quantised() | Truncated() | Grafted() | Parts():
            return _where_made(card), None
        case Download():
            return Where.PULL, card.source.bytes
    return Where.ADD, None


def _where_made(card: Card) -> Where:
    match card.source:
        case Parts(cards):
            places = [_where(CARDS[part])[0] for part in cards]
            return next((place for place in places if place is not Where.CACHE), Where.CACHE)
        case Converted(_, file):
            return Where.FIRST_USE if _exists(file) else Where.MISSING
        case Grafted(_, _, file) if not _exists(file):
            return Where.MISSING
        case Quantised(other) | Truncated(other) | Grafted(other):
            return Where.MISSING if _where_made(CARDS[other]) is Where.MISSING else Where.FIRST_USE
    raise ValueError(f"weights {card.name!r} are not made from others")


def _cached(card: Card) -> list[Path]:
    if card.is_brought:
        return cache.stored(card.name, BROUGHT)
    if isinstance(card.source, Converted | Quantised | Truncated | Grafted):
        return cache.stored(card.name, made_key(card))
    return []


def _checks(card: Card) -> Iterator[Check]:
    packaged = card.source.file if isinstance(card.source, Converted | Grafted) else card.source
    if isinstance(packaged, PackageFile):
        if _exists(packaged):
            path = location(packaged)
            yield Check(card.name, path, State.OK if cache.sha256(path) == packaged.sha256 else State.CHANGED)
        else:
            yield Check(card.name, Path(packaged.package, packaged.path), State.MISSING)
    for path in _cached(card):
        sound = cache.sha256(path).startswith(cache.digest(path))
        yield Check(card.name, path, State.OK if sound else State.CHANGED)


def _exists(file: PackageFile) -> bool:
    return find_spec(file.package) is not None and location(file).is_file()
