"""The page on which a person reviews findings: one HTML file, with examples to compare and a map of faces."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn depends on it

from mien.curation.features import ImageFeatures
from mien.curation.findings import MEANINGS, Finding, Kind
from mien.curation.verdicts import COLUMNS, propose_verdict
from mien.text import escape
from mien.types import Floats

DOUBTFUL = frozenset({Kind.WRONG_PERSON, Kind.LABEL_SUSPECT})
"""The kinds that doubt a photo's label: they are shown with examples, and marked on the map."""

# Examples: the photos that a face with a doubtful label is nearest to.

_SAME_PICTURE = 1e-3
"""Faces at no more than this distance are of one picture."""


@dataclass(frozen=True, slots=True)
class NearestExample:
    """A photo to compare with: its key, its label, and the (Euclidean) distance of its main face."""

    key: str
    label: str
    distance: float

    @property
    def caption(self) -> str:
        return f"nearest in {self.label}: {self.distance:.2f}"


def nearest_examples(
    findings: Sequence[Finding], photos: Sequence[ImageFeatures], vectors: str
) -> dict[int, Sequence[NearestExample]]:
    """Findings -> by their index, for each doubtful label the nearest photo of the proposed label and of its own.

    vectors: the name of those that tell the labels apart. Main faces are compared. Copies of the photo, at no distance,
    are left out, and so are photos whose own label is in doubt.
    """
    doubtful = {finding.path for finding in findings if finding.kind in DOUBTFUL}
    by_label = _vectors_by_label([photo for photo in photos if photo.key not in doubtful], vectors)
    own = {photo.key: photo.vectors[vectors][0] for photo in photos if len(photo)}
    examples: dict[int, Sequence[NearestExample]] = {}
    for i, finding in enumerate(findings):
        if finding.kind in DOUBTFUL and finding.path in own:
            labels = dict.fromkeys(name for name in (finding.proposed, finding.label) if name in by_label)
            nearest = [_nearest(finding.path, own[finding.path], name or "", *by_label[name or ""]) for name in labels]
            examples[i] = [example for example in nearest if example is not None]
    return examples


def _vectors_by_label(photos: Sequence[ImageFeatures], vectors: str) -> Mapping[str, tuple[list[str], Floats]]:
    """Label -> the keys of its photos with a face, and the vectors of their main faces (n, d)."""
    by_label: dict[str, list[ImageFeatures]] = {}
    for photo in photos:
        if len(photo) and photo.origin.label is not None and np.isfinite(photo.vectors[vectors][0]).all():
            by_label.setdefault(photo.origin.label, []).append(photo)
    return {
        label: ([photo.key for photo in members], np.stack([photo.vectors[vectors][0] for photo in members]))
        for label, members in by_label.items()
    }


def _nearest(key: str, vector: Floats, label: str, keys: Sequence[str], matrix: Floats) -> NearestExample | None:
    distances = np.linalg.norm(matrix - vector, axis=1)
    for i in np.argsort(distances, kind="stable"):
        if keys[i] != key and distances[i] > _SAME_PICTURE:
            return NearestExample(keys[i], label, float(distances[i]))
    return None


# The map: vectors in, points of a plane out.

_MAX_TSNE = 2500
"""So many faces are laid out by t-SNE, in about ten seconds; of more, the two principal components are shown."""

_MIN_TSNE = 10  # faces; fewer have no neighbourhoods
_COMPONENTS = 50  # van der Maaten and Hinton 2008 begin t-SNE from so many principal components, and from perplexity 30
_PERPLEXITY = 30.0
_ITERATIONS = 500  # half of scikit-learn's, after which a map still moves but no longer tells another story


@dataclass(frozen=True, slots=True, eq=False)
class FaceMap:
    """Where the main faces of some photos lie: `points` (m, 2), from -1 to 1, in the order of `keys`.

    method: "t-sne", in which small distances mean something and large ones do not; or "pca".
    """

    keys: tuple[str, ...]
    points: Floats
    method: Literal["t-sne", "pca"]


def map_faces(photos: Sequence[ImageFeatures], vectors: str, seed: int = 0) -> FaceMap:
    """Photos -> a map of their main faces by the vectors of that name; photos without them are left out."""
    mapped = [photo for photo in photos if vectors in photo.vectors and len(photo.vectors[vectors])]
    mapped = [photo for photo in mapped if np.isfinite(photo.vectors[vectors][0]).all()]
    keys = tuple(photo.key for photo in mapped)
    if not mapped:
        return FaceMap((), np.zeros((0, 2), np.float32), "pca")
    components = _principal_components(np.stack([photo.vectors[vectors][0] for photo in mapped]))
    if not _MIN_TSNE <= len(mapped) <= _MAX_TSNE:
        return FaceMap(keys, _scale(components[:, :2]), "pca")
    perplexity = min(_PERPLEXITY, (len(mapped) - 1) / 3)
    # OpenMP's threads busy-wait for each other: on a busy or a shared machine that takes ten times as long.
    with threadpool_limits(1):
        tsne = TSNE(2, perplexity=perplexity, init="pca", max_iter=_ITERATIONS, random_state=seed)
        points = tsne.fit_transform(components)
    return FaceMap(keys, _scale(points), "t-sne")


def _principal_components(vectors: Floats) -> Floats:
    """The principal components of vectors (n, d), the largest first: (n, 2 to 50)."""
    centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
    directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :_COMPONENTS]
    # The sign of a direction is arbitrary: its largest part is made positive, so that a map looks the same again.
    largest = np.abs(directions).argmax(axis=0)
    directions *= np.sign(directions[largest, np.arange(directions.shape[1])])
    return np.asarray(centred @ directions, np.float32)


def _scale(points: Floats) -> Floats:
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    reach = float(np.abs(points - middle).max()) or 1.0
    return np.asarray((points - middle) / reach, np.float32)


# The page.

_SCRIPTS = ("review.js", "map.js")
_OPEN_LABELS = 24
_OPEN_FINDINGS = 6
_GRID = 1000  # points of the map are whole numbers up to this


@dataclass(frozen=True, slots=True, eq=False)
class ReviewPage:
    """What a page shows.

    name: of the data. facts: about the run, by what they are. photos: all that could be read. unreadable: how many
    could not. pictures: small JPEGs by the photo's key. examples: what to compare with, by the finding's index. advice:
    sentences on the data as a whole. next_command: what to type next. unpictured: how many photos there was no room
    for. counts: photos by label.
    """

    name: str
    facts: Mapping[str, str]
    findings: Sequence[Finding]
    photos: Sequence[ImageFeatures]
    unreadable: int
    pictures: Mapping[str, bytes]
    examples: Mapping[int, Sequence[NearestExample]]
    face_map: FaceMap
    advice: Sequence[str] = ()
    next_command: str = ""
    unpictured: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


def render_review_page(page: ReviewPage) -> str:
    """Findings -> a whole HTML page, on which they are reviewed and verdicts saved."""
    payload = json.dumps(_payload(page), separators=(",", ":")).replace("<", "\\u003c")
    scripts = [_template_text(name) for name in _SCRIPTS]
    counts = Counter(finding.kind for finding in page.findings)
    labels = sorted(page.counts.items(), key=lambda item: (-item[1], item[0]))
    environment = Environment(
        loader=PackageLoader("mien.curation", "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(printable=escape)
    return environment.get_template("check.html").render(
        page=page,
        kinds=[(kind, MEANINGS[kind], counts[kind]) for kind in Kind if counts[kind]],
        label_findings=list(_label_findings(page.findings)),
        reviewed_kinds={finding.kind for finding in page.findings if finding.path is not None},
        to_review=sum(finding.path is not None for finding in page.findings),
        photos_concerned=len({finding.path for finding in page.findings if finding.path is not None}),
        faces=sum(len(photo) for photo in page.photos),
        faceless=sum(not len(photo) for photo in page.photos),
        labels=labels[:_OPEN_LABELS],
        other_labels=labels[_OPEN_LABELS:],
        largest_label=max(page.counts.values(), default=1),
        style=_template_text("check.css"),
        scripts=scripts,
        policy=" ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts),
        payload=payload,
    )


def _label_findings(findings: Sequence[Finding]) -> Iterator[tuple[str, list[Finding], list[Finding]]]:
    """The findings about whole labels by kind: its title, the first few, and the rest."""
    for kind in Kind:
        matching = [finding for finding in findings if finding.path is None and finding.kind is kind]
        if matching:
            yield MEANINGS[kind].title, matching[:_OPEN_FINDINGS], matching[_OPEN_FINDINGS:]


def _template_text(name: str) -> str:
    return files("mien.curation").joinpath("templates", name).read_text("utf-8")


def _payload(page: ReviewPage) -> dict[str, Any]:
    """What the scripts of the page read; photos are named by their index in `photos`."""
    known = {photo.key: photo for photo in page.photos}
    photos = _PhotoTable(known, page.pictures)
    findings = [
        _finding_row(finding, page.examples.get(i, ()), photos)
        for i, finding in enumerate(page.findings)
        if finding.path is not None
    ]
    points = _map_points(page, known, photos)
    return {
        "name": page.name,
        "id": sha256(json.dumps([list(finding.as_json().values()) for finding in page.findings]).encode()).hexdigest(),
        "columns": COLUMNS,
        "kinds": {str(kind): [MEANINGS[kind].title, MEANINGS[kind].problem] for kind in Kind},
        "labels": sorted(page.counts),
        "findings": findings,
        "photos": photos.rows,
        "points": points,
    }


class _PhotoTable:
    """The photos that a page names, each once, with its picture where there is one."""

    def __init__(self, known: Mapping[str, ImageFeatures], pictures: Mapping[str, bytes]) -> None:
        self.rows: list[dict[str, Any]] = []
        self.known = known
        self.indices: dict[str, int] = {}
        self._pictures = pictures

    def index(self, key: str) -> int:
        """The index of a photo, which is added on its first mention."""
        if key not in self.indices:
            self.indices[key] = len(self.rows)
            self.rows.append(self._row(key))
        return self.indices[key]

    def _row(self, key: str) -> dict[str, Any]:
        row: dict[str, Any] = {"path": key}
        if photo := self.known.get(key):
            row |= {"label": photo.origin.label, "split": photo.origin.split, "size": [photo.width, photo.height]}
        if picture := self._pictures.get(key):
            row["jpeg"] = b64encode(picture).decode()
        return row


def _finding_row(finding: Finding, examples: Sequence[NearestExample], photos: _PhotoTable) -> dict[str, Any]:
    verdict = propose_verdict(finding)
    assert finding.path is not None
    assert verdict is not None
    row: dict[str, Any] = {
        "kind": str(finding.kind),
        "photo": photos.index(finding.path),
        "label": finding.label,
        "confidence": round(finding.confidence, 3),
        "detail": finding.detail,
        "verdict": verdict.verdict,
        "to": verdict.to,
        "box": None if verdict.box is None else [round(value, 1) for value in verdict.box],
        "examples": [[photos.index(example.key), example.caption] for example in examples],
    }
    if finding.other is not None and finding.other in photos.known:
        other = photos.index(finding.other)
        if other not in [index for index, _ in row["examples"]]:
            row["examples"].insert(0, [other, ""])
    if finding.kind is Kind.MANY_FACES:
        photo = photos.known.get(finding.path)
        row["faces"] = [] if photo is None else photo.boxes.astype(float).round(1).tolist()
    return row


def _map_points(page: ReviewPage, known: Mapping[str, ImageFeatures], photos: _PhotoTable) -> list[list[Any]]:
    """x, y, the label's index or -1, whether it is in doubt, and the photo: its index, or its key if it has none."""
    if not page.face_map.keys:
        return []
    labels = {label: i for i, label in enumerate(sorted(page.counts))}
    doubtful = {finding.path for finding in page.findings if finding.kind in DOUBTFUL}
    low, high = page.face_map.points.min(axis=0), page.face_map.points.max(axis=0)
    scaled = np.rint((page.face_map.points - low) / np.maximum(high - low, 1e-9).max() * _GRID).astype(int).tolist()
    rows = []
    for key, (x, y) in zip(page.face_map.keys, scaled, strict=True):
        label = labels.get(known[key].origin.label or "", -1)
        rows.append([x, y, label, int(key in doubtful), photos.indices.get(key, key)])
    return rows
