"""Names for files and folders that are safe on every system; knows nothing of what is filed under them."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

MAX_BYTES = 120
"""Of a folder name in UTF-8; the strictest file system in common use (eCryptfs) takes 143."""

_FILE_BYTES = 255
_VARIANT = re.compile(r"(.+)~([0-9]{2,})", re.DOTALL)
_FACE = re.compile(r"(.+)-face[0-9]+", re.DOTALL)
_FORBIDDEN = frozenset('/\\:*?"<>|')
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control, format (turns writing around), half a pair, line ends
_JOINERS = frozenset("\u200c\u200d")  # they spell words in Persian and the scripts of India, and reorder nothing
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul"] + [f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"]
)


def safe_name(label: str) -> str:
    """Label -> the name of one folder, as readable as can be, valid on Linux, macOS and Windows.

    What cannot stand in a name becomes an underscore, and so does nothing else: letters of any script are kept.
    """
    text = unicodedata.normalize("NFC", label)
    text = "".join(c if _may_stand(c) else "_" for c in text).strip()
    text = _shorten(text, MAX_BYTES).rstrip(" .")
    if text.startswith("."):
        text = "_" + text.lstrip(".")
    if text.partition(".")[0].rstrip().casefold() in _DEVICES:
        text = "_" + text
    return text or "_"


def folder_names(labels: Iterable[str], reserved: Iterable[str] = ()) -> dict[str, str]:
    """Labels -> one folder name each, all of them different even where capitals do not count.

    Depends on the set of labels only, not on their order. A label that is a safe name already keeps it; the others
    get a suffix where they meet a name that is taken or `reserved`.
    """
    taken = {_folded(name) for name in reserved}
    found = {}
    for label in sorted(set(labels), key=lambda label: (safe_name(label) != label, label)):
        name = stem = safe_name(label)
        number = 0
        while _folded(name) in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(_folded(name))
        found[label] = name
    return found


class Names:
    """Hands out each path once: what is on disk or was handed out before gets a suffix, `name-1.jpg`.

    Paths are compared without regard to capitals and Unicode form, so that a plan holds on every file system. Those
    that are `kept` free go to nobody.
    """

    def __init__(self, kept: Iterable[Path] = ()) -> None:
        self._taken = {_folded(str(path)) for path in kept}
        self._last: dict[str, int] = {}

    def free(self, wanted: Path) -> Path:
        """Wanted -> itself, or the first such name with a suffix that nothing holds."""
        key = _folded(str(wanted))
        number = self._last.get(key, -1)
        while True:
            number += 1
            path = _numbered(wanted, number)
            if _folded(str(path)) not in self._taken and not os.path.lexists(path):
                break
        self._last[key] = number
        self._taken.add(_folded(str(path)))
        return path


def _may_stand(char: str) -> bool:
    return char in _JOINERS or not (char in _FORBIDDEN or unicodedata.category(char) in _UNSEEN)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _numbered(path: Path, number: int) -> Path:
    if not number:
        return path
    ending = f"-{number}{path.suffix}"
    room = _FILE_BYTES - len(os.fsencode(ending))
    stem = os.fsdecode(os.fsencode(path.stem)[:room]) if len(os.fsencode(path.stem)) > room else path.stem
    return path.with_name(stem + ending)


def _shorten(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def variant_name(stem: str, number: int) -> str:
    """The stem of a picture, and the number of a variant of it -> the stem of that: `x` -> `x~07`."""
    return f"{stem}~{number:02d}"


def variant_of(stem: str) -> tuple[str, int] | None:
    """The stem of a variant -> the stem that it was named after, and its number; None for any other stem."""
    match = _VARIANT.fullmatch(stem)
    return (match[1], int(match[2])) if match else None


def family(stem: str) -> str:
    """The stem of a picture -> that of the photo it comes from: `x` for `x`, `x~07`, `x-face1` and `x-face1~07`."""
    while variant := variant_of(stem):
        stem = variant[0]
    match = _FACE.fullmatch(stem)
    return match[1] if match else stem
