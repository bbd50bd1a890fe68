"""Sees by their names which photos are variants of one, and must stay on one side of a split; opens no file."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from mien.text import original_stem, parse_variant
from mien.types import PhotoRef


def with_families(refs: Sequence[PhotoRef]) -> list[PhotoRef]:
    """Photos -> the same, with a photo and its variants (`x`, `x~07`) of one folder in one group.

    A photo has a family where a variant in its folder is named after its stem or, where two photos share that, after
    its whole name. Groups that the data names stay as they are, and without variants there are none.
    """
    own = [_named(ref) for ref in refs]
    families = {_family(path) for path in own if parse_variant(path.stem)}
    return [
        ref if ref.origin.group or found is None else replace(ref, origin=replace(ref.origin, group=found))
        for ref, found in zip(refs, (_found(path, families) for path in own), strict=True)
    ]


def _named(ref: PhotoRef) -> PurePosixPath:
    return PurePosixPath(unicodedata.normalize("NFC", ref.key))


def _family(path: PurePosixPath) -> str:
    return str(path.with_name(original_stem(path.stem)))


def _found(path: PurePosixPath, families: set[str]) -> str | None:
    by_name, by_stem = str(path), _family(path)
    return by_name if by_name in families else by_stem if by_stem in families else None
