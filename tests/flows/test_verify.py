"""Two photos, one answer: what is asked has to have a meaning."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.errors import DataError
from mien.flows.verify import verify

pytestmark = pytest.mark.usefixtures("models_home")


@pytest.fixture
def pair(album: Path) -> tuple[Path, Path]:
    return album / "originals" / "Eileen Collins.jpg", album / "originals" / "Grace Hopper.jpg"


def test_two_people_are_two_and_one_is_one(pair: tuple[Path, Path]) -> None:
    eileen, grace = pair
    assert not verify(eileen, grace, detector="mtcnn").same
    assert verify(eileen, eileen, detector="mtcnn").same


def test_the_threshold_is_the_embedders_unless_one_is_given(pair: tuple[Path, Path]) -> None:
    assert verify(*pair, detector="mtcnn").threshold == pytest.approx(0.41)
    wide = verify(*pair, detector="mtcnn", threshold=1.9)
    assert (wide.threshold, wide.same) == (1.9, True)


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), -float("inf"), 0.0, -0.4])
def test_a_threshold_that_is_no_distance_is_refused_before_the_photos_are_read(threshold: float) -> None:
    with pytest.raises(DataError, match="give a number above 0"):
        verify(Path("gone"), Path("gone"), detector="mtcnn", threshold=threshold)


def test_a_photo_that_is_not_there_is_named(pair: tuple[Path, Path]) -> None:
    with pytest.raises(DataError, match=r"gone\.jpg: the file is not there"):
        verify(pair[0], Path("gone.jpg"), detector="mtcnn")
