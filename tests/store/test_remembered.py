"""Results of a photo through the cache and back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mien.store.remembered import pack, unpack
from mien.types import Detection, Embedding, Origin, Reason, Rejected

_HERE, _THERE = Origin("a.jpg", "a"), Origin("b.jpg", "b")


def _embedding(index: int, landmarks: bool) -> Embedding:
    points = np.arange(10, dtype=np.float32).reshape(5, 2) if landmarks else None
    face = Detection(index, (1.5, 2.25, 30.0, 40.0), 0.987, points)
    return Embedding(_HERE, face, np.linspace(-1, 1, 128).astype(np.float32) * (index + 1))


@pytest.mark.parametrize("landmarks", [True, False])
def test_faces_come_back_bit_for_bit_under_the_new_origin(landmarks: bool) -> None:
    results = [_embedding(0, landmarks), _embedding(1, landmarks)]
    data = pack(results)
    assert data is not None
    back = unpack(data, _THERE)
    assert [b.origin for b in back] == [_THERE, _THERE]
    for was, now in zip(results, back, strict=True):
        assert isinstance(now, Embedding)
        assert np.array_equal(was.vector, now.vector)
        assert (was.face.index, was.face.box, was.face.score) == (now.face.index, now.face.box, now.face.score)
        assert (was.face.landmarks is None) == (now.face.landmarks is None)
        if was.face.landmarks is not None and now.face.landmarks is not None:
            assert np.array_equal(was.face.landmarks, now.face.landmarks)


def test_a_photo_without_a_face_is_remembered_with_its_reason() -> None:
    data = pack([Rejected(_HERE, "detect", Reason.NO_FACE, "nothing over 0.5")])
    assert data is not None
    assert unpack(data, _THERE) == [Rejected(_THERE, "detect", Reason.NO_FACE, "nothing over 0.5")]


@pytest.mark.parametrize("reason", [Reason.MISSING, Reason.ERROR, Reason.TOO_LARGE, Reason.UNREADABLE])
def test_what_may_be_different_tomorrow_is_not_remembered(reason: Reason) -> None:
    assert pack([Rejected(_HERE, "decode", reason)]) is None


@pytest.mark.parametrize("data", [b"", b"{}", b"garbage\n123", b'{"faces": [{}]}\n', b'{"rejected": ["x", "y", "z"]}'])
def test_what_pack_did_not_make_is_an_error(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        unpack(data, _HERE)


def test_numbers_that_lose_nothing_by_it_are_kept_in_half_the_room() -> None:
    rounded = np.linspace(0, 9, 4096).astype(np.float16).astype(np.float32)
    face = Detection(0, (1.0, 2.0, 3.0, 4.0), 0.5)
    data = pack([Embedding(_HERE, face, rounded)])
    assert data is not None
    assert len(data) < 4096 * 2 + 200
    (back,) = unpack(data, _THERE)
    assert isinstance(back, Embedding)
    assert back.vector.dtype == np.float32
    assert np.array_equal(back.vector, rounded)


@pytest.mark.parametrize("value", [0.1, 1e6, 1e-9, float("nan"), float("inf")])
def test_numbers_that_would_lose_something_are_kept_whole(value: float) -> None:
    vector = np.array([1.0, value], np.float32)
    data = pack([Embedding(_HERE, Detection(0, (1.0, 2.0, 3.0, 4.0), 0.5), vector)])
    assert data is not None
    (back,) = unpack(data, _THERE)
    assert isinstance(back, Embedding)
    assert np.array_equal(back.vector, vector, equal_nan=True)


def test_an_entry_that_does_not_say_how_its_numbers_are_kept_is_read_as_an_earlier_release_wrote_it() -> None:
    face = {"index": 0, "box": [1, 2, 3, 4], "score": 0.5, "landmarks": None}
    (back,) = unpack(
        json.dumps({"faces": [face]}).encode() + b"\n" + np.array([0.1, 0.2], np.float32).tobytes(), _THERE
    )
    assert isinstance(back, Embedding)
    assert back.vector.tolist() == np.array([0.1, 0.2], np.float32).tolist()
    with pytest.raises(ValueError, match="numbers of the type"):
        unpack(json.dumps({"faces": [face], "type": "object"}).encode() + b"\n", _THERE)
