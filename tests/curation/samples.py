"""Photos for the tests of curate: features made of pixels, of vectors, or of a size; and pages that show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256

import cv2
import numpy as np

from mien.curation.features import THUMB, ImageFeatures, grey_thumbnail
from mien.curation.findings import Finding, Kind
from mien.curation.review_page import FaceMap, NearestExample, ReviewPage
from mien.images import decode, encode
from mien.models import IDENTITY_EMBEDDER
from mien.types import Floats, Origin, Pixels

# Photos of a data set as a check sees them, made of pixels, for tests of copies.


def pixel_photo(
    key: str,
    pixels: Pixels,
    label: str | None = None,
    split: str | None = None,
    *,
    sharpness: float | None = None,
    group: str | None = None,
    data: bytes | None = None,
) -> ImageFeatures:
    """A photo with these pixels; with a sharpness it has a face. Files are one where their `data` are."""
    faces = 0 if sharpness is None else 1
    return ImageFeatures(
        origin=Origin(key, label, split, None, group),
        digest=sha256(data if data is not None else key.encode()).digest(),
        width=pixels.shape[1],
        height=pixels.shape[0],
        thumb=grey_thumbnail(pixels),
        colour=np.empty(0, np.float32),
        boxes=np.zeros((faces, 4), np.float32),
        scores=np.ones(faces, np.float32),
        landmarks=None,
        quality={"sharpness": np.full(faces, sharpness or 0, np.float32)},
        vectors={},
        traits={},
    )


def compressed(pixels: Pixels, quality: int = 90) -> Pixels:
    """As they come out of a JPEG."""
    return decode(encode(pixels, "jpeg", quality), max_megapixels=1).pixels


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def other_photos(count: int, seed: int = 0) -> list[Pixels]:
    """Pictures of nothing, each with large and small patches of its own (96, 96, 3)."""
    draw = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        layers = [cv2.resize(draw.normal(0, 18, (n, n)), (96, 96), interpolation=cv2.INTER_CUBIC) for n in (3, 6, 24)]
        grey = np.clip(120 + sum(layers), 0, 255).astype(np.uint8)
        made.append(np.repeat(grey[:, :, None], 3, axis=2))
    return made


# What photos show, made up: faces of people, or looks, as vectors around a centre.


DIM = 64
_SPREAD = 0.62  # makes photos of a person lie 0.3 apart and those of two 0.56, as dlib's network has it


def unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def persons(k: int, seed: int = 0) -> Floats:
    """Directions of k people (k, DIM), who have in common what all faces have."""
    rng = np.random.default_rng(seed)
    made = rng.normal(size=(k, DIM))
    made[:, 0] += 21.8
    return np.asarray(made, np.float32)


def faces(person: Floats, n: int, seed: int = 0, spread: float = _SPREAD) -> Floats:
    """n photos of a person (n, DIM)."""
    rng = np.random.default_rng(seed)
    return unit(np.asarray(person + spread * rng.normal(size=(n, DIM)), np.float32))


def vector_photo(
    key: str,
    label: str | None,
    vectors: Floats | Mapping[str, Floats],
    *,
    boxes: Sequence[tuple[float, float, float, float]] | None = None,
    quality: Mapping[str, Floats] | None = None,
    group: str | None = None,
    split: str | None = None,
    colour: Floats | None = None,
) -> ImageFeatures:
    """A photo whose faces have these vectors, the main one first."""
    named = dict(vectors) if isinstance(vectors, Mapping) else {IDENTITY_EMBEDDER: vectors}
    columns = {name: np.atleast_2d(rows).astype(np.float32) for name, rows in named.items()}
    n = len(next(iter(columns.values()))) if columns else 0
    places = [(10.0 + 60 * i, 10.0, 60.0 + 60 * i, 60.0) for i in range(n)] if boxes is None else boxes
    return ImageFeatures(
        origin=Origin(key, label, split=split, group=group),
        digest=key.encode(),
        width=400,
        height=100,
        thumb=np.zeros((THUMB, THUMB), np.uint8),
        colour=np.empty(0, np.float32) if colour is None else colour,
        boxes=np.array(places, np.float32).reshape(n, 4),
        scores=np.ones(n, np.float32),
        landmarks=None,
        quality=quality or {},
        vectors=columns,
        traits={},
    )


def album(k: int, n: int, seed: int = 0) -> list[ImageFeatures]:
    """n photos of each of k people, `P0/0.jpg` and so on."""
    centres = persons(k, seed)
    rows = [faces(centre, n, 100 * seed + i) for i, centre in enumerate(centres)]
    return [vector_photo(f"P{i}/{j}.jpg", f"P{i}", row[j]) for i, row in enumerate(rows) for j in range(n)]


# Pages of a check as tests need them: real photos, and findings that somebody wrote.


def page_photo(key: str, label: str | None, faces: int = 1, vector: Sequence[float] = (1, 0)) -> ImageFeatures:
    """A photo of 200 x 100 pixels; its faces stand beside each other, and the first one's vector is given."""
    boxes = np.array([[40 * i, 10, 40 * i + 30, 50] for i in range(faces)], np.float32).reshape(-1, 4)
    vectors = np.zeros((faces, len(vector)), np.float32)
    vectors[:1] = vector
    return ImageFeatures(
        origin=Origin(key, label),
        digest=key.encode(),
        width=200,
        height=100,
        thumb=np.zeros((THUMB, THUMB), np.uint8),
        colour=np.empty(0, np.float32),
        boxes=boxes,
        scores=np.ones(faces, np.float32),
        landmarks=None,
        quality={},
        vectors={IDENTITY_EMBEDDER: vectors, "traits": vectors},
        traits={},
    )


def page(
    photos: Sequence[ImageFeatures], findings: Sequence[Finding], pictures: dict[str, bytes] | None = None
) -> ReviewPage:
    """A page about these photos; every suspect stands beside the first photo."""
    examples = {
        i: [NearestExample(photos[0].key, photos[0].origin.label or "", 0.31)]
        for i, finding in enumerate(findings)
        if finding.kind is Kind.WRONG_PERSON
    }
    places = np.array([[i, i * i] for i in range(len(photos))], np.float32)
    return ReviewPage(
        name="photos",
        facts={"Detector": "mtcnn"},
        findings=findings,
        photos=photos,
        unreadable=0,
        pictures=pictures or {},
        examples=examples,
        face_map=FaceMap(tuple(each.key for each in photos), places, "t-sne"),
        next_command="mien clean photos --verdicts verdicts.csv",
        counts=Counter(each.origin.label for each in photos if each.origin.label is not None),
    )
