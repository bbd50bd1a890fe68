"""HOG and Haar, which need no weights of their own."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from mien.detection import classical
from mien.detection.classical import HOG, Haar
from mien.types import Pixels
from tests.detection.pictures import iou, pixels


@pytest.fixture
def collins(astronaut: bytes) -> Pixels:
    return pixels(astronaut)


def test_neither_gives_landmarks(collins: Pixels) -> None:
    assert HOG()(collins).landmarks is None
    assert Haar()(collins).landmarks is None


def test_they_agree_on_a_portrait(collins: Pixels) -> None:
    assert iou(HOG()(collins, largest=True).boxes[0], Haar()(collins, largest=True).boxes[0]) > 0.5


def test_hog_finds_small_faces_only_on_request(collins: Pixels) -> None:
    small = np.ascontiguousarray(collins[::2, ::2])
    assert iou(HOG(min_face=20)(small, largest=True).boxes[0], np.array([89, 39, 134, 86], np.float32)) > 0.7
    assert len(HOG(min_face=80)(small)) == 0


def test_scores_of_a_clear_face_are_above_the_boundary(collins: Pixels) -> None:
    assert HOG()(collins).scores[0] > 1
    assert Haar()(collins, largest=True).scores[0] > 1


@pytest.mark.parametrize("make", [classical._hog, classical._cascade])
def test_each_thread_has_its_own(make: object) -> None:
    assert callable(make)
    here, there = make(), []
    thread = threading.Thread(target=lambda: there.append(make()))
    thread.start()
    thread.join()
    assert make() is here
    assert there[0] is not here
