"""Masks, glasses and other things drawn on real faces, for training; knows no file, and no network.

Each takes a crop (s, s, 3) RGB of any size, the five points in it (eyes, tip of the nose, corners of the mouth, left of
the picture first) and a generator, which alone decides what comes out. The crop that is given stays as it is.
A crop has to reach below the chin for what hangs there to be seen.
"""

from __future__ import annotations

from recipes.traits.covers import draw_other
from recipes.traits.fabric import COLOURS, STYLES
from recipes.traits.glasses import FRAMES, Kind, draw_glasses
from recipes.traits.masks import How, draw_mask

__all__ = ["COLOURS", "FRAMES", "STYLES", "How", "Kind", "draw_glasses", "draw_mask", "draw_other"]
