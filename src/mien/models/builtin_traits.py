"""The traits that come with mien: their names, where their bundles are, and which are enabled."""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from mien.config import settings
from mien.errors import UnknownName, WeightsError
from mien.models.cards import Card, get_card

TRAITS = ("expression", "mask", "age", "gender", "glasses")
ALL, NONE = "all", "none"
"""What may stand in place of names."""

FOLDER = Path(__file__).with_name("shipped")
MANIFEST = "bundle.json"


@dataclass(frozen=True, slots=True)
class BuiltinTrait:
    """A trait in this installation: its bundle, its labels, and the card of the network whose vectors it takes."""

    name: str
    path: Path
    labels: tuple[str, ...]
    backbone: Card

    @property
    def bytes(self) -> int:
        """The size of its bundle, without the network."""
        return sum(file.stat().st_size for file in self.path.iterdir())


def bundle_path(name: str) -> Path | None:
    """Where the bundle of a trait belongs, whether or not it exists; None for other names."""
    return FOLDER / f"{name}.mien" if name in TRAITS else None


def is_installed(name: str) -> bool:
    """Whether the bundle of a trait is part of this installation."""
    path = bundle_path(name)
    return path is not None and (path / MANIFEST).is_file()


def get_trait(name: str) -> BuiltinTrait:
    """The trait of that name; raises UnknownName, or WeightsError where it is not part of this installation."""
    path = bundle_path(name)
    if path is None:
        raise _unknown(name)
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
    except OSError as error:
        raise WeightsError(
            f"the built-in trait {name!r} is not part of this installation ({path} is missing):"
            " pip install --force-reinstall --no-deps mien"
        ) from error
    return BuiltinTrait(name, path, tuple(manifest["labels"]), get_card(manifest["chain"]["embedder"]))


def parse_names(text: str) -> tuple[str, ...]:
    """`all`, `none`, or names separated by commas -> the traits, in the order of `TRAITS`; raises UnknownName."""
    words = {word.strip() for word in text.split(",")}
    if words == {ALL}:
        return TRAITS
    if words == {NONE}:
        return ()
    if unknown := words - set(TRAITS):
        raise _unknown(min(unknown))
    return tuple(name for name in TRAITS if name in words)


def enabled_traits() -> tuple[str, ...]:
    """The traits that `MIEN_TRAITS` enables; raises UnknownName."""
    try:
        return parse_names(settings().traits)
    except UnknownName as error:
        raise UnknownName(f"MIEN_TRAITS: {error}") from error


def require_enabled(name: str) -> None:
    """Raise WeightsError if the user has turned this trait off."""
    if name not in enabled_traits():
        raise WeightsError(
            f"the built-in trait {name!r} is turned off by MIEN_TRAITS={settings().traits}: name it there to use it"
        )


def _unknown(name: str) -> UnknownName:
    near = get_close_matches(name, TRAITS, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return UnknownName(f"there is no built-in trait called {name!r}{hint} (there are: {', '.join(TRAITS)}; all; none)")
