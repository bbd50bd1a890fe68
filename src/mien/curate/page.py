"""The page on which a person reviews findings: values in, HTML out that needs no network and no second file."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from mien.curate.beside import Neighbour
from mien.curate.finding import Finding, Kind
from mien.curate.kinds import MEANINGS
from mien.curate.shown import ImageFeatures
from mien.curate.verdicts import COLUMNS, of_finding
from mien.text import escape

if TYPE_CHECKING:
    from mien.curate.plane import Plane

SUSPECT = frozenset({Kind.WRONG_PERSON, Kind.LABEL_SUSPECT})
"""The kinds that the map marks."""

_SCRIPTS = ("review.js", "map.js")
_OPEN_LABELS = 24
_OPEN_FINDINGS = 6
_GRID = 1000  # places on the map are whole numbers up to this


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """What a page is made of.

    name: of the data. facts: what is worth knowing of the run, by what it is. shown: all photos that could be read.
    unread: how many could not. pictures: small JPEGs by the photo's key. beside: the photos that a finding's face is
    nearest to, by the finding's place. plane: where faces lie on the map. advice: sentences on the data as a whole.
    todo: what to type next. unpictured: how many photos there was no room for. counts: photos by label.
    """

    name: str
    facts: Mapping[str, str]
    findings: Sequence[Finding]
    shown: Sequence[ImageFeatures]
    unread: int
    pictures: Mapping[str, bytes]
    beside: Mapping[int, Sequence[Neighbour]]
    plane: Plane
    advice: Sequence[str] = ()
    todo: str = ""
    unpictured: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


def render_check(page: Page) -> str:
    """Findings -> a whole HTML page, on which they are reviewed and verdicts saved."""
    payload = json.dumps(_payload(page), separators=(",", ":")).replace("<", "\\u003c")
    scripts = [_text(name) for name in _SCRIPTS]
    counts = Counter(finding.kind for finding in page.findings)
    labels = sorted(page.counts.items(), key=lambda item: (-item[1], item[0]))
    made = Environment(
        loader=PackageLoader("mien.curate", "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(printable=escape)
    return made.get_template("check.html").render(
        page=page,
        kinds=[(kind, MEANINGS[kind], counts[kind]) for kind in Kind if counts[kind]],
        whole=list(_whole(page.findings)),
        reviewed_kinds={finding.kind for finding in page.findings if finding.path is not None},
        reviewed=sum(finding.path is not None for finding in page.findings),
        concerned=len({finding.path for finding in page.findings if finding.path is not None}),
        faces=sum(len(each) for each in page.shown),
        faceless=sum(not len(each) for each in page.shown),
        labels=labels[:_OPEN_LABELS],
        others=labels[_OPEN_LABELS:],
        most=max(page.counts.values(), default=1),
        style=_text("check.css"),
        scripts=scripts,
        policy=" ".join(f"'sha256-{b64encode(sha256(each.encode()).digest()).decode()}'" for each in scripts),
        payload=payload,
    )


def _whole(findings: Sequence[Finding]) -> Iterator[tuple[str, list[Finding], list[Finding]]]:
    """The findings about whole labels by kind: its title, the first few, and the others."""
    for kind in Kind:
        some = [finding for finding in findings if finding.path is None and finding.kind is kind]
        if some:
            yield MEANINGS[kind].title, some[:_OPEN_FINDINGS], some[_OPEN_FINDINGS:]


def _text(name: str) -> str:
    return files("mien.curate").joinpath("templates", name).read_text("utf-8")


def _payload(page: Page) -> dict[str, Any]:
    """What the scripts of the page read; photos are named by their place in `photos`."""
    known = {shown.key: shown for shown in page.shown}
    photos = _Photos(known, page.pictures)
    findings = [
        _finding(finding, page.beside.get(i, ()), photos)
        for i, finding in enumerate(page.findings)
        if finding.path is not None
    ]
    points = _points(page, known, photos)  # before `photos` is read, since it may add to it
    return {
        "name": page.name,
        "id": sha256(json.dumps([list(finding.as_json().values()) for finding in page.findings]).encode()).hexdigest(),
        "columns": COLUMNS,
        "kinds": {str(kind): [MEANINGS[kind].title, MEANINGS[kind].means] for kind in Kind},
        "labels": sorted(page.counts),
        "findings": findings,
        "photos": photos.rows,
        "points": points,
    }


class _Photos:
    """The photos that a page names, each once, with its picture where there is one."""

    def __init__(self, known: Mapping[str, ImageFeatures], pictures: Mapping[str, bytes]) -> None:
        self.rows: list[dict[str, Any]] = []
        self._places: dict[str, int] = {}
        self._known, self._pictures = known, pictures

    def place(self, key: str) -> int:
        """Where a photo stands, put there on its first mention."""
        if key not in self._places:
            self._places[key] = len(self.rows)
            self.rows.append(self._row(key))
        return self._places[key]

    def named(self, key: str) -> int | None:
        """Where a photo stands that has been mentioned before."""
        return self._places.get(key)

    def is_photo(self, name: str | None) -> bool:
        return name in self._known

    def boxes(self, key: str) -> list[list[float]]:
        shown = self._known.get(key)
        return [] if shown is None else shown.boxes.astype(float).round(1).tolist()

    def _row(self, key: str) -> dict[str, Any]:
        row: dict[str, Any] = {"path": key}
        if shown := self._known.get(key):
            row |= {"label": shown.origin.label, "split": shown.origin.split, "size": [shown.width, shown.height]}
        if picture := self._pictures.get(key):
            row["jpeg"] = b64encode(picture).decode()
        return row


def _finding(finding: Finding, beside: Sequence[Neighbour], photos: _Photos) -> dict[str, Any]:
    verdict = of_finding(finding)
    assert finding.path is not None
    assert verdict is not None
    made: dict[str, Any] = {
        "kind": str(finding.kind),
        "photo": photos.place(finding.path),
        "label": finding.label,
        "sure": round(finding.confidence, 3),
        "detail": finding.detail,
        "verdict": verdict.verdict,
        "to": verdict.to,
        "box": None if verdict.box is None else [round(value, 1) for value in verdict.box],
        "beside": [[photos.place(each.key), each.caption] for each in beside],
    }
    if finding.other is not None and photos.is_photo(finding.other):
        place = photos.place(finding.other)
        if place not in [each[0] for each in made["beside"]]:
            made["beside"].insert(0, [place, ""])
    if finding.kind is Kind.MANY_FACES:
        made["faces"] = photos.boxes(finding.path)
    return made


def _points(page: Page, known: Mapping[str, ImageFeatures], photos: _Photos) -> list[list[Any]]:
    """x, y, the label's place or -1, whether it is suspect, and the photo: its place, or its key where it has none."""
    if not page.plane.keys:
        return []
    labels = {label: i for i, label in enumerate(sorted(page.counts))}
    suspects = {finding.path for finding in page.findings if finding.kind in SUSPECT}
    low, high = page.plane.points.min(axis=0), page.plane.points.max(axis=0)
    scaled = np.rint((page.plane.points - low) / np.maximum(high - low, 1e-9).max() * _GRID).astype(int).tolist()
    rows = []
    for key, (x, y) in zip(page.plane.keys, scaled, strict=True):
        place = photos.named(key)
        label = known[key].origin.label
        rows.append([x, y, labels.get(label or "", -1), int(key in suspects), key if place is None else place])
    return rows
