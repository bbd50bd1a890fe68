"""A photo's way to its answers, step by step in pictures; knows nothing of pages, and of the words on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, ClassVar, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mien import models
from mien.alignment import LANDMARKS
from mien.alignment.stage import cut_faces
from mien.alignment.views import AUTO, VIEWS, View, resolve_view
from mien.detection import DETECTORS
from mien.detection.detections import overlaps, sides
from mien.detection.single_shot import FACE_SCORE, YuNet
from mien.images import ImageError, encode, thumbnail, tint
from mien.pipeline.classifier import Classifier
from mien.pipeline.classify import Classify, stack_inputs
from mien.pipeline.embed_faces import BATCH_SIZE, FaceEmbedder
from mien.pipeline.identify import FaceNamer, Match
from mien.pipeline.progress import NoProgress, Progress
from mien.pipeline.spec import PipelineSpec, build_spec
from mien.pipeline.traits import NO_TRAITS, Traits
from mien.run.runners import batches, run_stages
from mien.stage import Needs
from mien.types import Crop, Detection, Embedding, Faces, Floats, Photo, Pixels, Reason, Rejected

Numbers: TypeAlias = npt.NDArray[Any]
MOST_FACES = 6
"""The faces of a photo that are followed to their answers; others only get their box."""

_POSITIONS, _PATCH, _GREY = 8, 0.25, 128
"""The patch takes so many places in each direction, is such a fraction of the crop's side, and is of that grey."""
_LEAST = 0.1  # what the full colour of a map stands for, or a map on which nothing matters would look as if it did
_CLOSE_SIDE, _MAP_SIDE = 320, 240
_MARGIN = 0.2  # around a face that is shown by itself, as a fraction of its box
_SAME_FACE = 0.3  # overlap
_CONTOURS = VIEWS["openface"]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A JPEG or PNG. what: the step that it shows. facts: what there is to say of it, in names and numbers."""

    what: str
    data: bytes = field(repr=False)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What was read off a face, and what that hangs on.

    what: the trait or bundle that was asked; None for the vector by which people are told apart. top: labels with their
    probabilities. heat: the map of what the answer hangs on, where full colour stands for a change by `full`. before,
    covered: the best label's probability, and the lowest with a part covered; of a vector the largest distance that
    counts as one person, and the furthest that it moved. then: the likeliest label at that place.
    """

    what: str | None
    label: str
    top: tuple[tuple[str, float], ...]
    person: Match | None = None
    heat: bytes | None = field(default=None, repr=False)
    full: float = 1.0
    before: float = 0.0
    covered: float = 0.0
    then: str = ""

    def as_json(self) -> dict[str, Any]:
        """The fields of a trait, as `mien look` prints them."""
        return {"label": self.label, "score": round(self.before, 4), "scores": {k: round(p, 4) for k, p in self.top}}


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A face as some networks see it: what they take in, and what is read off that."""

    network: str
    inputs: tuple[Picture, ...]
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedFace:
    """A face on its way, with its 5 landmarks and 68 more in the upright photo.

    close: a picture of the part `frame` of that: left, top, width and height, as an SVG's viewBox has them.
    """

    detection: Detection
    close: Picture
    frame: tuple[float, float, float, float]
    landmarks: Floats | None
    contours: Floats | None
    views: tuple[Picture, ...]
    readings: tuple[Reading, ...]

    def as_json(self, bundle: str | None) -> dict[str, Any]:
        """The face, the answer of the bundle, the traits, and who it is."""
        answers = {answer.what: answer for reading in self.readings for answer in reading.answers}
        asked, vector = answers.pop(bundle, None) if bundle else None, answers.pop(None, None)
        marks = self.detection.landmarks
        return {
            **self.detection.as_json(),
            "landmarks": None if marks is None else marks.astype(float).round(1).tolist(),
            "label": asked.label if asked else None,
            "top": [{"label": label, "score": round(score, 4)} for label, score in asked.top] if asked else [],
            "traits": {name: answer.as_json() for name, answer in answers.items()},
            "person": vector.person.as_json() if vector and vector.person else None,
        }


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedPhoto:
    """A photo's way: its faces, and what was too weak for one; `faces` are those that were followed.

    upright: the photo as the detector saw it. boxes, weak_boxes: where they are in the upright photo, of that `size`.
    near_miss: the best score of what was too weak, where the detector tells no more. why: why there is no face.
    """

    found: Faces
    weak: Faces
    boxes: Floats
    weak_boxes: Floats
    size: tuple[int, int]
    upright: Pixels
    faces: tuple[ExplainedFace, ...]
    detector: str
    bundle: str | None
    near_miss: float
    why: Rejected | None

    @property
    def key(self) -> str:
        return self.found.key

    def as_json(self) -> dict[str, Any]:
        """The line that `mien explain` prints for a photo, but for the page."""
        followed = [face.as_json(self.bundle) for face in self.faces]
        others = [self.found.face(i).as_json() for i in range(len(followed), len(self.found))]
        return {
            "image": self.key,
            "width": self.found.photo.width,
            "height": self.found.photo.height,
            "detector": self.detector,
            "turned": self.found.turned,
            "faces": followed + others,
            "weak": [self.weak.face(i).as_json() for i in range(len(self.weak))],
            **({} if self.why is None else {"rejected": self.why.as_json()}),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """How a face is read: by networks whose vectors are joined, or by the pixels of a view where there are none.

    With classifiers their labels are read, and without any who it is.
    """

    view: View
    embedders: tuple[FaceEmbedder, ...]
    classifiers: Mapping[str, Classifier] = field(default_factory=dict)
    namer: FaceNamer | None = None

    @property
    def views(self) -> list[View]:
        """The crops that it takes."""
        return [embedder.view for embedder in self.embedders] or [self.view]

    def read(self, crops: Sequence[Crop]) -> Reading:
        """The crops of a face -> what is read off it, and off it again with one part after the other covered.

        What an answer hangs on is found as by Zeiler and Fergus 2014, "Visualizing and understanding convolutional
        networks": by how much it changes where a grey patch lies.
        """
        numbers = self._numbers([[crop, *_covered(crop)] for crop in crops])
        item = Embedding(crops[0].origin, crops[0].face, numbers[0]) if self.embedders else crops[0]
        answers = [_answer(name, each, item, numbers, crops[0].pixels) for name, each in self.classifiers.items()]
        if isinstance(item, Embedding) and not self.classifiers:
            (who,) = self.namer.identifier.identify([item]) if self.namer else (None,)
            label, person = (who.label, who.person) if who else ("", None)
            moved = np.linalg.norm(numbers[1:] - numbers[0], axis=1)
            card = models.CARDS.get(self.embedders[0].embed.embedder)
            threshold, heat = (card.threshold if card else None) or 0.0, _heat(crops[0].pixels, moved)
            answers = [Answer(None, label, (), person, *heat, threshold, float(moved.max()))]
        network = " + ".join(embedder.embed.embedder for embedder in self.embedders) or next(iter(self.classifiers))
        return Reading(network, tuple(self._inputs(crops)), tuple(answers))

    def _numbers(self, columns: Sequence[Sequence[Crop]]) -> Numbers:
        """For each view the crops of n faces -> what a head takes of each: vectors (n, d) or pixels (n, ...)."""
        if not self.embedders:
            return stack_inputs(columns[0])
        vectors = [
            stack_inputs([item for batch in batches(column, BATCH_SIZE) for item in embedder.embed(batch)])
            for embedder, column in zip(self.embedders, columns, strict=True)
        ]
        return np.concatenate(vectors, axis=1)

    def _inputs(self, crops: Sequence[Crop]) -> Iterator[Picture]:
        """The crops of a face -> what each network takes in, and its mirror image where it sees that, too."""
        heads = [classifier.head for classifier in self.classifiers.values()]
        for i, crop in enumerate(crops):
            embed = self.embedders[i].embed if self.embedders else None
            card = models.CARDS.get(embed.embedder) if embed else None
            side = crop.pixels.shape[0]
            spec = card.input if card and card.input else models.InputSpec(side, self.view.name)
            coloured = crop.pixels.ndim == 3
            taken = np.ascontiguousarray(crop.pixels[..., ::-1]) if coloured and spec.colour == "bgr" else crop.pixels
            low, high = (f"{(float(value) - spec.mean) * spec.scale:.3g}" for value in (taken.min(), taken.max()))
            facts = {"side": side, "low": low, "high": high, "order": spec.colour.upper()}
            yield Picture("input-colour" if coloured else "input", encode(taken, "png"), facts)
            if embed.mirror if embed else any(getattr(head, "mirror", False) for head in heads):
                yield Picture("mirror", encode(np.ascontiguousarray(taken[:, ::-1]), "png"))


def _answer(what: str, classifier: Classifier, item: Embedding | Crop, numbers: Numbers, crop: Pixels) -> Answer:
    """What a classifier says of a face; numbers: of the face as it is, and with the patch at each place."""
    (prediction,) = Classify(classifier.head, classifier.abstention)([item])
    if not prediction.top:
        return Answer(what, prediction.label, ())
    labels, probabilities = classifier.head.labels, classifier.head.answer(numbers)[0]
    best = labels.index(prediction.top[0][0])
    drops = probabilities[0, best] - probabilities[1:, best]
    worst = probabilities[1 + int(drops.argmax())]
    likelihoods = float(probabilities[0, best]), float(worst[best])
    then = labels[int(worst.argmax())]
    return Answer(what, prediction.label, prediction.top, None, *_heat(crop, drops), *likelihoods, then)


def _places(side: int) -> Iterator[tuple[slice, slice]]:
    """The rows and columns that the patch covers in a square of that side, place after place."""
    starts = np.linspace(0, 1 - _PATCH, _POSITIONS)
    spans = [slice(round(start * side), round((start + _PATCH) * side)) for start in starts]
    yield from ((rows, columns) for rows in spans for columns in spans)


def _covered(crop: Crop) -> Iterator[Crop]:
    """A crop -> the same with the patch at each place."""
    for place in _places(crop.pixels.shape[0]):
        pixels = crop.pixels.copy()
        pixels[place] = _GREY
        yield replace(crop, pixels=pixels)


def _heat(crop: Pixels, changes: Numbers) -> tuple[bytes, float]:
    """A crop and the change at each place -> the crop under the map of them, and what full colour stands for."""
    total, times = np.zeros((2, _MAP_SIDE, _MAP_SIDE), np.float32)
    for place, change in zip(_places(_MAP_SIDE), changes, strict=True):
        total[place] += change
        times[place] += 1
    values = cv2.GaussianBlur(total / times, (0, 0), _MAP_SIDE / 40)
    full = max(_LEAST, float(np.abs(values).max()))
    return encode(tint(crop, np.asarray(values / full, np.float32)), "jpeg", 85), full


@dataclass(frozen=True, slots=True)
class Explainer:
    """Photo -> ExplainedPhoto: `spec` finds the faces; traits, the classifier of a bundle and `namer` read them.

    Without a bundle, the vectors by which people are told apart are read, too, though nobody may be enrolled.
    progress: shows how much is done of a photo, where it is the only one.
    """

    spec: PipelineSpec
    traits: Traits = NO_TRAITS
    namer: FaceNamer | None = None
    bundle: str | None = None
    classifier: Classifier | None = None
    max_faces: int | None = None
    progress: Progress = field(default_factory=NoProgress)
    name: ClassVar[str] = "explain"
    batch_size: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs()

    def __call__(self, batch: Sequence[Photo], /) -> Iterator[ExplainedPhoto | Rejected]:
        for photo in batch:
            try:
                yield self._explain(photo)
            except ImageError as error:
                yield Rejected(photo.origin, self.name, error.reason, error.detail)

    def _explain(self, photo: Photo) -> ExplainedPhoto | Rejected:
        (found,) = run_stages(self.spec.detect_stages(self.max_faces)[1:], [photo])
        why = found if isinstance(found, Rejected) else None
        if why is not None and why.reason is not Reason.NO_FACE:
            return why
        none = Faces(photo, np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
        faces = none if isinstance(found, Rejected) else found
        quarters = faces.turned // 90
        upright = np.ascontiguousarray(np.rot90(photo.pixels, quarters))
        weak, near_miss = self._weak(upright, faces) if self.spec.faces == "find" else (none, 0.0)
        return ExplainedPhoto(
            faces,
            weak,
            _turned(faces.boxes, (photo.width, photo.height), quarters),
            _turned(weak.boxes, (photo.width, photo.height), quarters),
            (photo.height, photo.width) if quarters % 2 else (photo.width, photo.height),
            upright,
            tuple(self._followed(faces, upright)),
            self.spec.detector if self.spec.faces == "find" else "",
            self.bundle,
            near_miss,
            why,
        )

    def _weak(self, upright: Pixels, faces: Faces) -> tuple[Faces, float]:
        """What the detector nearly took for a face; only the best score of that where it tells no more."""
        photo, name = faces.photo, self.spec.detector
        least = self.spec.min_face or max(20, max(photo.width, photo.height) // 50)
        size = max(12, round(least * photo.scale))
        detector = YuNet(size, candidates=True) if name == "yunet" else DETECTORS.load(name)(min_face=size)
        found = detector(upright)
        boxes = _turned(found.boxes, (upright.shape[1], upright.shape[0]), -faces.turned // 90 % 4)
        step = (photo.width / photo.pixels.shape[1], photo.height / photo.pixels.shape[0])
        boxes = boxes * np.array(step * 2, np.float32)
        weak = (found.scores < FACE_SCORE) & (sides(boxes) >= least) & (name == "yunet")
        weak &= ~(overlaps(boxes, faces.boxes) > _SAME_FACE).any(axis=1)
        near_miss = 0.0 if weak.any() or len(faces) else found.near_miss
        return replace(faces, boxes=boxes[weak], scores=found.scores[weak], landmarks=None), near_miss

    def _followed(self, faces: Faces, upright: Pixels) -> Iterator[ExplainedFace]:
        """The faces of a photo -> the first few on their way to their answers."""
        sights = self._sights()
        views = {name: view for name, view in VIEWS.items() if view != _CONTOURS or resolve_view(AUTO) == view.name}
        shown, cut = _cut(faces, [*views.values()]), _cut(faces, [view for sight in sights for view in sight.views])
        first = range(min(len(faces), MOST_FACES))
        crops = {i: iter(cut.get(i, ())) for i in first}
        work = [(i, sight, list(islice(crops[i], len(sight.views)))) for i in first if i in cut for sight in sights]
        done = [(i, sight.read(some)) for i, sight, some in self.progress.track(work, len(work), "networks")]
        for i in first:
            pictures = [
                Picture("view", encode(crop.pixels, "png"), {"name": name, "side": crop.pixels.shape[0]})
                for name, crop in zip(views, shown.get(i, ()), strict=False)
            ]
            readings = tuple(reading for index, reading in done if index == i)
            yield _close_up(faces, i, upright, tuple(pictures), readings)

    def _sights(self) -> list[Sight]:
        """What reads the faces."""
        sights = []
        if self.classifier is not None and self.bundle is not None:
            spec = self.classifier.spec
            sights.append(Sight(spec.view, spec.face_embedders(), {self.bundle: self.classifier}))
        for embedder, classifiers in zip(self.traits.embedders, self.traits.classifiers, strict=True):
            sights.append(Sight(embedder.view, (embedder,), classifiers))
        if self.namer is not None or self.bundle is None:
            (own,) = build_spec(self.spec.detector).face_embedders() if self.namer is None else (self.namer.embedder,)
            sights.append(Sight(own.view, (own,), namer=self.namer))
        return sights


def _cut(faces: Faces, views: Sequence[View]) -> dict[int, list[Crop]]:
    """The faces of a photo -> by their index the crops of all views; none of a face that one of them cannot cut."""
    rows = zip(*cut_faces(faces, views), strict=True) if len(faces) and views else ()
    return {row[0].face.index: list(row) for row in rows}


def _close_up(
    faces: Faces, i: int, upright: Pixels, views: tuple[Picture, ...], readings: tuple[Reading, ...]
) -> ExplainedFace:
    """A face, and what was made of it -> the same with a picture of it, and where the landmarks are in the photo."""
    quarters, size = faces.turned // 90, (faces.photo.width, faces.photo.height)
    (x1, y1, x2, y2) = (float(v) for v in _turned(faces.boxes[i : i + 1], size, quarters)[0])
    scale = upright.shape[1] / (size[1] if quarters % 2 else size[0])
    edge = _MARGIN * max(x2 - x1, y2 - y1)
    left, top = max(0, int((x1 - edge) * scale)), max(0, int((y1 - edge) * scale))
    part = upright[top : int((y2 + edge) * scale) + 1, left : int((x2 + edge) * scale) + 1]
    frame = (left / scale, top / scale, part.shape[1] / scale, part.shape[0] / scale)
    marks = None if faces.landmarks is None else _turn(faces.landmarks[i], size, quarters)
    contours = None
    if resolve_view(AUTO) == _CONTOURS.name:
        box = (x1 * scale, y1 * scale, x2 * scale, y2 * scale)
        contours = LANDMARKS.load(_CONTOURS.points)(_CONTOURS.points)(upright, box) / np.float32(scale)
    close = Picture("landmarks", thumbnail(part, _CLOSE_SIDE))
    return ExplainedFace(faces.face(i), close, frame, marks, contours, views, readings)


def _turn(points: Floats, size: tuple[int, int], quarters: int) -> Floats:
    """Points (..., 2) in a picture of that width and height -> where they are once it is turned counter-clockwise."""
    for _ in range(quarters):
        points, size = np.stack([points[..., 1], size[0] - points[..., 0]], axis=-1), (size[1], size[0])
    return points


def _turned(boxes: Floats, size: tuple[int, int], quarters: int) -> Floats:
    """The same for boxes (n, 4)."""
    corners = _turn(boxes.reshape(-1, 2, 2), size, quarters)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
