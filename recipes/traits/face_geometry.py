"""The axes of a face for drawing on it, and the light, blur and grain of its photo."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan, cos, pi, sin

import cv2
import numpy as np

from mien.types import Floats, Pixels

# Proportions of a grown-up's face from the front, in units of the way from the eyes to the mouth.
_EYES_APART = 0.875
_HALF_WIDTH = 1.06
"""Half of the head's width, in units of the way between the eyes."""
_EYES_DEEP, _NOSE_FORWARD = 0.92, 0.43
"""How far the eyes lie before the axis that the head turns about, and the nose's tip before the eyes."""


@dataclass(frozen=True, slots=True)
class FaceAxes:
    """A face's own axes: x to the right of the picture, y from the eyes (0) down to the mouth (1), both turned with it.

    origin: the middle between the eyes, pixels. right: the x axis in the picture. unit: pixels from eyes to mouth.
    turn: radians by which the head is turned, positive to the right of the picture. apart: between the eyes, as seen
    from the front. axis, radius: the head as a standing cylinder. nose: its tip. bend: x = y * (bend[0] + bend[1] * y)
    is the line down the middle of the face.
    """

    origin: tuple[float, float]
    right: tuple[float, float]
    unit: float
    turn: float
    apart: float
    axis: float
    radius: float
    nose: tuple[float, float]
    bend: tuple[float, float]

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """A place on the face -> where that is in the picture."""
        (u, v), k = self.right, self.unit
        return self.origin[0] + k * (x * u - y * v), self.origin[1] + k * (x * v + y * u)

    def grid(self, rows: slice, columns: slice) -> tuple[Floats, Floats]:
        """The x and y of every pixel in that part of the picture."""
        (u, v), k = self.right, self.unit
        across = (np.arange(columns.start, columns.stop, dtype=np.float32)[None] - self.origin[0]) / k
        down = (np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - self.origin[1]) / k
        return (across * u + down * v).astype(np.float32), (down * u - across * v).astype(np.float32)

    def middle(self, y: float) -> float:
        """X of the line down the middle of the face."""
        return y * (self.bend[0] + self.bend[1] * y)

    def around(self, angle: float) -> float:
        """X of what lies at that angle on the head, 0 being the nose; what is behind comes out at its outline."""
        return self.axis + self.radius * sin(min(max(angle + self.turn, -pi / 2), pi / 2))


def face_axes(points: Floats) -> FaceAxes:
    """Five points (5, 2): eyes, tip of the nose, corners of the mouth -> the face's axes."""
    spots = np.asarray(points, np.float64)
    eyes, mouth = spots[:2].mean(0), spots[3:].mean(0)
    along, down = spots[1] - spots[0], mouth - eyes
    seen = max(float(np.hypot(*along)), 1.0)
    # Both directions estimate the roll: eyes alone are off by a pixel, and mouths are crooked.
    right = along / seen + np.array([down[1], -down[0]]) / max(float(np.hypot(*down)), 1.0)
    right = right / max(float(np.hypot(*right)), 1e-6)
    below = np.array([-right[1], right[0]])
    unit = max(float(down @ below), 0.5 * seen, 2.0)
    tip = spots[2] - eyes
    nose = float(tip @ right) / unit, min(max(float(tip @ below) / unit, 0.35), 0.75)
    turn = min(max(atan(nose[0] * unit / seen / _NOSE_FORWARD), -0.95), 0.95)
    apart = (min(max(seen / unit / cos(turn), 0.75), 1.05) + _EYES_APART) / 2
    low = float(down @ right) / unit + 0.15 * sin(turn)
    slope = (low / 1.5 - nose[0] / nose[1]) / (1.5 - nose[1])
    return FaceAxes(
        (float(eyes[0]), float(eyes[1])), (float(right[0]), float(right[1])), unit, turn, apart,
        -_EYES_DEEP * apart * sin(turn), _HALF_WIDTH * apart, nose,
        (nose[0] / nose[1] - slope * nose[1], slope),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PhotoStyle:
    """How a photo renders what it shows.

    grey: (s, s) its luminance. light: (3,) the lamp, 1 where white is white. soft: blur in pixels (standard deviation).
    grain: standard deviation of its noise, in grey levels. coloured: 0 for a picture in shades of grey, 1 for others.
    """

    grey: Floats
    light: Floats
    soft: float
    grain: float
    coloured: float


def photo_style(crop: Pixels, rng: np.random.Generator) -> PhotoStyle:
    """Pixels (s, s, 3) -> an estimate of light, blur and grain, in which the brightest parts count as white."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    near, far = cv2.blur(grey, (3, 3)), cv2.blur(grey, (9, 9))
    fine, coarse = float(cv2.absdiff(grey, near).mean()), float(cv2.absdiff(grey, far).mean()) + 0.3
    few = np.sort(grey[::4, ::4], None)
    bright = float(few[-1 - len(few) // 16])
    some = crop[::4, ::4].reshape(-1, 3).astype(np.float32)
    mean = some.mean(0) + 8
    coloured = min(max(float(np.abs(some[:, 0] - some[:, 2]).mean()) / 6 - 0.5, 0), 1)
    cast = (mean / mean.mean()) ** rng.uniform(0.05, 0.4)
    strength = min(max(bright / 198, 0.35), 1.03) * rng.uniform(0.9, 1.08)
    soft = float(np.interp(fine / coarse, (0.15, 0.42), (1.2, 0.35))) * rng.uniform(0.7, 1.2)
    grain = min(max(0.5 * fine, 0.4), 3.5) * rng.uniform(0.5, 1.4)
    return PhotoStyle(grey, (strength * cast).astype(np.float32), soft, grain, coloured)


def smooth(image: Floats, sigma: float) -> Floats:
    """A Gaussian blur of `sigma` pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(sigma, 0.2)), np.float32)


def three_channels(plane: Floats) -> Floats:
    """One plane (h, w) -> the same for each colour (h, w, 3); faster than numpy's broadcasting."""
    return np.asarray(cv2.merge((plane, plane, plane)), np.float32)


def darken(part: Pixels, share: Floats) -> None:
    """Remove a share (h, w) of the light from a part of a picture, in place; at 0 nothing changes."""
    part[:] = cv2.multiply(part, three_channels(1 - share), dtype=cv2.CV_8U)


def blend_layer(part: Pixels, layer: Floats, cover: Floats, seen: PhotoStyle, rng: np.random.Generator) -> None:
    """Blend a layer (h, w, 3) into a part of a picture, in place, with opacity `cover` (h, w) and the photo's grain."""
    height, width = cover.shape
    # Grain in a photo is not sharp either: what cameras and JPEG leave of it is a little smeared.
    noise = cv2.blur(rng.integers(0, 256, (height, width), np.uint8), (2, 2)).astype(np.float32)
    grained = layer + three_channels((noise - 127.5) * (seen.grain / 40))
    over = np.clip(grained, 0, 255).astype(np.uint8)
    if seen.coloured < 1:
        pale = cv2.cvtColor(cv2.cvtColor(over, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        over = cv2.addWeighted(over, seen.coloured, pale, 1 - seen.coloured, 0).astype(np.uint8)
    share = np.where(cover > 0.004, np.minimum(cover, 1), 0).astype(np.float32)
    part[:] = cv2.blendLinear(part, over, 1 - share, share)
