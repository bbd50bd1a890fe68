"""Draws a mask on a face, worn properly or not.

A crop has to reach below the chin for what hangs there to be seen. The generator alone decides the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from mien.types import Floats, Pixels
from recipes.traits.fabric import SIDE, Style, fabric, style, tone
from recipes.traits.face_geometry import FaceAxes, PhotoStyle, blend_layer, darken, face_axes, photo_style, smooth

Placement = Literal["worn", "under-nose", "under-mouth", "under-chin"]
_CHIN = 1.62
"""Where a chin ends, when the eyes are at 0 and the mouth at 1."""
_ASIDE = np.arange(481) / 400


@dataclass(frozen=True, slots=True)
class _Cut:
    """The outline: heights of the upper and lower edge in the middle and at the sides, and how they curve between.

    left, right: x of the sides. taper: how much narrower it gets below. bows: powers of the distance from the middle.
    lean: how far the right side hangs lower, for each unit to the right.
    """

    top: float
    top_side: float
    bottom: float
    bottom_side: float
    left: float
    right: float
    taper: float
    bows: tuple[float, float]
    lean: float


def draw_mask(crop: Pixels, points: Floats, rng: np.random.Generator, how: Placement = "worn") -> Pixels:
    """Pixels (s, s, 3) RGB and five points (5, 2) in them -> a copy with a mask, of any kind and colour.

    points: eyes, tip of the nose, corners of the mouth, left of the picture first. how: `worn` covers nose, mouth and
    chin; `under-nose` leaves the tip of the nose; `under-mouth` the mouth too; `under-chin` lies on the throat.
    Nothing above the eyes is touched.
    """
    where, seen, kind = face_axes(points), photo_style(crop, rng), style(rng)
    made = crop.copy()
    height, width = crop.shape[:2]
    lift = abs(where.right[1]) / max(where.right[0], 0.2) * width
    rows = slice(min(max(int(where.origin[1] - lift), 0), height - 1), height)
    x, y = where.grid(rows, slice(0, width))
    cut = _cut(where, how, kind, rng)
    _strings(made, where, cut, seen, rng)
    hung = y - cut.lean * x
    ends = _free(where, how, x, y)
    across, down, inside = _flat(where, cut, x, hung)
    sharp = np.clip(inside * np.float32(where.unit) + 0.5, 0, 1)
    cover = smooth(np.asarray(sharp, np.float32), seen.soft) * ends
    darken(made[rows], _shadow(inside, x, hung, where, rng) * ends)
    skin = _light(seen, rows, cover, where, rng), float(rng.uniform(2, 14))
    layer = _lit(fabric(kind, rng), across, down, seen, skin)
    blend_layer(made[rows], layer, cover, seen, rng)
    return made


def _free(where: FaceAxes, how: Placement, x: Floats, y: Floats) -> Floats:
    """Where a mask may lie (h, w), from 0 to 1: what makes the difference between the labels stays bare."""
    may = (y - 0.04) * (where.unit * 0.7)
    if how != "worn":
        lowest, half = (where.nose[1] + 0.04, 0.14) if how == "under-nose" else (1.02, 0.42)
        middle = where.nose[0] if how == "under-nose" else where.middle(1.0)
        beside = np.maximum(np.abs(x - middle) - half, 0)
        may = np.minimum(may, (y - lowest + 1.5 * beside) * (where.unit * 0.7))
    return np.asarray(np.clip(may, 0, 1), np.float32)


def _cut(where: FaceAxes, how: Placement, kind: Style, rng: np.random.Generator) -> _Cut:
    uniform = rng.uniform
    nose = where.nose[1]
    wide, rise, narrow = {
        "surgical": (uniform(1.0, 1.35), uniform(0.05, 0.3), uniform(0.0, 0.22)),
        "cloth": (uniform(0.95, 1.35), uniform(0.0, 0.34), uniform(0.1, 0.35)),
        "folded": (uniform(0.9, 1.2), uniform(0.1, 0.35), uniform(0.1, 0.3)),
        "cup": (uniform(0.7, 0.95), uniform(0.35, 0.5), uniform(0.0, 0.15)),
    }[kind]
    if how == "worn":
        top = nose * uniform(0.3, 0.8)
        bottom = _CHIN + uniform(-0.08, 0.16)
        top_side = top + rise
        bottom_side = max(uniform(0.95, 1.45) if kind == "surgical" else uniform(0.8, 1.3), top_side + 0.25)
    elif how == "under-nose":
        top = uniform(nose + 0.06, max(0.85, nose + 0.16))
        bottom = _CHIN + uniform(-0.12, 0.3)
        top_side = top + uniform(-0.36, 0.1)
        bottom_side = max(uniform(1.0, 1.35), top_side + 0.25)
    else:
        low = how == "under-chin"
        top = uniform(1.42, 1.6) if low else uniform(1.14, 1.36)
        bottom = top + uniform(0.36, 0.8)
        top_side = top - uniform(0.05, 0.55)
        bottom_side = top_side + uniform(0.25, 0.55)
        wide *= uniform(0.8, 0.95) if low else 0.97
        narrow *= 0.6
    if kind == "cup" and how in ("worn", "under-nose"):
        bottom_side = top_side + uniform(0.1, 0.3)
    left, right = where.around(-wide * uniform(0.94, 1.06)), where.around(wide * uniform(0.94, 1.06))
    middle = where.middle((top + bottom) / 2)
    bows = (uniform(1.4, 2.4), uniform(1.8, 3.6))
    return _Cut(
        top, top_side, bottom, bottom_side, min(left, middle - 0.2), max(right, middle + 0.2), narrow,
        (2.2, 2.3) if kind == "cup" else bows, rng.normal(0, 0.035),
    )  # fmt: skip


def _flat(where: FaceAxes, cut: _Cut, x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Places on the face -> across (-1..1) and down (0..1) on the mask, and how far inside it they lie, in units."""
    middle = y * (where.bend[0] + where.bend[1] * y)
    off = x - middle
    reach = np.where(off < 0, middle - cut.left, cut.right - middle)
    reach = np.maximum(reach * (1 - cut.taper * np.clip(y - 0.8, 0, 1.2)), 0.12)
    across = off / reach
    # Powers of many numbers are slow, and of a table they are not.
    aside = np.minimum(np.abs(across) * 400, 480).astype(np.intp)
    upper = (cut.top + (cut.top_side - cut.top) * _ASIDE ** cut.bows[0]).astype(np.float32)[aside]
    lower = (cut.bottom + (cut.bottom_side - cut.bottom) * _ASIDE ** cut.bows[1]).astype(np.float32)[aside]
    down = (y - upper) / np.maximum(lower - upper, 0.05)
    inside = np.minimum(np.minimum(y - upper, lower - y), (1 - np.abs(across)) * reach)
    return across.astype(np.float32), down.astype(np.float32), inside.astype(np.float32)


def _strings(made: Pixels, where: FaceAxes, cut: _Cut, seen: PhotoStyle, rng: np.random.Generator) -> None:
    """The loops to the ears, where hair does not hide them."""
    if rng.random() < (0.25 if cut.top < 1 else 0.5):
        return
    thick = max(1, round(where.unit * rng.uniform(0.01, 0.04)))
    colour = tone("white" if rng.random() < 0.75 else "black", rng) * seen.light * rng.uniform(0.7, 1)
    drawn = np.zeros(made.shape[:2], np.uint8)
    for side, edge in ((-1, cut.left), (1, cut.right)):
        ear = where.around(side * 1.62)
        if abs(ear - edge) < 0.04:
            continue
        inner = where.middle(cut.top_side) + (edge - where.middle(cut.top_side)) * 0.97
        for start, end in ((cut.top_side + 0.03, rng.uniform(0.08, 0.3)), (cut.bottom_side - 0.03, 0.5)):
            first, last = where.pixel(inner, start + cut.lean * inner), where.pixel(ear * 1.02, end)
            ends = [(round(p[0] * 16), round(p[1] * 16)) for p in (first, last)]
            cv2.line(drawn, ends[0], ends[1], 255, thick, cv2.LINE_AA, 4)
    sharp = np.asarray(drawn * np.float32(1 / 255), np.float32)
    cover = smooth(sharp, seen.soft * 0.8) * np.float32(rng.uniform(0.35, 0.9))
    lines = np.nonzero(cover.max(1) > 0.01)[0]
    if not len(lines):
        return
    part = slice(int(lines[0]), int(lines[-1]) + 1)
    layer = np.empty((*cover[part].shape, 3), np.float32)
    layer[:] = colour
    blend_layer(made[part], layer, cover[part], seen, rng)


def _shadow(inside: Floats, x: Floats, y: Floats, where: FaceAxes, rng: np.random.Generator) -> Floats:
    """The shadow that the mask casts on the skin around it, most of it below."""
    deep, far = rng.uniform(0.05, 0.35), rng.uniform(0.05, 0.14)
    near = np.clip(inside * (deep / far) + deep, 0, deep) * np.clip((y - where.nose[1]) * 3, 0.25, 1)
    return np.asarray(near * (np.abs(x) < where.radius * 1.6), np.float32)


def _lit(cloth: Floats, across: Floats, down: Floats, seen: PhotoStyle, skin: tuple[Floats, float]) -> Floats:
    """The cloth as it lies on the face, in the light that falls on the skin below."""
    layer = cv2.remap(
        cloth, (across + 1) * ((SIDE - 1) / 2), down * (SIDE - 1), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    light, sheen = skin
    shade = cv2.merge([light * float(colour) for colour in seen.light])
    return (smooth(np.asarray(layer, np.float32), seen.soft) + sheen) * np.asarray(shade, np.float32)


def _light(seen: PhotoStyle, rows: slice, cover: Floats, where: FaceAxes, rng: np.random.Generator) -> Floats:
    """How light falls on the skin below (h, w), 1 on the average.

    Only smeared and weakened: beards, lips and the shadows of nostrils are not to show through.
    """
    height, width = cover.shape
    small = (max(width // 4, 1), max(height // 4, 1))
    grey = cv2.resize(seen.grey[rows], small, interpolation=cv2.INTER_AREA)
    soft = cv2.blur(grey, (int(where.unit * 0.09) | 1,) * 2)
    here = cv2.resize(cover, small, interpolation=cv2.INTER_AREA)
    usual = float((soft * here).sum() / max(float(here.sum()), 1.0)) + 8
    light = np.clip((soft + 8) / usual, 0.45, 1.5) ** rng.uniform(0.3, 0.7)
    return np.asarray(cv2.resize(light.astype(np.float32), (width, height)), np.float32)
