"""The traits that come with mien: their names, where their bundles lie, which are turned on; opens no bundle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mien.config import settings
from mien.errors import UnknownName, WeightsError
from mien.models.cards import Card, card

TRAITS = ("expression", "mask", "age", "gender", "glasses")
ALL, NONE = "all", "none"
"""What may be said instead of names."""

FOLDER = Path(__file__).with_name("shipped")
MANIFEST = "bundle.json"


@dataclass(frozen=True, slots=True)
class Shipped:
    """A trait as it lies in this installation: its labels, and the card of the network that its head stands on."""

    name: str
    path: Path
    labels: tuple[str, ...]
    trunk: Card

    @property
    def bytes(self) -> int:
        """What its head takes up, without the network."""
        return sum(file.stat().st_size for file in self.path.iterdir())


def bundle(name: str) -> Path | None:
    """Where the bundle of a trait lies, whether or not it is there; None for other names."""
    return FOLDER / f"{name}.mien" if name in TRAITS else None


def is_there(name: str) -> bool:
    """Whether the bundle of a trait is part of this installation."""
    path = bundle(name)
    return path is not None and (path / MANIFEST).is_file()


def shipped(name: str) -> Shipped:
    """What is known of a trait.

    Raises:
        UnknownName: there is no such trait.
        WeightsError: it is not part of this installation.
    """
    path = bundle(name)
    if path is None:
        raise _unknown(name)
    manifest = _manifest(name, path)
    return Shipped(name, path, tuple(manifest["labels"]), card(manifest["chain"]["embedder"]))


def _manifest(name: str, path: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((path / MANIFEST).read_bytes())
    except OSError as error:
        raise WeightsError(
            f"the built-in trait {name!r} is not part of this installation ({path} is missing):"
            " pip install --force-reinstall --no-deps mien"
        ) from error
    return manifest


def named(text: str) -> tuple[str, ...]:
    """`all`, `none`, or names with commas between -> the traits, in their own order.

    Raises:
        UnknownName: there is no such trait; the message lists what there is.
    """
    words = {word.strip() for word in text.split(",")}
    if words == {ALL}:
        return TRAITS
    if words == {NONE}:
        return ()
    for word in sorted(words - set(TRAITS)):
        raise _unknown(word)
    return tuple(name for name in TRAITS if name in words)


def turned_on() -> tuple[str, ...]:
    """The traits that `MIEN_TRAITS` leaves on.

    Raises:
        UnknownName: it names one that there is not.
    """
    try:
        return named(settings().traits)
    except UnknownName as error:
        raise UnknownName(f"MIEN_TRAITS: {error}") from error


def permit(name: str) -> None:
    """Let a trait pass, unless the user has turned it off.

    Raises:
        WeightsError: it is turned off.
    """
    if name not in turned_on():
        raise WeightsError(
            f"the built-in trait {name!r} is turned off by MIEN_TRAITS={settings().traits}: name it there to use it"
        )


def _unknown(name: str) -> UnknownName:
    near = get_close_matches(name, TRAITS, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return UnknownName(f"there is no built-in trait called {name!r}{hint} (there are: {', '.join(TRAITS)}; all; none)")
