from __future__ import annotations

import numpy as np
import pytest

from mien.detect import Detections
from mien.detect.anchors import Limits, chosen, fit

FREE = (1, 3, "height", "width")


def test_a_free_input_is_filled_up_to_whole_strides() -> None:
    fitted = fit(np.full((50, 70, 3), 9, np.uint8), FREE, 1.0)
    assert fitted.pixels.shape == (64, 96, 3)
    assert fitted.scale == 1
    assert (fitted.pixels[:50, :70] == 9).all()
    assert not fitted.pixels[50:].any()
    assert not fitted.pixels[:, 70:].any()


@pytest.mark.parametrize("shape", [(640, 640), (320, 200), (1, 1), (2000, 3)])
def test_a_fixed_input_is_never_overrun(shape: tuple[int, int]) -> None:
    fitted = fit(np.zeros((*shape, 3), np.uint8), (1, 3, 320, 320), 1.0)
    assert fitted.pixels.shape == (320, 320, 3)
    assert max(shape) * fitted.scale <= 320
    assert fitted.scale <= 1


def test_a_picture_is_made_smaller_as_asked() -> None:
    fitted = fit(np.zeros((400, 600, 3), np.uint8), FREE, 0.5)
    assert fitted.pixels.shape == (224, 320, 3)
    assert fitted.scale == 0.5


def test_unnamed_free_sizes_are_free_too() -> None:
    assert fit(np.zeros((30, 40, 3), np.uint8), (1, 3, None, -1), 1.0).pixels.shape == (32, 64, 3)


def test_grid_points_run_row_by_row() -> None:
    fitted = fit(np.zeros((64, 96, 3), np.uint8), FREE, 1.0)
    assert fitted.grid(32).tolist() == [[0, 0], [32, 0], [64, 0], [0, 32], [32, 32], [64, 32]]
    assert fitted.grid(32, 2)[:3].tolist() == [[0, 0], [0, 0], [32, 0]]


def test_faces_come_back_in_pixels_of_the_picture() -> None:
    fitted = fit(np.zeros((200, 200, 3), np.uint8), FREE, 0.5)
    boxes = np.array([[10, 10, 40, 40], [11, 10, 41, 40], [60, 60, 90, 90], [0, 0, 4, 4]], np.float32)
    answer = Detections(boxes, np.array([0.9, 0.8, 0.4, 0.9], np.float32), np.ones((4, 5, 2), np.float32))
    found = chosen(answer, fitted, (200, 200, 3), Limits(0.5, 20, 0.4), largest=False)
    assert found.boxes.tolist() == [[20, 20, 80, 80]]
    assert found.landmarks is not None
    assert (found.landmarks == 2).all()
    assert found.missed == pytest.approx(0.4)


def test_no_windows_at_all_give_no_face() -> None:
    fitted = fit(np.zeros((20, 20, 3), np.uint8), FREE, 1.0)
    answer = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    assert len(chosen(answer, fitted, (20, 20, 3), Limits(0.5, 20, 0.4), largest=True)) == 0
