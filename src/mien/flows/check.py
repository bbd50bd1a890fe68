"""Labelled photos in, everything out that a person should look at: the order of the steps of a check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mien.curate.checks import (
    PhotoLimits,
    class_findings,
    colour_advice,
    mask_findings,
    photo_findings,
    rejected_finding,
)
from mien.curate.duplicates import duplicate_findings
from mien.curate.features import ImageFeatures
from mien.curate.findings import DROP, KEEP, Finding, Kind
from mien.curate.identity import identity_findings, labels_are_people
from mien.curate.label_errors import label_error_findings
from mien.data import DataSet
from mien.data.dataset import Subset
from mien.errors import DataError
from mien.flows.inspect import inspect, looking
from mien.models import APPEARANCE_EMBEDDER, IDENTITY_EMBEDDER
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec
from mien.types import Rejected

MASK = "mask"
"""What may be expected of photos."""

_RANK = {kind: i for i, kind in enumerate(Kind)}
_COPIES = frozenset({Kind.COPY, Kind.NEAR_COPY})


@dataclass(frozen=True, slots=True, eq=False)
class CheckResult:
    """What was found: by kind, and the surest of a kind first.

    shown, rejected: the photos that could be read, and the others. person: whether labels were taken for people; None
    where there are none. advice: sentences on the data as a whole. unmasked: the findings on masks, where every face
    should wear one.
    """

    findings: Sequence[Finding]
    shown: Sequence[ImageFeatures]
    rejected: Sequence[Rejected]
    counts: Mapping[str, int]
    person: bool | None
    advice: Sequence[str]
    unmasked: Sequence[Finding] = ()

    @property
    def photos(self) -> int:
        return len(self.shown) + len(self.rejected)

    @property
    def vectors(self) -> str:
        """The name of the vectors that its labels are told apart by."""
        return APPEARANCE_EMBEDDER if self.person is False else IDENTITY_EMBEDDER

    @property
    def without(self) -> int:
        """How many photos give no face to learn from: those that could not be read, and those that show none."""
        return len(self.rejected) + sum(not len(each) for each in self.shown)

    def as_json(self) -> dict[str, Any]:
        """The fields of the last line of `mien check --json`."""
        kinds = Counter(str(finding.kind) for finding in self.findings)
        return {
            "photos": self.photos,
            "faces": sum(len(each) for each in self.shown),
            "rejected": self.without,
            "counts": dict(self.counts),
            "findings": {kind: kinds[kind] for kind in Kind if kinds[kind]},
            "labels_are": {None: None, True: "people", False: "looks"}[self.person],
            "advice": list(self.advice),
        }


def check(data: DataSet, spec: PipelineSpec, drive: RunOptions, expect: str | None = None) -> CheckResult:
    """Labelled data -> what a person should look at; nothing is changed.

    expect: "mask" where every face should wear one.

    Raises:
        DataError: something else is expected. WeightsError: weights are missing.
    """
    if expect not in (None, MASK):
        raise DataError(f"--expect {expect}: use {MASK}")
    shown: list[ImageFeatures] = []
    rejected: list[Rejected] = []
    for result in inspect(data.refs, spec, drive):
        if isinstance(result, Rejected):
            rejected.append(result)
        else:
            shown.append(result)
    counts = Counter(origin.label for origin in data.origins if origin.label is not None)
    person = labels_are_people(shown) if counts else None
    labelled = _whole(data, shown, spec, drive) if person is False else shown
    findings = list(_steps(shown, labelled, person))
    limits = PhotoLimits(masks=expect != MASK)
    findings += [finding for each in shown for finding in photo_findings(each, limits)]
    findings += [rejected_finding(each) for each in rejected]
    unmasked = mask_findings(shown) if expect == MASK else []
    findings += unmasked
    for word in _words(shown, spec, len(counts)):
        drive.note(word)
    advice = colour_advice(shown).sentence if len(counts) > 1 else None
    found = sorted(_once(findings), key=_order)
    return CheckResult(
        found, shown, rejected, dict(sorted(counts.items())), person, [advice] if advice else [], unmasked
    )


def _whole(data: DataSet, shown: Sequence[ImageFeatures], spec: PipelineSpec, drive: RunOptions) -> list[ImageFeatures]:
    """The same photos, those in which no face was found looked at as a whole: they bear labels, too.

    Of photos from the web with and without masks, an eighth shows no face that a detector finds.
    """
    blank = {each.key for each in shown if not len(each)}
    kept = [i for i, origin in enumerate(data.origins) if origin.uri in blank]
    again = inspect(Subset(data.refs, kept), looking(spec.detector, "cut"), drive) if kept else ()
    seen = {each.key: each for each in again if isinstance(each, ImageFeatures)}
    return [seen.get(each.key, each) for each in shown]


def _steps(shown: Sequence[ImageFeatures], labelled: Sequence[ImageFeatures], person: bool | None) -> Iterator[Finding]:
    """What only the whole shows; labels that are not people are asked about in `labelled`."""
    twins = duplicate_findings(shown)
    yield from twins
    if person is None:
        return
    # A copy would vouch for its twin's label: only the one that is to be kept may say what a label looks like.
    excluded = frozenset(twin.path for twin in twins if twin.kind in _COPIES and twin.proposed == DROP and twin.path)
    yield from class_findings(shown)
    named = {each.key for each in shown if each.origin.label == DROP}
    for finding in identity_findings(shown, excluded) if person else label_error_findings(labelled, excluded=excluded):
        # The photo beside it has the label that is proposed: one that is called as what takes photos out of data.
        meant = finding.proposed == DROP and finding.label != DROP and finding.other in named
        yield replace(finding, proposed=KEEP) if meant else finding


def _words(shown: Sequence[ImageFeatures], spec: PipelineSpec, labels: int) -> Iterator[str]:
    if labels < 2:
        what = "there is one label only" if labels else "nothing is labelled"
        yield f"{what}: whether photos lie under the right label could not be looked at"
    if spec.faces == "find" and 2 * sum(not len(each) for each in shown) > len(shown):
        yield "most photos show no face: if they are faces already cut, give --faces cut"


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """The surest finding of each kind about a photo or a whole label; one that says which face is meant comes first."""
    best: dict[tuple[Kind, str | None, str | None, str | None], Finding] = {}
    for finding in findings:
        about = (finding.label, finding.other) if finding.path is None else (None, None)
        known = best.get((finding.kind, finding.path, *about))
        if known is None or _weight(finding) > _weight(known):
            best[finding.kind, finding.path, *about] = finding
    return list(best.values())


def _weight(finding: Finding) -> tuple[bool, float]:
    return finding.box is not None, finding.confidence


def _order(finding: Finding) -> tuple[int, float, str, str]:
    return _RANK[finding.kind], -finding.confidence, finding.path or "", finding.label or ""
