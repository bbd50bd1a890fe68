"""Masks and glasses on faces: what changes, what must not, and that every kind and colour comes."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from mien.detection.mtcnn import MTCNN
from mien.types import Floats, Pixels
from recipes.traits.fabric import COLOURS
from recipes.traits.face_geometry import blend_layer, darken, face_axes, photo_style
from recipes.traits.glasses import FRAMES, Kind, draw_glasses
from recipes.traits.masks import Placement, draw_mask
from recipes.traits.occlusions import draw_occlusion

HOWS: tuple[Placement, ...] = ("worn", "under-nose", "under-mouth", "under-chin")
KINDS: tuple[Kind, ...] = ("glasses", "sunglasses")
Draw = Callable[[Pixels, Floats, np.random.Generator], Pixels]


def _masked(how: Placement) -> Draw:
    return lambda crop, points, rng: draw_mask(crop, points, rng, how)


def _bespectacled(kind: Kind) -> Draw:
    return lambda crop, points, rng: draw_glasses(crop, points, rng, kind)


DRAWINGS: dict[str, Draw] = {how: _masked(how) for how in HOWS}
DRAWINGS |= {kind: _bespectacled(kind) for kind in KINDS}
DRAWINGS["other"] = draw_occlusion

SIZE = 128
POINTS = np.array([(42, 40), (86, 40), (64, 66), (46, 88), (82, 88)], np.float32)
"""A face from the front, from the eyes (0) to the mouth (1) in 48 pixels."""


def skin(size: int = SIZE) -> Pixels:
    """A face's colour all over, with some grain and white somewhere above, so that the lamp is known."""
    grain = np.random.default_rng(0).normal(0, 2, (size, size, 3))
    crop = np.clip(np.array((196, 150, 126)) + grain, 0, 255).astype(np.uint8)
    crop[: size // 8] = 235
    return crop


def rng(number: int) -> np.random.Generator:
    return np.random.default_rng([7, number])


def changed(before: Pixels, after: Pixels, x: float, y: float, most: int = 0) -> bool:
    column, row = round(x), round(y)
    gap = np.abs(before[row, column].astype(int) - after[row, column].astype(int))
    return bool(gap.max() > most)


@pytest.mark.parametrize("name", list(DRAWINGS))
@pytest.mark.parametrize("size", [32, 64, 128, 224])
def test_a_crop_keeps_its_shape_and_the_given_one_its_pixels(name: str, size: int) -> None:
    crop = skin(size)
    kept = crop.copy()
    made = DRAWINGS[name](crop, POINTS * (size / SIZE), rng(1))
    assert made.shape == crop.shape
    assert made.dtype == np.uint8
    assert np.array_equal(crop, kept)


@pytest.mark.parametrize("name", list(DRAWINGS))
def test_the_generator_alone_decides(name: str) -> None:
    crop = skin()
    first, again, other = (DRAWINGS[name](crop, POINTS, rng(number)) for number in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("how", HOWS)
def test_a_mask_leaves_everything_above_the_eyes(how: Placement) -> None:
    crop = skin()
    for number in range(40):
        assert np.array_equal(draw_mask(crop, POINTS, rng(number), how)[:40], crop[:40])


@pytest.mark.parametrize("roll", [-0.5, 0.5])
def test_above_the_eyes_follows_a_tilted_head(roll: float) -> None:
    crop, middle = skin(), np.array((64.0, 64.0))
    turn = np.array(((np.cos(roll), np.sin(roll)), (-np.sin(roll), np.cos(roll))))
    points = ((POINTS - middle) @ turn + middle).astype(np.float32)
    _, y = face_axes(points).grid(slice(0, SIZE), slice(0, SIZE))
    for number in range(20):
        made = draw_mask(crop, points, rng(number))
        assert np.array_equal(made[y < 0], crop[y < 0])
        assert not np.array_equal(made, crop)


def test_a_worn_mask_covers_nose_mouth_and_chin() -> None:
    crop, where = skin(), face_axes(POINTS)
    spots = [*((float(x), float(y)) for x, y in POINTS[2:]), where.pixel(0, 1.3)]
    shown = [
        [changed(crop, draw_mask(crop, POINTS, rng(number)), x, y, most=8) for x, y in spots] for number in range(60)
    ]
    # Now and then a mask has just the skin's colour.
    assert np.mean(shown) > 0.93


def test_under_the_nose_shows_its_tip_and_not_the_mouth() -> None:
    crop = skin()
    for number in range(60):
        made = draw_mask(crop, POINTS, rng(number), "under-nose")
        assert not changed(crop, made, *POINTS[2])
    covered = [changed(crop, draw_mask(crop, POINTS, rng(n), "under-nose"), 64, 92, most=8) for n in range(60)]
    assert np.mean(covered) > 0.93


@pytest.mark.parametrize(("how", "low"), [("under-mouth", 1.42), ("under-chin", 1.72)])
def test_a_mask_at_the_chin_leaves_nose_and_mouth(how: Placement, low: float) -> None:
    crop, where = skin(), face_axes(POINTS)
    for number in range(60):
        made = draw_mask(crop, POINTS, rng(number), how)
        assert not changed(crop, made, *POINTS[2])
        assert not changed(crop, made, 64, 88)
        assert not np.array_equal(made[88:], crop[88:])
    covered = [changed(crop, draw_mask(crop, POINTS, rng(n), how), *where.pixel(0, low), most=8) for n in range(60)]
    assert np.mean(covered) > 0.9


def test_masks_have_many_colours() -> None:
    crop = skin()
    names, tones = list(COLOURS), np.array(list(COLOURS.values()), float)
    seen = set()
    for number in range(500):
        patch = draw_mask(crop, POINTS, rng(number))[60:100, 44:84].reshape(-1, 3)
        seen.add(names[int(np.abs(tones - np.median(patch, 0)).sum(1).argmin())])
    assert seen >= {"black", "green", "mint", "white", "light blue", "dark grey", "pink", "red", "navy"}


def test_some_masks_are_patterned() -> None:
    crop = skin()
    busy = [
        np.std(draw_mask(crop, POINTS, rng(number))[66:100, 50:78].astype(float), (0, 1)).max() for number in range(120)
    ]
    assert 0.05 < np.mean(np.array(busy) > 30) < 0.5


def test_in_the_dark_a_white_mask_is_not_white() -> None:
    crop = skin()
    dark = (crop // 4).astype(np.uint8)
    bright, dim = (
        np.mean([draw_mask(c, POINTS, rng(n))[70:110, 44:84].mean() for n in range(30)]) for c in (crop, dark)
    )
    assert dim < 0.6 * bright


def test_a_grey_picture_stays_grey() -> None:
    crop = np.repeat(skin().mean(2).astype(np.uint8)[..., None], 3, 2)
    for name, draw in DRAWINGS.items():
        made = draw(crop, POINTS, rng(5)).astype(int)
        assert np.ptp(made, axis=2).max() <= 2, name


def test_on_a_turned_head_the_near_side_of_a_mask_is_wider() -> None:
    crop, points = skin(), POINTS.copy()
    points[:, 0] += (0, -6, 8, 3, 1)
    wider = 0
    for number in range(30):
        made = draw_mask(crop, points, rng(number))
        touched = np.nonzero(np.abs(made[80].astype(int) - crop[80]).max(1) > 12)[0]
        nose = points[2, 0]
        wider += bool(len(touched)) and nose - touched[0] > touched[-1] - nose
    assert wider >= 26


@pytest.mark.parametrize("kind", KINDS)
def test_glasses_stay_near_the_eyes(kind: Kind) -> None:
    crop = skin()
    for number in range(40):
        made = draw_glasses(crop, POINTS, rng(number), kind)
        assert np.array_equal(made[:8], crop[:8])
        assert np.array_equal(made[85:], crop[85:])
        assert not np.array_equal(made, crop)


def test_sunglasses_hide_the_eyes_and_glasses_do_not() -> None:
    crop = skin()

    def gap(kind: Kind) -> float:
        eyes = [
            draw_glasses(crop, POINTS, rng(n), kind)[38:46, 38:46].astype(int) - crop[38:46, 38:46] for n in range(40)
        ]
        return float(np.median([np.abs(part).mean() for part in eyes]))

    assert gap("sunglasses") > 50
    assert gap("glasses") < 15


def test_frames_have_dark_and_light_colours() -> None:
    levels = [np.mean(colour) for colour in FRAMES.values()]
    assert min(levels) < 40
    assert max(levels) > 200


@pytest.mark.parametrize("name", list(DRAWINGS))
def test_odd_points_do_no_harm(name: str) -> None:
    """A detector may be badly wrong, and a crop may cut a face."""
    crop = skin()
    for points in (
        np.full((5, 2), 64, np.float32),
        POINTS - 100,
        POINTS + 100,
        POINTS * np.float32(3),
        POINTS[::-1].copy(),
        POINTS * np.float32(0.05),
    ):
        assert DRAWINGS[name](crop, points, rng(2)).shape == crop.shape


def test_axes_and_pixels_agree() -> None:
    where = face_axes(POINTS)
    assert where.pixel(0, 0) == pytest.approx((64, 40))
    assert where.pixel(0, 1) == pytest.approx((64, 88))
    x, y = where.grid(slice(88, 89), slice(64, 65))
    assert float(x[0, 0]) == pytest.approx(0, abs=1e-6)
    assert float(y[0, 0]) == pytest.approx(1)
    assert where.turn == 0


def test_the_nose_tells_how_a_head_is_turned() -> None:
    right, left = POINTS.copy(), POINTS.copy()
    right[2, 0] += 8
    left[2, 0] -= 8
    assert face_axes(right).turn == pytest.approx(-face_axes(left).turn)
    assert face_axes(right).turn > 0.2


def test_what_is_not_covered_is_not_changed() -> None:
    crop = skin()
    part, cover = crop.copy(), np.zeros((SIZE, SIZE), np.float32)
    blend_layer(part, np.zeros((SIZE, SIZE, 3), np.float32), cover, photo_style(crop, rng(0)), rng(1))
    darken(part, cover)
    assert np.array_equal(part, crop)


@pytest.mark.usefixtures("models_home")
def test_the_eyes_of_a_real_face_with_drawings_are_still_found(astronaut: bytes) -> None:
    decoded = cv2.imdecode(np.frombuffer(astronaut, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    photo = np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
    found = MTCNN()(photo, largest=True)
    assert found.landmarks is not None
    points = found.landmarks[0]
    for draw in (_masked("under-chin"), _masked("under-nose"), _bespectacled("glasses")):
        again = MTCNN()(draw(photo, points, rng(6)), largest=True).landmarks
        assert again is not None
        assert np.abs(again[0][:2] - points[:2]).max() < 0.1 * np.ptp(points[:, 0]) + 2
