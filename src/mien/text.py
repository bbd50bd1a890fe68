"""Wording that several rooms share, and names for files that are safe on every system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

MAX_NAME_BYTES = 120
"""Of a folder name in UTF-8; the strictest file system in common use (eCryptfs) takes 143."""

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control, format (turns writing around), half a pair, line ends
_JOINERS = frozenset("\u200c\u200d")  # they spell words in Persian and the scripts of India, and reorder nothing
_FORBIDDEN = frozenset('/\\:*?"<>|')
_DEVICES = {"con", "prn", "aux", "nul", *(port + digit for port in ("com", "lpt") for digit in "0123456789¹²³")}
_VARIANT = re.compile(r"(.+)~([0-9]{2,})", re.DOTALL)
_FACE = re.compile(r"(.+)-face[0-9]+", re.DOTALL)


def escape(text: str) -> str:
    r"""Any text -> one line that can be printed safely.

    Control characters, those that turn text around, and bytes of file names that are not UTF-8 are spelled out, as
    `\x1b`, `\u202e` or `\n`, so that a name can neither control the terminal nor break a page.
    """
    if text.isprintable():
        return text
    return "".join(_spelled_out(c) if _is_invisible(c) else c for c in text)


def join_names(names: Sequence[object], most: int = 5) -> str:
    """The first few of many: `a, b, c and 4 more`."""
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


@cache
def wording() -> Mapping[str, Mapping[str, tuple[str, str]]]:
    """The names of traits, labels and reasons, as pages say them: group -> name -> English and Korean."""
    import tomllib  # here, since a start of the program should not wait for it

    table = tomllib.loads(Path(__file__).with_name("wording.toml").read_text("utf-8"))
    return {group: {name: (both[0], both[1]) for name, both in names.items()} for group, names in table.items()}


def pluralize(n: int, noun: str) -> str:
    """A number and its noun: `1 photo`, `2 photos`."""
    return f"{n} {noun if n == 1 else noun + 's'}"


def safe_name(label: str) -> str:
    """Label -> a folder name that is valid on Linux, macOS and Windows and as close to the label as possible.

    Characters that a name cannot hold become underscores; letters of every script are kept.
    """
    composed = unicodedata.normalize("NFC", label)
    text = "".join("_" if c in _FORBIDDEN or _is_invisible(c) else c for c in composed).strip()
    text = text.encode()[:MAX_NAME_BYTES].decode(errors="ignore").rstrip(" .")
    if text.startswith("."):
        text = "_" + text.lstrip(".")
    if text.partition(".")[0].rstrip().casefold() in _DEVICES:
        text = "_" + text
    return text or "_"


def folder_names(labels: Iterable[str], reserved: Iterable[str] = ()) -> dict[str, str]:
    """Labels -> one folder name each, all of them different even where case does not count.

    Depends on the set of labels only, not on their order. A label that is a safe name already keeps it; the others
    get a suffix where their name is taken or `reserved`.
    """
    taken = {fold_name(name) for name in reserved}
    names = {}
    for label in sorted(set(labels), key=lambda label: (safe_name(label) != label, label)):
        name = stem = safe_name(label)
        number = 0
        while fold_name(name) in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(fold_name(name))
        names[label] = name
    return names


def fold_name(name: str) -> str:
    """A file name as file systems compare it that ignore case and Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def variant_name(stem: str, number: int) -> str:
    """The stem of a picture and the number of a variant -> the variant's stem: `x` -> `x~07`."""
    return f"{stem}~{number:02d}"


def parse_variant(stem: str) -> tuple[str, int] | None:
    """The stem of a variant -> the stem that it was named after, and its number; None for any other stem."""
    match = _VARIANT.fullmatch(stem)
    return (match[1], int(match[2])) if match else None


def original_stem(stem: str) -> str:
    """The stem of a picture -> that of its photo: `x` for `x`, `x~07`, `x-face1` and `x-face1~07`."""
    while variant := parse_variant(stem):
        stem = variant[0]
    match = _FACE.fullmatch(stem)
    return match[1] if match else stem


def _is_invisible(c: str) -> bool:
    return c not in _JOINERS and unicodedata.category(c) in _INVISIBLE


def _spelled_out(c: str) -> str:
    if "\udc80" <= c <= "\udcff":  # how Python keeps a byte that is not UTF-8
        return f"\\x{ord(c) - 0xDC00:02x}"
    return c.encode("unicode_escape").decode("ascii")


def today() -> str:
    """The date, as reports and bundles write it: 2025-06-01."""
    return datetime.now(UTC).date().isoformat()
