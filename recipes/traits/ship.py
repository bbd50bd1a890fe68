"""Writes trained networks and heads into the files that the package ships."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from mien import __version__, fileio
from mien.models import builtin_traits, get_card
from mien.models.cards import Card, Graft, PackageFile
from mien.models.head import Head
from mien.models.weights import card_identity
from mien.pipeline.spec import build_spec
from mien.store import bundle

CARDS = builtin_traits.FOLDER.with_name("cards.toml")
SILENT = {"gender": {"bundle": "age", "labels": ["0-2"]}}
"""Trait -> the faces it is silent about: those whose likeliest label by another trait is one of these."""


MIRRORED = ("expression-features",)
"""The networks that also look at the mirror image, which pays for expressions only."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """How the bundles were made.

    date: the day. recipe: the command that makes them. data: what they were trained on, in words. seed: of the
    training. counts: photos of each label, by trait.
    """

    date: str
    recipe: str
    data: str
    seed: int
    counts: Mapping[str, Mapping[str, int]]


def ship(trunk: str, onnx: bytes, heads: Mapping[str, Head], provenance: Provenance, pages: Mapping[str, str]) -> str:
    """Write a network that is the embedder `trunk`, and the heads on its vectors with a page each, by trait.

    The network takes pixels (n, 3, size, size), or what it is grafted on, and gives vectors (n, dim), as its card says;
    checksum and size are written to `cards.toml`, and returned as its lines.

    Raises:
        ValueError: there is no such card, a head is not that of a trait, or it does not take the network's vectors.
    """
    for trait, head in heads.items():
        if trait not in builtin_traits.TRAITS or head.dimension != get_card(trunk).dim:
            raise ValueError(f"{trait!r} is not a trait, or its head does not take the vectors of {trunk!r}")
    file = PackageFile("mien", f"models/shipped/{trunk}.onnx", sha256(onnx).hexdigest(), len(onnx))
    before = get_card(trunk).source
    made = replace(get_card(trunk), source=replace(before, file=file) if isinstance(before, Graft) else file)
    fileio.write(builtin_traits.FOLDER / f"{trunk}.onnx", onnx)
    for trait, head in heads.items():
        bundle.save(
            builtin_traits.FOLDER / f"{trait}.mien",
            manifest(trait, head, made, provenance),
            head.to_arrays(),
            {"card.md": pages[trait]},
        )
    return _update_card(CARDS, file)


def manifest(trait: str, head: Head, trunk: Card, provenance: Provenance) -> dict[str, Any]:
    """The `bundle.json` of a trait.

    The detector is left open, for the best that is there where the trait is used, and so no weights are pinned but the
    network's.
    """
    made: dict[str, Any] = {
        "mien": __version__,
        "created": provenance.date,
        "recipe": provenance.recipe,
        "labels": list(head.labels),
        "counts": dict(provenance.counts.get(trait, {})),
        "chain": replace(build_spec("mtcnn", trunk.name), detector="auto", mirror=trunk.name in MIRRORED).as_json(),
        "weights": {trunk.name: card_identity(trunk)},
        "head": head.to_json(),
        "training": {"data": provenance.data, "seed": provenance.seed},
    }
    return made | ({"silent": SILENT[trait]} if trait in SILENT else {})


def _update_card(cards: Path, file: PackageFile) -> str:
    """Replace the checksum and size of a shipped file in the cards."""
    name = Path(file.path).name
    lines = f'file = "{name}"\nsha256 = "{file.sha256}"\nbytes = {file.bytes}\n'
    pattern = rf'file = "{re.escape(name)}"\nsha256 = "[0-9a-f]{{64}}"\nbytes = \d+\n'
    text, count = re.subn(pattern, lines, cards.read_text("utf-8"))
    if count != 1:
        raise ValueError(f"{cards} has no card, or more than one, of a shipped file {name!r}")
    fileio.write(cards, text.encode())
    return lines
