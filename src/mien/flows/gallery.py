"""The gallery of this user, and the chain that its vectors are made with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from mien import config, models
from mien.errors import DataError
from mien.gallery import open_gallery
from mien.gallery.records import EmbeddingSpec, IncompatibleVectors
from mien.pipeline.spec import PipelineSpec, build_spec

if TYPE_CHECKING:
    from mien.gallery.gallery import Gallery


def opened(*, make: bool = False) -> Gallery:
    """The gallery that the environment names, or the user's own.

    Raises:
        MissingExtra: the packages for it are not installed. DataError: it cannot be opened, or there is none and it
            is not to be made.
    """
    address = config.gallery()
    gallery = open_gallery(address, create=make)
    if gallery is None:
        raise DataError(f"nobody is enrolled: there is no gallery {address} yet, and 'mien enroll' makes it")
    return gallery


def is_there() -> bool:
    """Whether there may be a gallery: a file, or a server, which is not asked; loads no database."""
    address = config.gallery()
    return "://" in address or Path(address).expanduser().exists()


def held(gallery: Gallery) -> PipelineSpec | None:
    """The chain that a gallery's vectors were made with, by which weights of its name ever; None where nobody is."""
    pin = gallery.embedding_spec()
    return None if pin is None else PipelineSpec.from_json(json.loads(pin.spec))


def pinned(gallery: Gallery) -> PipelineSpec | None:
    """The same chain, if this machine makes the same vectors with it.

    Raises:
        IncompatibleVectors: this machine would make others: weights or mien are not the same.
    """
    way, pin = held(gallery), gallery.embedding_spec()
    if way is None or pin is None:
        return None
    if way.digest().hex() != pin.digest:
        raise IncompatibleVectors(
            f"the gallery {gallery.address} holds vectors that this machine cannot compare with its own, since its "
            f"weights of {way.detector} or {way.embedder} are others: install the same ones, or enrol everybody anew"
        )
    return way


def chain_for(gallery: Gallery, detector: str, embedder: str) -> PipelineSpec:
    """The chain to enrol with: the gallery's, or what a user asks for in a new one.

    Raises:
        IncompatibleVectors: it is not the gallery's. DataError: the embedder states no threshold.
    """
    way = pinned(gallery)
    if way is None:
        way = build_spec(detector, embedder, which="all")
    elif detector not in ("auto", way.detector) or embedder not in ("auto", way.embedder):
        raise IncompatibleVectors(
            f"the gallery {gallery.address} holds vectors by {way.detector} and {way.embedder}, and others cannot be "
            "compared with them: omit --detector and --embedder, or set MIEN_GALLERY to another gallery"
        )
    own_threshold(way)
    return way


def own_threshold(way: PipelineSpec) -> float:
    """The largest distance of one person that the embedder of a chain states.

    Raises:
        DataError: it states none.
    """
    card = models.get_card(way.embedder) if way.embedder in models.CARDS else None
    if card is None or card.threshold is None:
        raise DataError(
            f"the embedder {way.embedder!r} states no threshold: enrol with dlib-resnet, or another that does"
        )
    return card.threshold


def pin_of(way: PipelineSpec) -> EmbeddingSpec:
    """What a gallery keeps of a chain."""
    return EmbeddingSpec(json.dumps(way.as_json(), sort_keys=True), way.digest().hex())
