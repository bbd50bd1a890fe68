"""The pages that a person reads of a measurement: the report with its pictures, and the card of a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mien import models
from mien.config import settings
from mien.data import DataSet
from mien.evaluate import About, Report, render_report
from mien.images import Decode, thumbnail
from mien.pipeline.spec import PIXELS, PipelineSpec
from mien.types import Photo, PhotoRef

_THUMBNAIL = 128  # pixels on the longer side


def today() -> str:
    """The day, as reports and bundles write it."""
    return datetime.now(UTC).date().isoformat()


def report(
    figures: Report,
    name: str,
    data: DataSet,
    source: str,
    spec: PipelineSpec,
    note: str = "",
    curves: Mapping[str, Sequence[float | None]] | None = None,
) -> str:
    """The figures of `data` (called `source`) -> report.html, with thumbnails of the worst mistakes.

    curves: the course of a training, by what was measured after each epoch.
    """
    places = {origin.uri: i for i, origin in enumerate(data.origins)}
    detector = spec.detector if spec.faces == "find" else "none: pictures are faces already cut"
    about = About(name, source, today(), detector, looked_at_by(spec), note, curves or {})
    return render_report(figures, about, lambda uri: _thumbnail(data.refs[places[uri]]))


def _thumbnail(ref: PhotoRef) -> bytes | None:
    photo = next(iter(Decode(2 * _THUMBNAIL, settings().max_megapixels)([ref])))
    return thumbnail(photo.pixels, _THUMBNAIL) if isinstance(photo, Photo) else None


def looked_at_by(spec: PipelineSpec) -> str:
    """The embedder, in words for a page."""
    return "none: the network looks at the face itself" if spec.embedder == PIXELS else spec.embedder


def licences(spec: PipelineSpec) -> list[Mapping[str, Any]]:
    """What a card says of the weights that a chain stands on."""
    cards = [models.get_card(name) for name in spec.weights()]
    return [{"name": card.name, "licence": card.licence, "commercial": card.commercial} for card in cards]
