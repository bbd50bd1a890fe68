"""Draws glasses and sunglasses on a face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from mien.types import Floats, Pixels
from recipes.traits.face_geometry import (
    FaceAxes,
    PhotoStyle,
    blend_layer,
    darken,
    face_axes,
    photo_style,
    smooth,
    three_channels,
)

Kind = Literal["glasses", "sunglasses"]

FRAMES: dict[str, tuple[int, int, int]] = {
    "black": (22, 22, 24),
    "dark brown": (58, 40, 30),
    "tortoise": (110, 70, 38),
    "silver": (170, 172, 176),
    "gold": (178, 146, 88),
    "gunmetal": (86, 88, 94),
    "clear": (206, 206, 204),
    "red": (150, 34, 42),
    "blue": (42, 62, 128),
    "white": (232, 232, 232),
    "green": (44, 92, 66),
    "purple": (100, 56, 120),
}
_METAL = ("silver", "gold", "gunmetal", "black", "dark brown")
_LENSES: dict[str, tuple[int, int, int]] = {
    "black": (14, 14, 16),
    "grey": (44, 46, 50),
    "brown": (60, 38, 24),
    "green": (26, 44, 34),
    "blue": (30, 48, 86),
    "amber": (150, 92, 30),
    "rose": (140, 60, 80),
}
_MIRRORS = ((160, 180, 205), (210, 120, 50), (60, 110, 200), (70, 160, 130), (170, 170, 175))
_FINE = 4
"""Outlines are drawn so many times finer, and then made smaller."""


@dataclass(frozen=True, slots=True)
class _Model:
    """A pair of glasses: half widths and heights in units of the way between the eyes.

    power: 2 is round, more is squarer. outer: how far the upper outer corner is pulled up. drop: how far the lower
    outer part hangs, as in aviators. rim: thickness above and below, 0 for none. bridge, arm: thickness.
    """

    wide: float
    high: float
    power: float
    outer: float
    drop: float
    rim: tuple[float, float]
    bridge: float
    arm: float
    double: bool
    colour: str


def draw_glasses(crop: Pixels, points: Floats, rng: np.random.Generator, kind: Kind) -> Pixels:
    """Pixels (s, s, 3) RGB and five points (5, 2) in them -> a copy with glasses or sunglasses of any make.

    points: eyes, tip of the nose, corners of the mouth, left of the picture first.
    """
    where, seen = face_axes(points), photo_style(crop, rng)
    model = _model(kind, rng)
    made = crop.copy()
    outlines = [_outline(where, model, side, rng) for side in (-1, 1)]
    spread = np.concatenate(outlines)
    reach = 0.35 * where.unit
    height, width = crop.shape[:2]
    top, bottom = (int(np.clip(v, 0, height)) for v in (spread[:, 1].min() - reach, spread[:, 1].max() + reach))
    if bottom - top < 2:
        return made
    part = made[top:bottom]
    planes = _planes((bottom - top, width), outlines, where, model, (top, rng))
    lens, rim, arms = (smooth(plane, max(seen.soft * 0.8, 0.3)) for plane in planes)
    shadow = np.roll(np.maximum(rim, arms), max(1, round(where.unit * 0.04)), 0)
    shadow[: max(1, round(where.unit * 0.04))] = 0
    darken(part, np.asarray(smooth(shadow, where.unit * 0.03) * rng.uniform(0.05, 0.35), np.float32))
    if kind == "sunglasses":
        _dark(part, lens, outlines, seen, (top, rng))
    else:
        _clear(part, lens, where, seen, (top, rng))
    _frame(part, (rim, arms), model, seen, rng)
    return made


def _model(kind: Kind, rng: np.random.Generator) -> _Model:
    uniform = rng.uniform
    dark = kind == "sunglasses"
    grow = uniform(1.02, 1.28) if dark else uniform(0.92, 1.08)
    shape = ("round", "rectangle", "square", "aviator", "cat", "half", "rimless")[
        int(
            rng.choice(
                7, p=(0.12, 0.14, 0.3, 0.28, 0.12, 0.02, 0.02) if dark else (0.16, 0.3, 0.2, 0.07, 0.08, 0.11, 0.08)
            )
        )
    ]
    wide, high, power, outer, drop = {
        "round": (uniform(0.33, 0.39), uniform(0.31, 0.38), uniform(2, 2.4), 0.0, 0.0),
        "rectangle": (uniform(0.36, 0.43), uniform(0.19, 0.26), uniform(3, 6), uniform(0, 0.04), 0.0),
        "square": (uniform(0.36, 0.43), uniform(0.26, 0.34), uniform(2.6, 4.5), uniform(-0.02, 0.04), uniform(0, 0.03)),
        "aviator": (uniform(0.38, 0.43), uniform(0.31, 0.38), uniform(2.2, 2.8), 0.0, uniform(0.04, 0.1)),
        "cat": (uniform(0.36, 0.42), uniform(0.24, 0.32), uniform(2.4, 3.4), uniform(0.06, 0.14), 0.0),
        "half": (uniform(0.36, 0.42), uniform(0.2, 0.26), uniform(2.6, 4), uniform(0, 0.03), 0.0),
        "rimless": (uniform(0.35, 0.41), uniform(0.2, 0.28), uniform(2.2, 4), 0.0, 0.0),
    }[shape]
    metal = shape in ("aviator", "half", "rimless") or rng.random() < 0.35
    thick = uniform(0.028, 0.05) if metal else uniform(0.04, 0.115)
    rim = {"half": (thick, 0.0), "rimless": (0.0, 0.0)}.get(shape, (thick * uniform(1, 1.3), thick))
    names = list(FRAMES)
    usual = rng.random() < 0.45 and not metal
    colour = "black" if usual else str(rng.choice(_METAL if metal else names))
    bridge = uniform(0.025, 0.045) if metal else thick * uniform(0.8, 1.3)
    return _Model(
        wide * grow, high * grow, power, outer * grow, drop * grow, rim, bridge,
        uniform(0.025, 0.05) if metal else thick * uniform(0.7, 1.2), shape == "aviator" and rng.random() < 0.8, colour,
    )  # fmt: skip


_TURN = np.linspace(0, 2 * np.pi, 48, endpoint=False)


def _outline(where: FaceAxes, model: _Model, side: int, rng: np.random.Generator) -> Floats:
    """The edge of one lens (48, 2) in pixels, the far one narrower on a turned head."""
    cosine, sine = np.cos(_TURN), np.sin(_TURN)
    x = np.sign(cosine) * np.abs(cosine) ** (2 / model.power)
    y = np.sign(sine) * np.abs(sine) ** (2 / model.power)
    x *= 1 - 0.08 * np.clip(y, 0, 1)
    away = float(np.clip(np.cos(where.turn + side * 0.35) / np.cos(0.35), 0.35, 1.05))
    wide, high = model.wide * where.apart * away, model.high * where.apart
    centre = side * 0.5 * where.apart * float(np.cos(where.turn)) + side * 0.03 * away
    lifted = np.clip(x, 0, 1) ** 2
    down = y * high - lifted * np.clip(-y, 0, 1) * model.outer * where.apart
    down += np.clip(y, 0, 1) * (model.drop * where.apart) * (0.5 + 0.5 * x)
    spots = [where.pixel(centre + side * u * wide, v + 0.06) for u, v in zip(x, down, strict=True)]
    jitter = rng.normal(0, 0.006 * where.unit, 2)
    return (np.array(spots) + jitter).astype(np.float32)


def _planes(
    shape: tuple[int, int],
    outlines: list[Floats],
    where: FaceAxes,
    model: _Model,
    drawn: tuple[int, np.random.Generator],
) -> list[Floats]:
    """How much of each pixel (h, w) is lens, rim and arm."""
    top, rng = drawn
    fine = [np.zeros((shape[0] * _FINE, shape[1] * _FINE), np.uint8) for _ in range(3)]
    scale = where.unit * where.apart * _FINE

    def at(spots: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
        moved = (np.asarray(spots, np.float64).reshape(-1, 2) - (0, top) + 0.5) * _FINE - 0.5
        return np.round(moved).astype(np.int32)

    def thickness(share: float) -> int:
        return max(1, round(share * scale))

    lens, rim, arms = fine
    upper, lower = model.rim
    for side, outline in zip((-1, 1), outlines, strict=True):
        spots = at(outline)
        cv2.fillPoly(lens, [spots], 255)
        if lower:
            cv2.polylines(rim, [spots], True, 255, thickness(lower))
        if upper:
            cv2.polylines(rim, [spots[24:]], False, 255, thickness(upper))
        else:
            cv2.polylines(rim, [spots], True, 110, thickness(0.018))
        hinge = outline[41] if model.power > 2.3 else outline[45]
        ear = where.pixel(where.around(side * 1.62), rng.uniform(-0.06, 0.1))
        # On the far side of a turned head the arm goes away behind the lens.
        if (ear[0] - hinge[0]) * side > 0.02 * where.unit:
            cv2.polylines(arms, [at(np.array([hinge, ear], np.float32))], False, 255, thickness(model.arm))
    first, last = (outline[np.argmax(outline[:, 0] * side)] for outline, side in zip(outlines, (1, -1), strict=True))
    rise = np.subtract(where.pixel(0, -rng.uniform(0.03, 0.12)), where.pixel(0, 0)).astype(np.float32)
    for lift in (1.0, 3.2) if model.double else (1.0,):
        arch = _bow(first + (lift - 0.6) * rise, (first + last) / 2 + lift * rise, last + (lift - 0.6) * rise)
        cv2.polylines(rim, [at(arch)], False, 255, thickness(model.bridge))
    small = (shape[1], shape[0])
    return [
        np.asarray(cv2.resize(p, small, interpolation=cv2.INTER_AREA) * np.float32(1 / 255), np.float32) for p in fine
    ]


def _bow(first: Floats, middle: Floats, last: Floats) -> Floats:
    """A smooth line from the first to the last spot, drawn towards the middle one."""
    t = np.linspace(0, 1, 7)[:, None]
    return np.asarray((1 - t) ** 2 * first + 2 * t * (1 - t) * middle + t**2 * last, np.float32)


def _dark(
    part: Pixels, lens: Floats, outlines: list[Floats], seen: PhotoStyle, drawn: tuple[int, np.random.Generator]
) -> None:
    """Tinted or mirrored lenses, in place."""
    top, rng = drawn
    height, width = lens.shape
    ends = [float(spot) - top for spot in (outlines[0][:, 1].min(), outlines[0][:, 1].max())]
    down = np.clip((np.arange(height, dtype=np.float32) - ends[0]) / max(ends[1] - ends[0], 1), 0, 1)[:, None]
    blotches = cv2.resize(rng.standard_normal((4, 8), dtype=np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.22:
        sky, ground = np.array(_MIRRORS[int(rng.integers(len(_MIRRORS)))], np.float32), rng.uniform(0.15, 0.5)
        level = 1 - (1 - ground) / (1 + np.exp(-(down - rng.uniform(0.3, 0.7)) * rng.uniform(4, 25)))
        layer = three_channels(np.asarray(level + 0.12 * blotches, np.float32)) * (sky * seen.light)
        through = np.full_like(lens, rng.uniform(0.75, 0.98))
    else:
        base = np.array(
            _LENSES[str(rng.choice(list(_LENSES), p=(0.38, 0.22, 0.2, 0.09, 0.05, 0.03, 0.03)))], np.float32
        )
        shine = np.maximum(blotches - rng.uniform(0.3, 1.6), 0) * rng.uniform(5, 50)
        shine = shine + rng.uniform(0, 40) * (1 - down) ** 2
        layer = base * seen.light + three_channels(np.asarray(shine, np.float32)) * seen.light
        fade = rng.uniform(0.2, 0.7) if rng.random() < 0.3 else 0.0
        through = np.asarray(rng.uniform(0.8, 0.98) * (1 - fade * down) + 0 * lens, np.float32)
    blend_layer(part, np.asarray(layer, np.float32), lens * through, seen, rng)


def _clear(
    part: Pixels, lens: Floats, where: FaceAxes, seen: PhotoStyle, drawn: tuple[int, np.random.Generator]
) -> None:
    """Clear lenses: a breath of grey, and now and then the lamp or a window in them, in place."""
    top, rng = drawn
    cover = lens * np.float32(rng.uniform(0, 0.07))
    tint = np.array((225, 232, 238), np.float32)
    if rng.random() < 0.4:
        height, width = lens.shape
        x, y = where.grid(slice(top, top + height), slice(0, width))
        slant, place, broad = rng.uniform(-1.2, 1.2), rng.uniform(-0.5, 0.5), rng.uniform(0.04, 0.22)
        # The same lamp stands in both lenses at about the same place of each.
        across = x - np.sign(x) * (0.5 * where.apart)
        streak = np.clip(1.5 - np.abs(across + slant * y - 0.4 * place) / broad, 0, 1)
        cover = np.maximum(cover, np.asarray(lens * streak * rng.uniform(0.08, 0.6), np.float32))
        tint = np.array(((245, 248, 250), (190, 220, 240), (190, 235, 205), (200, 190, 240))[int(rng.integers(4))])
    layer = np.empty((*lens.shape, 3), np.float32)
    layer[:] = tint * np.minimum(seen.light + 0.1, 1)
    blend_layer(part, layer, cover, seen, rng)


def _frame(
    part: Pixels, planes: tuple[Floats, Floats], model: _Model, seen: PhotoStyle, rng: np.random.Generator
) -> None:
    """Rims, bridge and arms, with the light on their upper edges, in place."""
    rim, arms = planes
    colour = np.clip(np.array(FRAMES[model.colour], np.float32) + rng.normal(0, 8, 3), 4, 250)
    edge = np.clip(rim - np.roll(rim, 1, 0), 0, 1)
    gloss = edge * rng.uniform(0, 90 if model.colour in _METAL[:3] else 40)
    if model.colour == "tortoise":
        spots = cv2.resize(rng.standard_normal((8, 40), dtype=np.float32), rim.shape[::-1])
        gloss = gloss - 40 * np.clip(spots, 0, 1)
    layer = (three_channels(np.asarray(gloss, np.float32)) + colour.astype(np.float32)) * seen.light
    solid = rng.uniform(0.35, 0.7) if model.colour == "clear" else rng.uniform(0.85, 1)
    cover = np.maximum(rim, arms * np.float32(rng.uniform(0.5, 1))) * np.float32(solid)
    blend_layer(part, np.asarray(layer, np.float32), cover, seen, rng)
