"""Pages of a check as tests need them: real photos, and findings that somebody wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from mien.curate.beside import Neighbour
from mien.curate.finding import Finding, Kind
from mien.curate.page import Page
from mien.curate.plane import Plane
from mien.curate.shown import THUMB, ImageFeatures
from mien.types import Origin


def shown(key: str, label: str | None, faces: int = 1, vector: Sequence[float] = (1, 0)) -> ImageFeatures:
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
        vectors={"dlib-resnet": vectors, "traits": vectors},
        traits={},
    )


def page(
    photos: Sequence[ImageFeatures], findings: Sequence[Finding], pictures: dict[str, bytes] | None = None
) -> Page:
    """A page about these photos; every suspect stands beside the first photo."""
    beside = {
        i: [Neighbour(photos[0].key, photos[0].origin.label or "", 0.31)]
        for i, finding in enumerate(findings)
        if finding.kind is Kind.WRONG_PERSON
    }
    places = np.array([[i, i * i] for i in range(len(photos))], np.float32)
    return Page(
        name="photos",
        facts={"Detector": "mtcnn"},
        findings=findings,
        shown=photos,
        unread=0,
        pictures=pictures or {},
        beside=beside,
        plane=Plane(tuple(each.key for each in photos), places, "t-sne"),
        todo="mien clean photos --verdicts verdicts.csv",
        counts=Counter(each.origin.label for each in photos if each.origin.label is not None),
    )
