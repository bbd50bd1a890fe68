"""Measures a classifier on labelled photos, and makes the page that shows the figures."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from mien.config import settings
from mien.data import DataSet, DataSource
from mien.errors import BundleError
from mien.evaluation import About, Report, grouped_by_label, measure, render_report
from mien.images import Decode, thumbnail
from mien.models.head import Scorer
from mien.pipeline.classify import Abstention, Classify, stack_inputs
from mien.pipeline.execute import RunOptions, prepare_photos
from mien.pipeline.spec import PIXELS, PipelineSpec
from mien.run.runners import run_stages
from mien.store.bundle import Bundle
from mien.text import today
from mien.training import TRAINED_ON, fingerprints
from mien.types import Crop, Embedding, Photo, PhotoRef, Rejected

_THUMBNAIL = 128  # pixels on the longer side


class Measurable(Protocol):
    """What is measured: a `Classifier`."""

    @property
    def bundle(self) -> Bundle: ...
    @property
    def spec(self) -> PipelineSpec: ...
    @property
    def head(self) -> Scorer: ...
    @property
    def abstention(self) -> Abstention | None: ...
    def check_input(self, refs: Sequence[PhotoRef], run: RunOptions) -> Sequence[PhotoRef]: ...


def evaluate_classifier(classifier: Measurable, data: DataSet, name: str, split: str | None, run: RunOptions) -> Report:
    """Labelled data (called `name`) -> the figures of a classifier, by the main face of each photo.

    Photos with labels that the classifier does not know count as strangers. split: "train", "val", "test" or "all"; the
    held-out split where None, if there is one.

    Raises:
        DataError: nothing is labelled, or there is no such split. BundleError, WeightsError: it cannot be used here.
    """
    for note in data.notes:
        run.note(note)
    split = split or next((part for part in ("test", "val") if part in data.splits), "all")
    if split != "all":
        data = data.only(split)
        run.note(f"measured on the split {split} of {name}; --split all measures on everything")
    report = _measure(classifier, data, run)
    if report.strangers and not report.n:
        run.note("the bundle knows none of these labels, so every photo counts as a stranger's")
    if report.note:
        run.note(report.note)
    note = report.note and f"{report.note}."
    page = partial(report_page, report, classifier.bundle.name, data, name, classifier.spec, note)
    return replace(report, page=page)


def _measure(classifier: Measurable, data: DataSet, run: RunOptions) -> Report:
    head, spec, bundle = classifier.head, classifier.spec, classifier.bundle
    refs = classifier.check_input(data.refs, run)
    training_photos: set[str] = set()
    items = _note_training_photos(prepare_photos(spec, refs, run), _training_fingerprints(bundle), training_photos)
    results = run_stages([Classify(head, classifier.abstention, list_all=True)], items, run.keep_going)
    figures = measure(results, head.labels, head.threshold, grouped=not grouped_by_label(data.origins))
    trained_on = len(training_photos) if TRAINED_ON in bundle.arrays else None
    return replace(figures, detector=spec.detector, trained_on=trained_on)


def data_name(data: DataSource) -> str:
    """What reports call labelled data: the name of its folder or file."""
    return "data" if isinstance(data, DataSet) else Path(data).resolve().name


def report_page(
    report: Report,
    bundle: str,
    data: DataSet,
    name: str,
    spec: PipelineSpec,
    note: str = "",
    curves: Mapping[str, Sequence[float | None]] | None = None,
) -> str:
    """The figures of `data` (called `name`) -> report.html, with thumbnails of the worst mistakes.

    curves: the course of a training, by what was measured after each epoch.
    """
    refs = {ref.key: ref for ref in data.refs}
    detector = spec.detector if spec.faces == "find" else "none: pictures are faces that are already cut"
    about = About(bundle, name, today(), detector, describe_embedder(spec), note, curves or {})
    return render_report(report, about, lambda uri: _thumbnail(refs[uri]))


def describe_embedder(spec: PipelineSpec) -> str:
    """The embedder, in words for a page."""
    return "none: the network takes the face itself" if spec.embedder == PIXELS else spec.embedder


def _note_training_photos(
    items: Iterable[Embedding | Crop | Rejected], trained_on: Container[int], keys: set[str]
) -> Iterator[Embedding | Crop | Rejected]:
    """The same items; the keys of those whose fingerprint is among `trained_on` are added to `keys`."""
    for item in items:
        if not isinstance(item, Rejected) and int(fingerprints(stack_inputs([item]))[0]) in trained_on:
            keys.add(item.key)
        yield item


def _training_fingerprints(bundle: Bundle) -> frozenset[int]:
    known = bundle.arrays.get(TRAINED_ON, np.empty(0, dtype=np.uint64))
    if known.ndim != 1 or known.dtype != np.uint64:
        raise BundleError(f"{bundle.path} is damaged (its {TRAINED_ON!r} are no digests): restore it or train it again")
    return frozenset(known.tolist())


def _thumbnail(ref: PhotoRef) -> bytes | None:
    photo = next(iter(Decode(2 * _THUMBNAIL, settings().max_megapixels)([ref])))
    return thumbnail(photo.pixels, _THUMBNAIL) if isinstance(photo, Photo) else None
