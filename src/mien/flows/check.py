"""`mien check`: labelled photos in, everything that a person should look at out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias, Union

from mien.curation.checks import (
    PhotoLimits,
    class_findings,
    colour_advice,
    mask_findings,
    photo_findings,
    rejected_finding,
)
from mien.curation.duplicates import duplicate_findings
from mien.curation.features import ImageFeatures
from mien.curation.findings import DROP, KEEP, Finding, Kind
from mien.curation.identity import identity_findings, labels_are_people
from mien.curation.label_errors import label_error_findings
from mien.data import DataOptions, DataSet, open_data
from mien.data.dataset import Subset
from mien.errors import DataError
from mien.flows.check_result import MASK, CheckedData, CheckResult
from mien.pipeline.execute import RunOptions
from mien.pipeline.extract_features import check_spec, extract_features
from mien.pipeline.progress import Progress
from mien.pipeline.spec import PipelineSpec
from mien.types import Rejected

DataSource: TypeAlias = Union[str, "os.PathLike[str]", DataSet]


def check(
    data: DataSource,
    *,
    expect: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    images: str | os.PathLike[str] | None = None,
    target: str | None = None,
    faces: str = "find",
    detector: str = "auto",
    min_face: int | None = None,
    workers: int | None = None,
    keep_going: bool = False,
    cache: bool = True,
    progress: bool | Progress = False,
) -> CheckResult:
    """Find what is wrong with photos and labels: wrong people, copies, poor pictures; nothing is changed.

    Args:
        data: Folder of label folders, CSV, Parquet, fer2013.csv, a folder with metadata.csv, or a `DataSet`.
        expect: "mask" if every face should wear one.
        labels: CSV that labels the photos of a folder.
        images: Folder that the file names of a table start from.
        target: Column of a table that holds the label.
        faces: "find" looks for the face, "cut" takes each picture as a face already cut.
        detector: "auto", or a name from `mien models list`.
        min_face: Side of the smallest face, in pixels of the photo.
        workers: Threads, by default as many as there are cores.
        keep_going: An unexpected failure costs only its photo.
        cache: Whether features are looked up and stored.
        progress: Show a bar.

    Raises:
        DataError: The data cannot be read, or something else is expected.
        UnknownName: No such detector.
        WeightsError: Weights are missing.
    """
    if expect not in (None, MASK):
        raise DataError(f"--expect {expect}: use {MASK}")
    spec = check_spec(detector, faces, min_face)
    run = RunOptions.build(workers, keep_going, cache, progress)
    options = DataOptions(_path(images), target, _path(labels), loose=True)
    path = None if isinstance(data, DataSet) else Path(data)
    dataset = open_data(data, options)
    for note in dataset.notes:
        run.note(note)
    return _check(CheckedData(dataset, path, options, spec, run), expect)


def _path(path: str | os.PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)


def _check(source: CheckedData, expect: str | None) -> CheckResult:
    photos: list[ImageFeatures] = []
    rejected: list[Rejected] = []
    for result in extract_features(source.data.refs, source.spec, source.run):
        if isinstance(result, Rejected):
            rejected.append(result)
        else:
            photos.append(result)
    counts = Counter(origin.label for origin in source.data.origins if origin.label is not None)
    people = labels_are_people(photos) if counts else None
    findings = list(_data_findings(photos, people, source))
    limits = PhotoLimits(masks=expect != MASK)
    findings += [finding for photo in photos for finding in photo_findings(photo, limits)]
    findings += [rejected_finding(item) for item in rejected]
    masks = mask_findings(photos) if expect == MASK else []
    findings += masks
    for note in _notes(photos, source.spec, len(counts)):
        source.run.note(note)
    advice = colour_advice(photos) if len(counts) > 1 else None
    return CheckResult(
        findings=sorted(_without_repetition(findings), key=_order),
        photos=photos,
        rejected=rejected,
        counts=dict(sorted(counts.items())),
        labels_are=None if people is None else "people" if people else "looks",
        advice=[advice] if advice else [],
        mask_findings=masks,
        source=source,
    )


def _data_findings(photos: Sequence[ImageFeatures], people: bool | None, source: CheckedData) -> Iterator[Finding]:
    """What only the whole data shows."""
    duplicates = duplicate_findings(photos)
    yield from duplicates
    if people is None:
        return
    yield from class_findings(photos)
    # A copy would vouch for its twin's label: only the one that is kept may say what a label looks like.
    copies = [finding for finding in duplicates if finding.kind in (Kind.COPY, Kind.NEAR_COPY)]
    excluded = frozenset(finding.path for finding in copies if finding.path and finding.proposed == DROP)
    if people:
        doubts = identity_findings(photos, excluded)
    else:
        doubts = label_error_findings(_with_whole_pictures(photos, source), excluded=excluded)
    # A label may be called "drop": where the photo compared with has it, that label is meant, and a person decides.
    called_drop = {photo.key for photo in photos if photo.origin.label == DROP}
    for finding in doubts:
        is_label = finding.proposed == DROP and finding.label != DROP and finding.other in called_drop
        yield replace(finding, proposed=KEEP) if is_label else finding


def _with_whole_pictures(photos: Sequence[ImageFeatures], source: CheckedData) -> list[ImageFeatures]:
    """The same photos, those without a face with the features of the whole picture: they have labels, too.

    In an eighth of photos from the web with and without masks, detectors find no face.
    """
    faceless = {photo.key for photo in photos if not len(photo)}
    indices = [i for i, origin in enumerate(source.data.origins) if origin.uri in faceless]
    spec = check_spec(source.spec.detector, "cut")
    again = extract_features(Subset(source.data.refs, indices), spec, source.run) if indices else ()
    whole = {photo.key: photo for photo in again if isinstance(photo, ImageFeatures)}
    return [whole.get(photo.key, photo) for photo in photos]


def _notes(photos: Sequence[ImageFeatures], spec: PipelineSpec, labels: int) -> Iterator[str]:
    if labels < 2:
        yield f"{'there is only one label' if labels else 'no photo has a label'}, so labels could not be checked"
    if spec.faces == "find" and 2 * sum(not len(photo) for photo in photos) > len(photos):
        yield "most photos show no face: if they are already cropped to faces, use --faces cut"


def _without_repetition(findings: Iterable[Finding]) -> list[Finding]:
    """The best finding of each kind about a photo or label: one that says which face is meant, then the surest."""
    best: dict[tuple[Kind, str | None, str | None, str | None], Finding] = {}
    for finding in sorted(findings, key=lambda finding: (finding.box is None, -finding.confidence)):
        labels = (finding.label, finding.other) if finding.path is None else (None, None)
        best.setdefault((finding.kind, finding.path, *labels), finding)
    return list(best.values())


def _order(finding: Finding) -> tuple[int, float, str, str]:
    return list(Kind).index(finding.kind), -finding.confidence, finding.path or "", finding.label or ""
