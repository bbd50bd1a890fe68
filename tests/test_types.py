"""The values: what they hold together, what they refuse, and that nothing edits them."""

from __future__ import annotations

import dataclasses
import json
import pickle

import numpy as np
import pytest

from mien import types
from mien.types import Crop, Detection, Embedding, Faces, Origin, Photo, PhotoRef, Prediction, Reason, Rejected

ORIGIN = Origin("a/1.jpg", label="a", split="train", licence="CC0", group="s1")
FACE = Detection(0, (1.0, 2.0, 3.0, 4.0), 0.9)


def photo() -> Photo:
    return Photo(ORIGIN, np.zeros((20, 30, 3), np.uint8), 30, 20)


def faces(n: int) -> Faces:
    boxes = np.arange(4 * n, dtype=np.float32).reshape(n, 4)
    landmarks = np.arange(10 * n, dtype=np.float32).reshape(n, 5, 2)
    return Faces(photo(), boxes, np.linspace(1, 0, n, dtype=np.float32), landmarks)


def everything() -> list[object]:
    pixels, vector = np.zeros((8, 8, 3), np.uint8), np.zeros(4, np.float32)
    return [
        PhotoRef(ORIGIN, data=b"x"),
        photo(),
        faces(2),
        Crop(ORIGIN, FACE, pixels),
        Embedding(ORIGIN, FACE, vector),
        Prediction(ORIGIN, FACE, "a", (("a", 1.0),), 0.5),
        Rejected(ORIGIN, "decode", Reason.EMPTY),
    ]


@pytest.mark.parametrize("value", everything(), ids=lambda value: type(value).__name__)
def test_every_value_knows_its_origin_and_is_frozen_with_slots(value: object) -> None:
    assert value.origin == ORIGIN  # type: ignore[attr-defined]
    assert value.key == "a/1.jpg"  # type: ignore[attr-defined]
    assert not hasattr(value, "__dict__")
    name = dataclasses.fields(value)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, None)


@pytest.mark.parametrize("value", everything(), ids=lambda value: type(value).__name__)
def test_every_value_travels_to_another_process(value: object) -> None:
    again = pickle.loads(pickle.dumps(value))
    assert again.origin == ORIGIN
    assert type(again) is type(value)


def test_one_face_can_be_taken_out_of_the_columns() -> None:
    second = faces(3).face(1)
    assert (second.index, second.box, second.score) == (1, (4.0, 5.0, 6.0, 7.0), 0.5)
    assert all(type(side) is float for side in second.box)
    assert second.landmarks is not None
    np.testing.assert_array_equal(second.landmarks, faces(3).landmarks[1])  # type: ignore[index]
    assert len(faces(3)) == 3


def test_faces_may_have_no_landmarks() -> None:
    bare = Faces(photo(), np.zeros((1, 4), np.float32), np.ones(1, np.float32))
    assert bare.face(0).landmarks is None


def test_a_photo_without_faces_has_empty_columns() -> None:
    assert len(faces(0)) == 0


@pytest.mark.parametrize(
    ("boxes", "scores", "landmarks", "says"),
    [
        ((2, 4), (1,), None, "do not belong together"),
        ((2, 5), (2,), None, "do not belong together"),
        ((2, 4), (2, 1), None, "do not belong together"),
        ((2, 4), (2,), (2, 10), "landmarks must be"),
        ((2, 4), (2,), (1, 5, 2), "landmarks must be"),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    boxes: tuple[int, ...], scores: tuple[int, ...], landmarks: tuple[int, ...] | None, says: str
) -> None:
    points = None if landmarks is None else np.zeros(landmarks, np.float32)
    with pytest.raises(ValueError, match=says):
        Faces(photo(), np.zeros(boxes, np.float32), np.zeros(scores, np.float32), points)


def test_every_reason_has_a_meaning_for_people() -> None:
    for reason in Reason:
        assert reason.meaning
        assert not reason.meaning.endswith(".")


def test_a_rejected_item_says_where_and_why_in_json() -> None:
    rejected = Rejected(ORIGIN, "decode", Reason.TOO_LARGE, "120 megapixels")
    assert json.loads(json.dumps(rejected.as_json())) == {
        "stage": "decode",
        "reason": "too-large",
        "detail": "120 megapixels",
    }


def test_the_word_for_strangers_is_fixed() -> None:
    assert types.UNKNOWN == "unknown"
