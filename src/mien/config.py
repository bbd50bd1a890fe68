"""What the environment may set, and where mien keeps its own files; knows no room."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mien.errors import DataError


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is set from outside.

    home: folder of the cache (`MIEN_HOME`, else the platform's cache folder).
    commercial: weights without a commercial licence are refused (`MIEN_LICENCE=commercial`).
    max_megapixels: photos above are refused before decoding (`MIEN_MAX_MEGAPIXELS`).
    traits: the built-in ones that may be used: "all", "none", or names with commas between (`MIEN_TRAITS`).
    """

    home: Path
    commercial: bool = False
    max_megapixels: float = 100.0
    traits: str = "all"


def settings() -> Settings:
    """Read the environment, afresh at each call.

    Raises:
        DataError: a variable holds something that it cannot hold.
    """
    licence = os.environ.get("MIEN_LICENCE", "any").strip().lower()
    if licence not in ("any", "commercial"):
        raise DataError(f"MIEN_LICENCE is {licence!r}: use 'commercial' or 'any'")
    traits = os.environ.get("MIEN_TRAITS", "all").strip()
    return Settings(_home(), commercial=licence == "commercial", max_megapixels=_megapixels(), traits=traits)


def _home() -> Path:
    named = os.environ.get("MIEN_HOME")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_cache_path  # only here, and not at every start

    return user_cache_path("mien", appauthor=False)


def _megapixels() -> float:
    text = os.environ.get("MIEN_MAX_MEGAPIXELS", "100")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise DataError(f"MIEN_MAX_MEGAPIXELS is {text!r}: use a number above 0")
    return value


def service() -> Path:
    """Where the service keeps its keys, its audit log and corrections (`MIEN_SERVICE`)."""
    named = os.environ.get("MIEN_SERVICE")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path  # only here, and not at every start

    return user_data_path("mien", appauthor=False) / "service"


def gallery() -> str:
    """Where people are kept who were enrolled: a path, or the URL of a database (`MIEN_GALLERY`).

    Unless set, it is in the user's data folder and not in the cache: what is in it cannot be computed again.
    """
    named = os.environ.get("MIEN_GALLERY")
    if named:
        return named
    from platformdirs import user_data_path  # only here, and not at every start

    return str(user_data_path("mien", appauthor=False) / "gallery.sqlite")
