"""The fabric of masks: colours, patterns, folds and seams, on a flat square."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np

from mien.types import Floats
from recipes.traits.face_geometry import three_channels

Style = Literal["surgical", "cloth", "folded", "cup"]
STYLES: dict[Style, float] = {"surgical": 0.46, "cloth": 0.34, "folded": 0.12, "cup": 0.08}
"""How often each is drawn; `folded` is a respirator with a fold down its middle, `cup` one of stiff felt."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "white": (234, 236, 238),
    "light blue": (148, 194, 220),
    "blue": (76, 122, 182),
    "navy": (38, 48, 82),
    "black": (26, 26, 29),
    "dark grey": (70, 72, 77),
    "grey": (150, 152, 155),
    "mint": (146, 205, 182),
    "green": (62, 128, 90),
    "pink": (226, 160, 180),
    "red": (170, 42, 48),
    "lilac": (168, 150, 200),
    "beige": (214, 196, 168),
    "brown": (112, 82, 62),
    "yellow": (220, 190, 80),
}
_OFTEN: dict[Style, dict[str, float]] = {
    "surgical": {"light blue": 8, "white": 7.5, "mint": 4, "black": 4, "blue": 2, "pink": 1.5, "dark grey": 1,
                 "green": 1.5, "lilac": 0.7, "grey": 0.7, "navy": 0.7},
    "cloth": {"black": 8, "white": 4, "dark grey": 3, "grey": 2, "navy": 2.5, "red": 2, "green": 2.5, "blue": 1.5,
              "light blue": 1, "pink": 1.5, "beige": 2, "brown": 1, "lilac": 1, "yellow": 1, "mint": 1},
    "folded": {"white": 7, "black": 2.5, "light blue": 1, "grey": 1, "pink": 0.5, "green": 0.7, "dark grey": 0.5},
    "cup": {"white": 6, "light blue": 0.7, "grey": 0.7, "beige": 0.7, "green": 0.7, "black": 0.7},
}  # fmt: skip

SIDE = 96
"""Pixels along the flat square: across from cheek to cheek, and down from the upper edge to the lower."""
_ACROSS = np.linspace(-1, 1, SIDE, dtype=np.float32)[None]
_DOWN = np.linspace(0, 1, SIDE, dtype=np.float32)[:, None]


def choose(often: dict[str, float], rng: np.random.Generator) -> str:
    """One of the names, as often as their weights say."""
    return _pick(list(often), list(often.values()), rng)


def _pick(names: list[str], weights: list[float], rng: np.random.Generator) -> str:
    edges = np.cumsum(weights)
    return names[int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))]


def style(rng: np.random.Generator) -> Style:
    """Which kind of mask."""
    kinds: list[Style] = list(STYLES)
    edges = np.cumsum(list(STYLES.values()))
    return kinds[min(int(np.searchsorted(edges, rng.random() * edges[-1])), len(kinds) - 1)]


def tone(name: str, rng: np.random.Generator) -> Floats:
    """One of the colours as one piece of cloth has it (3,)."""
    base = np.array(COLOURS[name], np.float32)
    return np.clip(base * rng.uniform(0.91, 1.07) + rng.normal(0, 5, 3), 6, 250).astype(np.float32)


def fabric(kind: Style, rng: np.random.Generator) -> Floats:
    """The whole flat square (SIDE, SIDE, 3) float32, lit evenly, with its folds."""
    colour = choose(_OFTEN[kind], rng)
    flat = np.empty((SIDE, SIDE, 3), np.float32)
    flat[:] = tone(colour, rng)
    chance = {"surgical": 0.06, "cloth": 0.42, "folded": 0.05, "cup": 0.0}[kind]
    if rng.random() < chance:
        names = list(_PATTERNS)
        flat = _PATTERNS[names[int(rng.integers(len(names)))]](flat, rng)
    flat *= three_channels(_RELIEF[kind](rng) * _creases(rng) * _form(rng))
    if kind in ("cup", "folded") and rng.random() < (0.55 if kind == "cup" else 0.2):
        _valve(flat, rng)
    return flat


def _second(flat: Floats, rng: np.random.Generator) -> Floats:
    """A colour that stands out from the cloth's own."""
    names = list(COLOURS)
    for _ in range(6):
        other = tone(names[int(rng.integers(len(names)))], rng)
        if float(np.abs(other - flat[0, 0]).sum()) > 120:
            return other
    return np.asarray(255 - flat[0, 0], np.float32)


def _mix(flat: Floats, share: Floats, rng: np.random.Generator) -> Floats:
    return np.asarray(flat + share[..., None] * (_second(flat, rng) - flat), np.float32)


def _waves(angle: float, count: float, sharp: float) -> Floats:
    phase = (np.cos(angle) * _ACROSS / 2 + np.sin(angle) * _DOWN) * (2 * np.pi * count)
    return np.asarray(np.clip(0.5 + sharp * np.sin(phase), 0, 1), np.float32)


def _stripes(flat: Floats, rng: np.random.Generator) -> Floats:
    return _mix(flat, _waves(rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)]), rng.uniform(3, 14), 2.5), rng)


def _checks(flat: Floats, rng: np.random.Generator) -> Floats:
    angle, count = rng.choice([0, np.pi / 4]), rng.uniform(4, 11)
    share = _waves(angle, count, 3) + _waves(angle + np.pi / 2, count * rng.uniform(0.7, 1), 3)
    return _mix(flat, np.asarray(share / 2, np.float32), rng)


def _dots(flat: Floats, rng: np.random.Generator) -> Floats:
    count, size = rng.uniform(4, 11), rng.uniform(0.3, 0.75)
    heights = np.sin(np.pi * count * (_ACROSS / 2 + _DOWN)) * np.sin(np.pi * count * (_ACROSS / 2 - _DOWN))
    return _mix(flat, np.clip((np.abs(heights) - size) * 6, 0, 1).astype(np.float32), rng)


def _flowers(flat: Floats, rng: np.random.Generator) -> Floats:
    made = flat.copy()
    colours = [_second(flat, rng) for _ in range(3)]
    for _ in range(int(rng.integers(8, 26))):
        x, y = rng.integers(0, SIDE, 2)
        reach, colour = rng.uniform(2, 7), tuple(map(float, colours[int(rng.integers(3))]))
        for angle in np.arange(5) * 1.257 + rng.uniform(0, 1.2):
            spot = (int(x + reach * np.cos(angle)), int(y + reach * np.sin(angle)))
            cv2.circle(made, spot, max(1, int(reach * 0.6)), colour, -1)
        cv2.circle(made, (int(x), int(y)), max(1, int(reach * 0.45)), tuple(map(float, colours[0])), -1)
    return made


def _camouflage(flat: Floats, rng: np.random.Generator) -> Floats:
    made = flat
    for _ in range(2):
        blobs = cv2.resize(rng.standard_normal((9, 9), dtype=np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        made = _mix(made, np.clip(blobs * 5 - 1, 0, 1).astype(np.float32), rng)
    return made


def _print(flat: Floats, rng: np.random.Generator) -> Floats:
    """Strokes and spots, the same on both sides: mouths, teeth, whiskers, skulls; or some words on one line."""
    share = np.zeros((SIDE, SIDE), np.float32)
    if rng.random() < 0.35:
        line, height = int(rng.uniform(0.25, 0.6) * SIDE), int(rng.integers(4, 16))
        for x in range(int(rng.uniform(8, 36)), int(rng.uniform(56, 90)), int(rng.integers(4, 9))):
            cv2.line(share, (x, line), (x + int(rng.integers(-2, 4)), line + height), 1.0, int(rng.integers(1, 4)))
        return _mix(flat, share, rng)
    for _ in range(int(rng.integers(3, 9))):
        (x, y), (w, h) = rng.uniform(0.1, 0.9, 2) * SIDE, rng.uniform(0.02, 0.22, 2) * SIDE
        if rng.random() < 0.5:
            cv2.ellipse(share, (int(x), int(y)), (int(w), int(h)), float(rng.uniform(0, 180)), 0, 360, 1.0,
                        int(rng.choice([-1, 2])))  # fmt: skip
        else:
            cv2.line(share, (int(x), int(y)), (int(x + w), int(y + 2 * h)), 1.0, int(rng.integers(1, 5)))
    return _mix(flat, np.maximum(share, share[:, ::-1]), rng)


_PATTERNS: dict[str, Callable[[Floats, np.random.Generator], Floats]] = {
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "flowers": _flowers,
    "camouflage": _camouflage,
    "print": _print,
}


def _bell(values: Floats, centre: float, width: float) -> Floats:
    return np.asarray(np.exp(-(((values - centre) / width) ** 2)), np.float32)


def _creases(rng: np.random.Generator) -> Floats:
    """Soft dents everywhere, and a few creases that run from the nose to the cheeks."""
    dents = rng.standard_normal((5, 7), dtype=np.float32) * rng.uniform(0.02, 0.08)
    made = np.asarray(1 + cv2.resize(dents, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.float32)
    lines = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(int(rng.integers(0, 6))):
        side, start = rng.choice([-1, 1]), rng.uniform(0.1, 0.7)
        ends = [(SIDE / 2 * (1 + side * rng.uniform(0.05, 0.4)), SIDE * start)]
        ends += [(SIDE / 2 * (1 + side * rng.uniform(0.6, 1)), SIDE * (start + rng.uniform(-0.2, 0.35)))]
        (x, y), (u, v) = ends
        cv2.line(lines, (int(x), int(y)), (int(u), int(v)), float(rng.uniform(-0.3, 0.2)), int(rng.integers(1, 4)))
    made += cv2.GaussianBlur(lines, (0, 0), rng.uniform(0.8, 2.2))
    return made


def _form(rng: np.random.Generator) -> Floats:
    """The sides turn away from the light, the nose's ridge catches it, and what is below the nose gets less."""
    aside = 1 + rng.uniform(0, 0.05) - rng.uniform(0.04, 0.26) * np.abs(_ACROSS) ** 3 + rng.normal(0, 0.06) * _ACROSS
    ridge = rng.uniform(0, 0.13) * _bell(_ACROSS, 0, 0.16) * _bell(_DOWN, 0.22, 0.3)
    return np.asarray(aside + ridge - rng.uniform(0, 0.22) * np.clip(_DOWN - 0.3, 0, 1), np.float32)


def _pleated(rng: np.random.Generator) -> Floats:
    depth, first, step = rng.uniform(0.08, 0.3), rng.uniform(0.2, 0.34), rng.uniform(0.14, 0.24)
    made = np.ones((SIDE, SIDE), np.float32)
    # Folds lie flat at the sewn sides and open towards the middle, more or less.
    strength = 1 - rng.uniform(0, 0.5) * (1 - np.abs(_ACROSS))
    for k in range(int(rng.integers(2, 5))):
        sag = _DOWN + rng.uniform(-0.05, 0.07) * (1 - _ACROSS**2) + rng.uniform(-0.03, 0.03) * _ACROSS
        place = first + k * step
        made += strength * depth * (0.6 * _bell(sag, place - 0.035, 0.03) - _bell(sag, place + 0.012, 0.02))
    # The wire over the nose and the hems are welded, and look lighter, with a line beside them.
    hem = rng.uniform(0.04, 0.09)
    made += rng.uniform(0, 0.1) * np.less(_DOWN, hem) - rng.uniform(0, 0.16) * _bell(_DOWN, hem, 0.015)
    made += rng.uniform(0, 0.07) * np.greater(_DOWN, 0.95) - rng.uniform(0, 0.12) * _bell(_DOWN, 0.94, 0.015)
    made -= rng.uniform(0, 0.15) * _bell(np.abs(_ACROSS), 0.93, 0.015)
    return made


def _sewn(rng: np.random.Generator) -> Floats:
    made = np.ones((SIDE, SIDE), np.float32)
    if rng.random() < 0.6:
        made -= rng.uniform(0.03, 0.2) * _bell(_ACROSS + 0 * _DOWN, 0.0, 0.02)
        made += rng.uniform(-0.06, 0.06) * np.tanh(_ACROSS * 8)
    if rng.random() < 0.6:
        for edge in (_DOWN, 1 - _DOWN, 1 - np.abs(_ACROSS)):
            made -= rng.uniform(0, 0.16) * _bell(edge, rng.uniform(0.05, 0.09), 0.015)
    return made


def _folded(rng: np.random.Generator) -> Floats:
    made = np.ones((SIDE, SIDE), np.float32)
    if rng.random() < 0.6:
        made -= rng.uniform(0.06, 0.22) * _bell(_ACROSS, rng.normal(0, 0.03), 0.02)
        made += rng.uniform(0.02, 0.1) * rng.choice([-1, 1]) * np.tanh(_ACROSS * 12)
    else:
        # The duck-bill: three panels above one another, the middle one towards the light.
        upper, lower = rng.uniform(0.25, 0.4), rng.uniform(0.58, 0.75)
        made += rng.uniform(0, 0.08) * _bell(_DOWN, (upper + lower) / 2, 0.15)
        for seam in (upper, lower):
            bow = _DOWN + rng.uniform(-0.05, 0.12) * (1 - _ACROSS**2)
            made -= rng.uniform(0.08, 0.22) * _bell(bow, seam, 0.02) - 0.05 * _bell(bow, seam - 0.04, 0.03)
    for edge in (_DOWN, 1 - _DOWN):
        made -= rng.uniform(0, 0.14) * _bell(edge, 0.07, 0.014)
    return made


def _moulded(rng: np.random.Generator) -> Floats:
    reach = np.sqrt(_ACROSS**2 + (2 * _DOWN - 1) ** 2)
    made = 1.03 - rng.uniform(0.05, 0.2) * reach**3
    made -= rng.uniform(0.05, 0.18) * _bell(reach, rng.uniform(0.72, 0.86), 0.03)
    if rng.random() < 0.5:
        made -= rng.uniform(0.03, 0.14) * _bell(reach, rng.uniform(0.35, 0.55), 0.03)
    return np.asarray(made, np.float32)


_RELIEF: dict[Style, Callable[[np.random.Generator], Floats]] = {
    "surgical": _pleated,
    "cloth": _sewn,
    "folded": _folded,
    "cup": _moulded,
}


def _valve(flat: Floats, rng: np.random.Generator) -> None:
    """The round valve of a respirator, in front or on one cheek."""
    across = rng.choice([0.0, 0.0, 0.42, -0.42]) + rng.normal(0, 0.03)
    x, y, reach = int(SIDE / 2 * (1 + across)), int(SIDE * rng.uniform(0.48, 0.66)), float(rng.uniform(7, 12))
    colour = tone(("white", "white", "grey", "green", "light blue", "red")[int(rng.integers(6))], rng)
    rim = tuple(float(value) for value in flat[y, x] * rng.uniform(0.6, 0.9))
    cv2.circle(flat, (x, y + 1), int(reach + 1), rim, -1)
    cv2.circle(flat, (x, y), int(reach), tuple(map(float, colour)), -1)
    cv2.circle(flat, (x, y), int(reach * 0.55), tuple(float(value) for value in colour * 0.86), 1)
