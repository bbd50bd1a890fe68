"""Matrices and cuts: what a crop shows must lie where the matrix says."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.alignment import warp
from mien.types import Floats, Pixels

_POINTS = np.array([[30, 40], [70, 42], [50, 60], [35, 80], [66, 82]], np.float32)


def _moved(points: Floats, angle: float, scale: float, shift: tuple[float, float]) -> Floats:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(points @ turn.T + np.array(shift), np.float32)


def _ramp(height: int, width: int) -> Pixels:
    """A picture whose red channel is x and whose green channel is y."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x % 256, y % 256, np.zeros_like(x)], axis=2).astype(np.uint8)


@given(st.floats(-3, 3), st.floats(0.2, 4), st.floats(-50, 50), st.floats(-50, 50))
def test_similarity_finds_the_turn_scale_and_shift_that_were_applied(
    angle: float, scale: float, x: float, y: float
) -> None:
    target = _moved(_POINTS, angle, scale, (x, y))
    matrix = warp.similarity(_POINTS, target)
    assert np.allclose(_POINTS @ matrix[:, :2].T + matrix[:, 2], target, atol=1e-2)
    assert warp.scale_of(matrix) == pytest.approx(scale, rel=1e-3)


def test_similarity_agrees_with_opencv_on_points_that_do_not_fit_exactly() -> None:
    target = _moved(_POINTS, 0.3, 1.4, (5, -7)) + np.array([[1, 0], [0, 2], [-1, 0], [0, -1], [1, 1]], np.float32)
    ours = warp.similarity(_POINTS, target)
    theirs, _ = cv2.estimateAffinePartial2D(_POINTS, target, method=cv2.LMEDS, refineIters=100)
    # OpenCV's estimate is robust and ours is least squares: they agree to within the noise that was added.
    assert np.abs(ours @ np.array([50, 60, 1]) - theirs @ np.array([50, 60, 1])).max() < 2.5
    residual = _POINTS @ ours[:, :2].T + ours[:, 2] - target
    assert np.abs(residual.mean(axis=0)).max() < 1e-3


def test_affine_maps_three_points_exactly() -> None:
    target = np.array([[10, 12], [80, 9], [44, 50]], np.float32)
    matrix = warp.affine(_POINTS[:3], target)
    assert np.allclose(_POINTS[:3] @ matrix[:, :2].T + matrix[:, 2], target, atol=1e-3)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((2, 2), 7.0)])
def test_coinciding_points_are_degenerate(points: Floats) -> None:
    with pytest.raises(warp.DegenerateError):
        warp.similarity(points.astype(np.float32), _POINTS[: len(points)])


def test_points_on_one_line_are_degenerate_for_an_affine_map() -> None:
    with pytest.raises(warp.DegenerateError):
        warp.affine(np.array([[0, 0], [1, 1], [2, 2]], np.float32), _POINTS[:3])


def test_an_empty_box_is_degenerate() -> None:
    with pytest.raises(warp.DegenerateError):
        warp.square_around((5, 5, 5, 5), 112, 0.25)


def test_a_square_at_full_size_gives_the_same_pixels() -> None:
    picture = _ramp(60, 80)
    crop = warp.warp_crop(picture, warp.square_around((10, 20, 42, 52), 32, 0), 32)
    assert np.array_equal(crop, picture[20:52, 10:42])


def test_a_box_that_is_not_square_is_cut_as_the_square_around_its_middle() -> None:
    picture = _ramp(100, 100)
    crop = warp.warp_crop(picture, warp.square_around((30, 20, 50, 60), 40, 0), 40)
    assert np.array_equal(crop, picture[20:60, 20:60])


def test_the_margin_is_added_on_every_side() -> None:
    crop = warp.warp_crop(_ramp(100, 100), warp.square_around((40, 40, 60, 60), 40, 0.5), 40)
    assert np.array_equal(crop, _ramp(100, 100)[30:70, 30:70])


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("margin", [0.0, 0.25])
def test_the_square_of_a_picture_on_its_side_is_turned_back(quarters: int, margin: float) -> None:
    picture, box = _ramp(90, 120), np.array([[30, 20], [62, 44]], np.float32)
    wanted = warp.warp_crop(picture, warp.square_around((30, 20, 62, 44), 32, margin), 32)
    for _ in range(quarters):  # clockwise
        box = np.stack([picture.shape[0] - box[:, 1], box[:, 0]], axis=-1)
        picture = np.ascontiguousarray(np.rot90(picture, -1))
    (x1, y1), (x2, y2) = box.min(axis=0).tolist(), box.max(axis=0).tolist()
    found = warp.warp_crop(picture, warp.square_around((x1, y1, x2, y2), 32, margin, quarters), 32)
    np.testing.assert_allclose(found.astype(int), wanted, atol=1)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_quarter_turn_moves_points_as_it_moves_pixels(quarters: int) -> None:
    picture = np.zeros((5, 5, 3), np.uint8)
    picture[1, 4] = 255
    row, column = np.argwhere(np.rot90(picture, quarters)[..., 0])[0]
    x, y = warp.quarter_turn(quarters) @ np.array([4 - 2, 1 - 2]) + 2
    assert (x, y) == (column, row)


def test_outside_the_picture_is_black() -> None:
    crop = warp.warp_crop(np.full((20, 20, 3), 200, np.uint8), warp.square_around((-10, -10, 10, 10), 20, 0), 20)
    assert (crop[:9, :9] == 0).all()
    assert (crop[11:, 11:] == 200).all()


@pytest.mark.parametrize("shrink", [3, 4.5, 5.5, 8])
def test_shrinking_averages_instead_of_skipping_pixels(shrink: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3)).astype(np.uint8)
    size = int(320 / shrink)
    crop = warp.warp_crop(noise, warp.square_around((40, 40, 360, 360), size, 0), size)
    plain = cv2.warpAffine(noise, warp.square_around((40, 40, 360, 360), size, 0), (size, size))
    assert crop.astype(float).std() < 0.85 * plain.astype(float).std()
    assert abs(float(crop.mean()) - float(noise.mean())) < 3


@pytest.mark.parametrize("shrink", [2, 3, 5.5, 8])
def test_shrinking_keeps_things_in_place(shrink: float) -> None:
    size = int(200 / shrink)
    crop = warp.warp_crop(_ramp(250, 250), warp.square_around((20, 30, 220, 230), size, 0), size)
    wanted = 20 + (np.arange(size) + 0.5) * 200 / size - 0.5
    assert np.abs(crop[size // 2, :, 0].astype(float) - wanted)[1:-1].max() < 1.5


def test_a_matrix_for_a_resized_picture_cuts_the_same_place() -> None:
    matrix = warp.square_around((20, 30, 120, 130), 50, 0)
    double = warp.rescale(matrix, 2)
    # The middle of pixel (x, y) lies at (2x + 0.5, 2y + 0.5) in the picture of twice the size.
    assert np.allclose(matrix @ np.array([40, 60, 1]), double @ np.array([80.5, 120.5, 1]), atol=1e-3)


def test_cutting_does_not_change_the_picture() -> None:
    picture = _ramp(100, 100)
    warp.warp_crop(picture, warp.square_around((0, 0, 90, 90), 20, 0), 20)
    assert np.array_equal(picture, _ramp(100, 100))
