"""Settings from environment variables, and where mien keeps its own files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mien.errors import DataError


@dataclass(frozen=True, slots=True)
class Settings:
    """What environment variables set.

    home: the cache folder (`MIEN_HOME`, or the platform's cache folder if unset).
    commercial: refuse weights without a commercial licence (`MIEN_LICENCE=commercial`).
    max_megapixels: larger photos are rejected before decoding (`MIEN_MAX_MEGAPIXELS`).
    traits: the built-in traits that may be used: "all", "none", or a comma-separated list (`MIEN_TRAITS`).
    """

    home: Path
    commercial: bool = False
    max_megapixels: float = 100.0
    traits: str = "all"


def settings() -> Settings:
    """Read the environment on every call; raises DataError if a variable has an invalid value."""
    licence = os.environ.get("MIEN_LICENCE", "any").strip().lower()
    if licence not in ("any", "commercial"):
        raise DataError(f"MIEN_LICENCE is {licence!r}: use 'commercial' or 'any'")
    traits = os.environ.get("MIEN_TRAITS", "all").strip()
    return Settings(_home(cache=True), commercial=licence == "commercial", max_megapixels=_megapixels(), traits=traits)


def gallery() -> str:
    """The path or database URL of the gallery: `MIEN_GALLERY`, or a file in `MIEN_HOME` or the user's data folder.

    It is not in the cache folder by default, because enrolled people cannot be recomputed.
    """
    return os.environ.get("MIEN_GALLERY") or str(_home() / "gallery.sqlite")


def service() -> Path:
    """The folder of the service's keys, audit log and corrections: `MIEN_SERVICE`, or next to the default gallery."""
    return _folder("MIEN_SERVICE") or _home() / "service"


def _home(*, cache: bool = False) -> Path:
    """`MIEN_HOME`, or the platform's data or cache folder if it is unset."""
    if home := _folder("MIEN_HOME"):
        return home
    from platformdirs import user_cache_path, user_data_path  # only here, and not at every start

    return (user_cache_path if cache else user_data_path)("mien", appauthor=False)


def _folder(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).expanduser() if value else None


def _megapixels() -> float:
    text = os.environ.get("MIEN_MAX_MEGAPIXELS", "100")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise DataError(f"MIEN_MAX_MEGAPIXELS is {text!r}: use a number above 0")
    return value
