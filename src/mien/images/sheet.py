"""Many pictures on one sheet, with words under them if asked: pixels in, pixels out; knows not what they show."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mien.types import Pixels

_PAPER = (250, 250, 248)
_INK = (24, 28, 34)
_FAINT = (122, 126, 132)


def contact_sheet(pictures: Pixels, columns: int) -> Pixels:
    """Equal pictures (n, h, w, 3) or (n, h, w) -> one, row by row and edge to edge, so that it can be cut again.

    What is left of the last row is white.
    """
    n, height, width = pictures.shape[:3]
    rows = ceil(n / columns)
    out = np.full((rows * height, columns * width, *pictures.shape[3:]), 255, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = divmod(i, columns)
        out[y * height : (y + 1) * height, x * width : (x + 1) * width] = picture
    return out


def captioned_sheet(pictures: Sequence[Pixels], captions: Sequence[tuple[str, str]], columns: int, side: int) -> Pixels:
    """Pictures (h, w, 3) or (h, w) and two lines of text for each -> a sheet (h, w, 3) with margins.

    Each picture is enlarged or made smaller until it fits a square of `side` pixels; text is cut where it is too long.
    """
    size = max(10, side // 11)
    name, note = ImageFont.load_default(size), ImageFont.load_default(max(9, round(size * 0.8)))
    gap = max(6, side // 12)
    line = round(size * 1.35)
    step = (side + gap, side + 2 * line + gap)
    rows = ceil(len(pictures) / columns)
    page = Image.new("RGB", (columns * step[0] + gap, rows * step[1] + gap), _PAPER)
    pen = ImageDraw.Draw(page)
    for i, (picture, (first, second)) in enumerate(zip(pictures, captions, strict=True)):
        left, top = gap + i % columns * step[0], gap + i // columns * step[1]
        fitted = _fitted(picture, side)
        page.paste(fitted, (left + (side - fitted.width) // 2, top + (side - fitted.height) // 2))
        for text, font, ink, y in ((first, name, _INK, 0), (second, note, _FAINT, line)):
            pen.text((left, top + side + line // 4 + y), _cut(text, font, side), fill=ink, font=font)
    return np.asarray(page, dtype=np.uint8)


def _fitted(picture: Pixels, side: int) -> Image.Image:
    image = Image.fromarray(picture).convert("RGB")
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
