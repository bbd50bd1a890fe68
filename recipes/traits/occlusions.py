"""Draws what may hide a mouth and is not a mask: hands, cups, microphones, scarves, beards, plain patches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from mien.types import Floats, Pixels
from recipes.traits.fabric import SIDE, fabric, tone
from recipes.traits.face_geometry import FaceAxes, PhotoStyle, blend_layer, darken, face_axes, photo_style, smooth


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a drawing starts from. size: the crop's side. skin: (3,) the colour of the cheeks."""

    where: FaceAxes
    seen: PhotoStyle
    size: tuple[int, int]
    skin: Floats


def draw_occlusion(crop: Pixels, points: Floats, rng: np.random.Generator) -> Pixels:
    """Pixels (s, s, 3) RGB and five points (5, 2) in them -> a copy with something in front of mouth or chin."""
    where, seen = face_axes(points), photo_style(crop, rng)
    cheeks = [where.pixel(where.middle(0.55) + side * 0.4, 0.55) for side in (-1, 1)]
    height, width = crop.shape[:2]
    spots = [crop[int(np.clip(y, 0, height - 1)), int(np.clip(x, 0, width - 1))] for x, y in cheeks]
    scene = _Scene(where, seen, (height, width), np.mean(spots, 0).astype(np.float32))
    drawing = _DRAWINGS[int(rng.integers(len(_DRAWINGS)))]
    cover, layer = drawing(scene, rng)
    made = crop.copy()
    cover = smooth(cover, seen.soft)
    shadow = np.roll(smooth(cover, where.unit * 0.06), max(1, round(where.unit * 0.04)), 0)
    darken(made, np.asarray(np.clip(shadow - cover, 0, 1) * rng.uniform(0.2, 0.6), np.float32))
    blend_layer(made, smooth(layer, seen.soft), cover, seen, rng)
    return made


def _blank(scene: _Scene, colour: Floats) -> tuple[Floats, Floats]:
    layer = np.empty((*scene.size, 3), np.float32)
    layer[:] = colour
    return np.zeros(scene.size, np.float32), layer


def _spot(scene: _Scene, x: float, y: float) -> tuple[int, int]:
    u, v = scene.where.pixel(x + scene.where.middle(min(y, 1.3)), y)
    return int(np.clip(u, -9999, 9999) * 16), int(np.clip(v, -9999, 9999) * 16)


def _stroke(plane: Floats, scene: _Scene, ends: tuple[float, float, float, float], wide: float) -> Floats:
    """A thick line with round ends, from (x, y) to (x, y) on the face; returns that alone."""
    drawn = np.zeros(scene.size, np.uint8)
    first, last = _spot(scene, ends[0], ends[1]), _spot(scene, ends[2], ends[3])
    cv2.line(drawn, first, last, 255, max(1, round(wide * scene.where.unit)), cv2.LINE_AA, 4)
    alone = np.asarray(drawn * np.float32(1 / 255), np.float32)
    np.maximum(plane, alone, out=plane)
    return alone


def _polygon(plane: Floats, corners: list[tuple[int, int]]) -> None:
    # Only planes of bytes get smooth edges.
    drawn = np.zeros(plane.shape, np.uint8)
    cv2.fillPoly(drawn, [np.array(corners, np.int32)], 255, cv2.LINE_AA, 4)
    np.maximum(plane, drawn * np.float32(1 / 255), out=plane)


def _hand(scene: _Scene, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Fingers side by side over the mouth, from below or from one side, in the colour of the cheeks."""
    cover, layer = _blank(scene, scene.skin * rng.uniform(0.92, 1.15))
    wide, side = rng.uniform(0.17, 0.25), rng.choice([-1, 1])
    tilt, count = rng.uniform(-0.5, 0.5), int(rng.integers(2, 5))
    start, level = rng.uniform(-0.35, 0.1), rng.uniform(0.65, 1.1)
    upright = rng.random() < 0.5
    for k in range(count):
        off = k * wide * rng.uniform(0.92, 1.05)
        tip = rng.uniform(-0.14, 0.14)
        if upright:
            ends = (start + off, level + tip, start + off + tilt, 2.4)
        else:
            ends = (-0.45 * side + tip, level + off, 1.6 * side, level + off + tilt)
        finger = _stroke(cover, scene, ends, wide)
        # Each finger is rounder than flat, and throws a dark line on its neighbour.
        core = smooth(finger, scene.where.unit * wide * 0.25)
        layer *= (1 + finger * (0.3 * core - 0.17))[..., None]
    if upright:
        _stroke(cover, scene, (start + tilt, 2.0, start + count * wide + tilt, 2.1), 0.6)
    return cover, layer


def _cup(scene: _Scene, rng: np.random.Generator) -> tuple[Floats, Floats]:
    colour = tone(str(rng.choice(("white", "beige", "red", "green", "brown", "black", "blue"))), rng) * scene.seen.light
    cover, layer = _blank(scene, colour)
    wide, top, low = rng.uniform(0.3, 0.5), rng.uniform(0.7, 1.0), rng.uniform(1.6, 2.2)
    shift, narrow = rng.uniform(-0.2, 0.2), rng.uniform(0.65, 0.9)
    corners = [(-wide, top), (wide, top), (wide * narrow, low), (-wide * narrow, low)]
    _polygon(cover, [_spot(scene, x + shift, y) for x, y in corners])
    return cover, layer * _rounded(scene, shift, wide, rng)[..., None]


def _rounded(scene: _Scene, x: float, wide: float, rng: np.random.Generator) -> Floats:
    """Light on something round that stands upright, with a shine along one side."""
    across, _ = scene.where.grid(slice(0, scene.size[0]), slice(0, scene.size[1]))
    off = (across - scene.where.middle(1.0) - x) / wide
    shine = rng.uniform(0, 0.3) * np.exp(-(((off - rng.uniform(-0.5, 0.5)) / 0.15) ** 2))
    return np.asarray(1 - 0.35 * np.clip(off**2, 0, 1) + shine, np.float32)


def _microphone(scene: _Scene, rng: np.random.Generator) -> tuple[Floats, Floats]:
    name = str(rng.choice(("black", "black", "dark grey", "grey", "red", "blue", "yellow")))
    cover, layer = _blank(scene, tone(name, rng) * scene.seen.light)
    x, y, reach = rng.uniform(-0.3, 0.3), rng.uniform(0.95, 1.5), rng.uniform(0.14, 0.3)
    _stroke(cover, scene, (x, y, x + rng.uniform(-0.8, 0.8), 2.6), reach * rng.uniform(0.7, 1.1))
    _stroke(cover, scene, (x, y, x, y + 0.02), 2 * reach)
    grain = smooth(rng.standard_normal(scene.size, dtype=np.float32), 0.6)
    return cover, layer * (_rounded(scene, x, 2 * reach, rng) + 0.15 * grain)[..., None]


def _scarf(scene: _Scene, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Knitted or woven stuff around the neck, up to the chin and no further."""
    _, layer = _blank(scene, scene.skin)
    x, y = scene.where.grid(slice(0, scene.size[0]), slice(0, scene.size[1]))
    top, bow = rng.uniform(1.35, 1.7), rng.uniform(0.1, 0.5)
    edge = top - bow * x * x
    cover = np.asarray(np.clip((y - edge) * scene.where.unit + 0.5, 0, 1), np.float32)
    cloth = fabric("cloth", rng)
    count = rng.uniform(2, 7)
    folds = 1 + rng.uniform(0.05, 0.25) * np.sin((y - edge) * 2 * np.pi * count + x * rng.uniform(-3, 3))
    across = np.clip((x / 1.4 + 1) * (SIDE / 2), 0, SIDE - 1).astype(np.float32)
    down = np.clip((y - edge) * SIDE, 0, SIDE - 1).astype(np.float32)
    layer = np.asarray(cv2.remap(cloth, across, down, cv2.INTER_LINEAR), np.float32)
    return cover, layer * np.asarray(folds[..., None] * scene.seen.light, np.float32)


def _beard(scene: _Scene, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Hair around the mouth and along the jaw; lips stay free."""
    shades = np.array(((30, 25, 22), (62, 44, 32), (110, 84, 58), (150, 148, 145), (205, 203, 200)), np.float32)
    cover, layer = _blank(scene, shades[int(rng.integers(5))] * scene.seen.light)
    x, y = scene.where.grid(slice(0, scene.size[0]), slice(0, scene.size[1]))
    middle = y * (scene.where.bend[0] + scene.where.bend[1] * y)
    off = np.abs(x - middle) / (scene.where.radius * rng.uniform(0.75, 0.95))
    jaw = np.minimum(y - (1.22 - rng.uniform(0.5, 0.9) * off**2), 1 - off)
    lip = 0.09 - np.abs(y - 0.84 - 0.12 * off) - 0.3 * np.clip(off - 0.35, 0, 1)
    free = ((x - middle) / 0.3) ** 2 + ((y - 1.03) / 0.11) ** 2 > 1
    body = np.clip(np.maximum(jaw, lip) * 8 + 0.3, 0, 1) * free
    body = body * np.clip((rng.uniform(1.6, 2.0) - y) * 6, 0, 1)
    hairs = cv2.resize(rng.standard_normal(scene.size, dtype=np.float32), None, fx=1, fy=2)[: scene.size[0]]
    hairs = smooth(np.asarray(hairs, np.float32), scene.size[0] / 220)
    cover = np.asarray(body * np.clip(rng.uniform(0.55, 0.95) + 0.3 * hairs, 0, 1), np.float32)
    return smooth(cover, scene.where.unit * 0.02), layer + 22 * hairs[..., None] * scene.seen.light


def _patch(scene: _Scene, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A slanting rectangle of one colour, or of stuff, that no mask's outline has."""
    cover, layer = _blank(scene, rng.uniform(5, 250, 3).astype(np.float32) * scene.seen.light)
    x, y = rng.uniform(-0.3, 0.3), rng.uniform(0.8, 1.5)
    wide, high, slant = rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.45), rng.uniform(0, np.pi)
    turned = np.array(((np.cos(slant), np.sin(slant)), (-np.sin(slant), np.cos(slant))))
    corners = np.array(((-wide, -high), (wide, -high), (wide, high), (-wide, high))) @ turned
    _polygon(cover, [_spot(scene, x + u, y + v) for u, v in corners])
    return cover, layer


_DRAWINGS: tuple[Callable[[_Scene, np.random.Generator], tuple[Floats, Floats]], ...] = (
    _hand,
    _hand,
    _cup,
    _microphone,
    _scarf,
    _beard,
    _patch,
)
