"""A check in, its page out: which photos need a picture and neighbours, and where faces lie on the map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mien.config import settings
from mien.curate.review_page import NearestExample, ReviewPage, map_faces, nearest_examples, render_review_page
from mien.data import DataSet
from mien.data.dataset import Subset
from mien.flows.check import CheckResult
from mien.flows.report import today
from mien.images import Decode, thumbnail
from mien.pipeline.execute import RunOptions, execute
from mien.pipeline.spec import PipelineSpec
from mien.stage import AnyStage, Needs
from mien.types import Origin, Photo, Rejected

PICTURE = 160
"""Pixels on the longer side of a picture in the page."""

MOST_BYTES = 16_000_000
"""Pictures take up so much at most, before base64 makes four bytes of three; beyond, photos are shown by name."""


@dataclass(frozen=True, slots=True)
class Small:
    """A photo as a small JPEG."""

    origin: Origin
    jpeg: bytes

    @property
    def key(self) -> str:
        return self.origin.uri


@dataclass(frozen=True, slots=True)
class Reduce:
    """Makes photos small enough for a page: Photo -> Small."""

    name: str = "reduce"
    batch_size: int = 8
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Photo], /) -> Iterator[Small]:
        for photo in batch:
            yield Small(photo.origin, thumbnail(photo.pixels, PICTURE))


def check_report(
    checked: CheckResult, data: DataSet, source: Path, spec: PipelineSpec, drive: RunOptions, todo: str
) -> str:
    """What was found in `data` (at `source`) -> the page on which it is reviewed; todo: what is to be typed after."""
    beside = nearest_examples(checked.findings, checked.shown, checked.vectors)
    wanted = _wanted(checked, beside)
    pictures = _pictures(data, wanted, drive)
    detector = spec.detector if spec.faces == "find" else "none: pictures are faces already cut"
    return render_review_page(
        ReviewPage(
            name=source.resolve().name,
            facts={"Date": today(), "Detector": detector, **_labels(checked)},
            findings=checked.findings,
            photos=checked.shown,
            unreadable=len(checked.rejected),
            pictures=pictures,
            examples=beside,
            face_map=map_faces(checked.shown, checked.vectors),
            advice=checked.advice,
            next_command=todo,
            unpictured=len(wanted) - len(pictures),
            counts=checked.counts,
        )
    )


def _labels(checked: CheckResult) -> dict[str, str]:
    taken = {True: "taken for people", False: "taken for how people look"}
    return {} if checked.person is None else {"Labels": taken[checked.person]}


def _wanted(checked: CheckResult, beside: Mapping[int, Sequence[NearestExample]]) -> list[str]:
    """The photos that the page names, the most important ones first; those that cannot be read are not among them."""
    known = {shown.key for shown in checked.shown}
    names: dict[str | None, None] = {}
    for i, finding in enumerate(checked.findings):
        names.update(dict.fromkeys([finding.path, finding.other, *(each.key for each in beside.get(i, ()))]))
    return [name for name in names if name in known and name is not None]


def _pictures(data: DataSet, wanted: Sequence[str], drive: RunOptions) -> dict[str, bytes]:
    """Small JPEGs of the photos, of so many as there is room for."""
    rank = {key: i for i, key in enumerate(wanted)}
    kept = [i for i, origin in enumerate(data.origins) if origin.uri in rank]
    stages: list[AnyStage] = [Decode(2 * PICTURE, settings().max_megapixels), Reduce()]
    made: dict[str, bytes] = {}
    for result in execute(stages, Subset(data.refs, kept), len(kept), "pictures", drive):
        if not isinstance(result, Rejected):
            made[result.key] = result.jpeg
    room, chosen = MOST_BYTES, {}
    for key in sorted(made, key=rank.__getitem__):
        room -= len(made[key])
        if room < 0:
            break
        chosen[key] = made[key]
    return chosen
