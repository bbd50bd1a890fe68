"""What a photo shows, as the cache keeps it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mien.curate.record import pack, unpack
from mien.curate.shown import THUMB, ImageFeatures
from mien.types import Origin, Reason, Rejected

MEASURES = ("side", "sharpness", "brightness", "contrast", "roll", "yaw", "pitch", "inside")


def photo(n: int, *, landmarks: bool = True) -> ImageFeatures:
    """A photo with n faces of random figures."""
    rng = np.random.default_rng(n)

    def column(*shape: int) -> Any:
        return rng.normal(size=(n, *shape)).astype(np.float32)

    return ImageFeatures(
        origin=Origin("a/b.jpg", "a"),
        digest=bytes(range(32)),
        width=640,
        height=480,
        thumb=rng.integers(0, 256, (THUMB, THUMB)).astype(np.uint8),
        colour=rng.normal(size=12).astype(np.float32),
        boxes=column(4),
        scores=column(),
        landmarks=column(5, 2) if landmarks else None,
        quality={name: column() for name in MEASURES},
        vectors={"dlib-resnet": column(128), "traits": column(256)},
        traits={"mask": column(3), "glasses": column(3)},
    )


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, np.ndarray):
        return bool(one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype != np.uint8))
    return bool(one == other)


@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize("landmarks", [True, False])
def test_what_is_packed_comes_back(n: int, landmarks: bool) -> None:
    before = photo(n, landmarks=landmarks)
    data = pack([before])
    assert data is not None
    (after,) = unpack(data, before.origin)
    for name in ImageFeatures.__slots__:
        assert same(getattr(before, name), getattr(after, name)), name


def test_figures_that_are_missing_stay_missing() -> None:
    before = photo(2)
    before.vectors["traits"][1] = np.nan
    data = pack([before])
    assert data is not None
    (after,) = unpack(data, before.origin)
    assert isinstance(after, ImageFeatures)
    assert np.isnan(after.vectors["traits"][1]).all()
    assert np.isfinite(after.vectors["traits"][0]).all()


def test_it_comes_back_under_the_name_that_the_photo_has_now() -> None:
    data = pack([photo(1)])
    assert data is not None
    (after,) = unpack(data, Origin("elsewhere.jpg", "b", "test"))
    assert after.key == "elsewhere.jpg"
    assert after.origin.label == "b"


def test_a_photo_takes_up_little() -> None:
    data = pack([photo(1)])
    assert data is not None
    assert len(data) < 8192


def test_what_could_not_be_looked_at_is_not_remembered() -> None:
    assert pack([Rejected(Origin("a"), "decode", Reason.UNREADABLE)]) is None
    assert pack([Rejected(Origin("a"), "detect", Reason.NO_FACE)]) is None


def test_what_comes_back_cannot_be_written_to() -> None:
    data = pack([photo(1)])
    assert data is not None
    (after,) = unpack(data, Origin("a"))
    assert isinstance(after, ImageFeatures)
    with pytest.raises(ValueError, match="read-only"):
        after.thumb[0, 0] = 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no line",
        b"[]\n",
        b"{}\n",
        b"\xff\xfe\n",
        b'{"arrays":[["|O",[1]]],"groups":{},"size":[1,1]}\n' + bytes(8),
        b'{"arrays":[["<f4",[1000]]],"groups":{},"size":[1,1]}\n' + bytes(8),
    ],
)
def test_bytes_of_something_else_are_refused(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        unpack(data, Origin("a"))


def test_a_record_that_was_cut_short_is_refused() -> None:
    data = pack([photo(1)])
    assert data is not None
    for length in (len(data) - 1, len(data) // 2, 50):
        with pytest.raises((ValueError, KeyError, TypeError)):
            unpack(data[:length], Origin("a"))
