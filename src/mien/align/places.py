"""Names for crops, none of them handed out twice; knows names, and looks at no file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

_FACE = re.compile(r"(.+)-face[0-9]+", re.DOTALL)


def crop_name(place: str, index: int) -> str:
    """A photo's place and the number of a face -> the name of its crop; the first face has the place itself."""
    path = PurePosixPath(place)
    return str(path.with_stem(f"{path.stem}-face{index}")) if index else place


def folded(name: str) -> str:
    """A name as it is compared: without regard to capitals and Unicode form, so that it holds on every file system."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def families(name: str) -> list[str]:
    """The name of a file -> the places, folded, whose crop it may be: its own, and that of `x` for `x-face1`."""
    path = PurePosixPath(folded(name))
    match = _FACE.fullmatch(path.stem)
    return [str(path), str(path.with_stem(match[1]))] if match else [str(path)]


class Places:
    """Hands out places so that no crop can come to lie on another one, or on what is `taken`.

    several: a photo may have more than one crop, so that with `x` all of `x-face1`, `x-face2` ... are its own.
    """

    def __init__(self, taken: Iterable[str], *, several: bool) -> None:
        self._several = several
        self._taken: set[str] = set()
        self._roots: set[str] = set()
        for name in taken:
            self._take(name)

    def is_free(self, place: str) -> bool:
        """Whether nothing stands at a place, and nothing at the names of its further faces."""
        own, *root = families(place)
        if own in self._taken:
            return False
        return not self._several or (own not in self._roots and not self._taken.intersection(root))

    def free(self, wanted: str) -> str:
        """Wanted -> itself, or the first of `x-1`, `x-2` ... that is free; taken from now on."""
        path, place, number = PurePosixPath(wanted), wanted, 0
        while not self.is_free(place):
            number += 1
            place = str(path.with_stem(f"{path.stem}-{number}"))
        self._take(place)
        return place

    def _take(self, name: str) -> None:
        own, *root = families(name)
        self._taken.add(own)
        self._roots.update(root)
