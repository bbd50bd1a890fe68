"""Pictures that are written: encoded and turned files, small and degraded copies, drawings, contact sheets."""

from __future__ import annotations

import io
from collections.abc import Sequence
from math import ceil
from typing import Any, Final, Literal

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageDraw, ImageFile, ImageFont

from mien.images import ImageError
from mien.images.formats import state_orientation, turned_by, upright
from mien.images.reading import image_errors, open_within, remaining_orientation
from mien.types import Floats, Pixels, Reason

_THUMBNAIL_QUALITY = 85


def encode(pixels: Pixels, format: Literal["jpeg", "png"], quality: int = 95) -> bytes:
    """Pixels (h, w, 3) RGB or (h, w) grey -> the bytes of a file; `quality` (1 to 100) is for JPEG.

    Raises:
        ValueError: pixels of another shape or type.
    """
    return _save(_to_pillow(pixels), format, quality)


def thumbnail(pixels: Pixels, side: int) -> bytes:
    """Pixels -> a JPEG of at most `side` by `side` pixels, never enlarged; raises as `encode`."""
    picture = _to_pillow(pixels)
    picture.thumbnail((side, side))
    return _save(picture, "jpeg", _THUMBNAIL_QUALITY)


def degrade(pixels: Pixels, share: float) -> Pixels:
    """Pixels (h, w, 3) or (h, w) -> the same size, with the detail of a picture of `share` of its sides."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    small = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
    reduced = picture.resize(small, Image.Resampling.BOX)
    return np.asarray(reduced.resize(picture.size, Image.Resampling.BILINEAR), dtype=np.uint8)


def _to_pillow(pixels: Pixels) -> Image.Image:
    grey = pixels.ndim == 2
    if pixels.dtype != np.uint8 or not pixels.size or not (grey or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise ValueError(f"pixels must be (h, w, 3) or (h, w) uint8, not {pixels.shape} {pixels.dtype}")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _save(picture: Image.Image, format: Literal["jpeg", "png"], quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **({"quality": quality} if format == "jpeg" else {}))
    return buffer.getvalue()


# Turning a file. What Pillow is told of each format, so that as little as possible is lost.

_SAVED_AS: Final[dict[str, dict[str, Any]]] = {
    "PNG": {},
    "BMP": {},
    "GIF": {},
    "PPM": {},
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "WEBP": {"lossless": True, "exact": True},
    "JPEG": {"quality": 95, "subsampling": 0},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}
_ICON: Final = b"\0\0\1\0"


def turn(data: bytes, degrees: int, max_megapixels: float) -> bytes:
    """A picture's bytes, and 90, 180 or 270 degrees clockwise -> the turned picture, in the same format.

    Of a JPEG or TIFF only the orientation that it states is changed, so that no pixel is; other formats are encoded
    again, without loss (save for AVIF), with their colour profile and EXIF block.

    Raises:
        ImageError: it cannot be read, has several frames, or is an icon.
    """
    with image_errors():
        image, header = open_within(data, max_megapixels)
        if image.format in ("JPEG", "TIFF"):
            try:
                return state_orientation(data, turned_by(header.orientation, degrees))
            except ValueError:  # no room for it: encoded again
                pass
        if data.startswith(_ICON) or getattr(image, "n_frames", 1) > 1:
            what = "an icon" if data.startswith(_ICON) else "an animation or has several pages"
            raise ImageError(Reason.UNREADABLE, f"it is {what}, which cannot be turned")
        picture = upright(image, turned_by(remaining_orientation(image, header.orientation), degrees))
        buffer = io.BytesIO()
        picture.save(buffer, image.format, **_SAVED_AS[image.format or ""], **_metadata(image))
        return buffer.getvalue()


def _metadata(image: ImageFile.ImageFile) -> dict[str, Any]:
    """Resolution, colour profile and EXIF block of a picture that is upright now, as Pillow writes them."""
    kept = {name: image.info[name] for name in ("dpi", "icc_profile") if image.info.get(name)}
    exif = image.getexif()
    exif.pop(ExifTags.Base.Orientation, None)
    if len(exif) and image.format != "TIFF":  # whose tags describe the pixels, too
        kept["exif"] = exif.tobytes()
    return kept


_BOX = (64, 224, 128)
_POINT = (255, 210, 63)
_DARK, _WHITE = (16, 24, 32), (255, 255, 255)
_FONT_SCALE = 0.5  # of OpenCV's font, in a picture of 500 pixels
_MIN_FONT_SCALE = 0.35  # below this its letters run together
_SHADE = 0.35  # brightness of the photo behind lines of text

_RED, _BLUE, _OPAQUE = (214, 40, 24), (30, 90, 220), 0.75

_SHEET = (250, 250, 248)
_TEXT, _FAINT_TEXT = (24, 28, 34), (122, 126, 132)


def draw(
    pixels: Pixels,
    boxes: Floats,
    landmarks: Floats | None,
    labels: Sequence[str],
    lines: Sequence[Sequence[str]] | None = None,
) -> Pixels:
    """A copy of `pixels` (h, w, 3) with boxes (n, 4), points (n, k, 2) or None, and a line of text over each box.

    `lines` are written under each box, as narrow as it is if that is legible, and inside it where there is no room.
    OpenCV's font is ASCII only: other characters are shown as question marks.
    """
    out = np.ascontiguousarray(pixels.copy())
    unit = max(1, round(max(out.shape[:2]) / 500))
    for i, (x1, y1, x2, y2) in enumerate(np.round(boxes).astype(int).tolist()):
        cv2.rectangle(out, (x1, y1), (x2, y2), _BOX, 2 * unit, cv2.LINE_AA)
        for x, y in [] if landmarks is None else np.round(landmarks[i]).astype(int).tolist():
            cv2.circle(out, (x, y), 2 * unit, _POINT, -1, cv2.LINE_AA)
        if labels[i]:
            _write_above(out, labels[i], x1, y1, unit)
        if lines and lines[i]:
            _write_below(out, lines[i], (x1, y2, x2 - x1), unit)
    return out


def _write_above(out: Pixels, text: str, x: int, y: int, unit: int) -> None:
    text, size = _ascii(text), _FONT_SCALE * unit
    width, height = _text_size(text, size, unit)
    top = y if y < height else y - height  # no room above the box: inside it
    cv2.rectangle(out, (x, top), (x + width, top + height), _BOX, -1)
    _write(out, text, (x, top), size, _DARK, unit)


def _write_below(out: Pixels, lines: Sequence[str], corner: tuple[int, int, int], unit: int) -> None:
    """Lines of white text on a shade, below the lower left corner (x, y) of a box of some width."""
    x, y, box_width = corner
    texts = [_ascii(text) for text in lines]
    widest = max(_text_size(text, 1.0, 1)[0] for text in texts)
    size = min(_FONT_SCALE * unit, max(_MIN_FONT_SCALE, box_width / max(widest, 1)))
    width, height = max(_text_size(text, size, unit)[0] for text in texts), _text_size("Ag", size, unit)[1]
    top = max(0, min(y, out.shape[0] - height * len(texts)))
    part = out[top : top + height * len(texts), max(x, 0) : max(x + max(width, box_width), 0)]
    part[:] = (part * _SHADE).astype(np.uint8)
    for i, text in enumerate(texts):
        _write(out, text, (x, top + i * height), size, _WHITE, max(1, round(size * 1.5)))


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()


def _text_size(text: str, size: float, unit: int) -> tuple[int, int]:
    """Width and height of a line with a margin."""
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, unit)
    return width + 4 * unit, height + below + 2 * unit


def _write(
    out: Pixels, text: str, corner: tuple[int, int], size: float, colour: tuple[int, int, int], thick: int
) -> None:
    (_, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thick)
    origin = (corner[0] + 2 * thick, corner[1] + height + 2 * thick)
    cv2.putText(out, text, origin, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thick, cv2.LINE_AA)


def tint(pixels: Pixels, values: Floats) -> Pixels:
    """Pixels (h, w, 3) or (h, w), and values (h', w') of -1 to 1 -> RGB of the values' size.

    It is grey where they are 0, the redder the closer to 1, and the bluer the closer to -1.
    """
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, values.shape[::-1], interpolation=cv2.INTER_LINEAR)
    colour = np.where(values[..., None] > 0, np.array(_RED, np.float32), np.array(_BLUE, np.float32))
    share = np.abs(values)[..., None] * np.float32(_OPAQUE)
    return np.asarray(grey[..., None] * (1 - share) + colour * share, np.uint8)


def contact_sheet(pictures: Pixels, columns: int) -> Pixels:
    """Equal pictures (n, h, w, 3) or (n, h, w) -> one, row by row and edge to edge, so that it can be cut apart again.

    The rest of the last row is white.
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

    Each picture is resized to fit a square of `side` pixels; text that is too long is cut.
    """
    size = max(10, side // 11)
    name, note = ImageFont.load_default(size), ImageFont.load_default(max(9, round(size * 0.8)))
    gap = max(6, side // 12)
    line = round(size * 1.35)
    step = (side + gap, side + 2 * line + gap)
    rows = ceil(len(pictures) / columns)
    page = Image.new("RGB", (columns * step[0] + gap, rows * step[1] + gap), _SHEET)
    pen = ImageDraw.Draw(page)
    for i, (picture, (first, second)) in enumerate(zip(pictures, captions, strict=True)):
        left, top = gap + i % columns * step[0], gap + i // columns * step[1]
        resized = _resize(picture, side)
        page.paste(resized, (left + (side - resized.width) // 2, top + (side - resized.height) // 2))
        for text, font, colour, y in ((first, name, _TEXT, 0), (second, note, _FAINT_TEXT, line)):
            pen.text((left, top + side + line // 4 + y), _shorten(text, font, side), fill=colour, font=font)
    return np.asarray(page, dtype=np.uint8)


def _resize(picture: Pixels, side: int) -> Image.Image:
    image = Image.fromarray(picture).convert("RGB")
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _shorten(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
