"""Every colour mode that a file can have becomes plain RGB of 8 bits, transparent parts on white."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from mien.images import decode
from mien.images.colour import flatten, pixels_of
from mien.types import Pixels
from tests.images.pictures import distance, encoded, opened


def pixels(data: bytes) -> Pixels:
    result = decode(data, max_megapixels=1).pixels
    assert result.dtype == np.uint8
    assert result.ndim == 3
    assert result.shape[2] == 3
    assert result.flags.c_contiguous
    assert result.flags.writeable
    return result


@pytest.fixture(scope="module")
def photo(hopper: bytes) -> Image.Image:
    return opened(hopper).convert("RGB").resize((100, 118))


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("PPM", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
        ("JPEG", {"quality": 95, "subsampling": 0}),
        ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}),
    ],
)
def test_every_format_gives_the_same_picture(photo: Image.Image, format: str, options: dict[str, Any]) -> None:
    assert distance(pixels(encoded(photo, format, **options)), np.asarray(photo)) < 2.5


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "PPM", "TIFF", "GIF"])
def test_grey_has_three_equal_channels(photo: Image.Image, format: str) -> None:
    result = pixels(encoded(photo.convert("L"), format))
    assert np.array_equal(result[..., 0], result[..., 1])
    assert np.array_equal(result[..., 0], result[..., 2])
    assert distance(result[..., 0], np.asarray(photo.convert("L"))) < 4


@pytest.mark.parametrize("format", ["PNG", "BMP", "PPM", "TIFF"])
def test_one_bit_is_black_and_white(photo: Image.Image, format: str) -> None:
    bits = photo.convert("1")
    result = pixels(encoded(bits, format))
    assert set(np.unique(result)) == {0, 255}
    assert np.array_equal(result[..., 0] > 0, np.asarray(bits))


@pytest.mark.parametrize("format", ["PNG", "GIF", "BMP", "TIFF"])
def test_a_palette_is_looked_up(photo: Image.Image, format: str) -> None:
    indexed = photo.quantize(64)
    assert np.array_equal(pixels(encoded(indexed, format)), np.asarray(indexed.convert("RGB")))


def on_white(picture: Image.Image) -> Pixels:
    values = np.asarray(picture.convert("RGBA")).astype(np.float64)
    alpha = values[..., 3:] / 255
    return np.rint(values[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


@pytest.mark.parametrize(("mode", "format"), [("RGBA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "TIFF"), ("LA", "PNG")])
def test_alpha_is_blended_with_white(photo: Image.Image, mode: str, format: str) -> None:
    fading = photo.convert(mode)
    fading.putalpha(Image.linear_gradient("L").resize(photo.size))
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    result = pixels(encoded(fading, format, **options))
    assert int(np.abs(result.astype(int) - on_white(fading)).max()) <= 1
    assert (result[0] > 250).all()


def test_a_palette_with_alpha_is_blended_with_white(photo: Image.Image) -> None:
    indexed = photo.quantize(16)
    levels = bytes(range(0, 256, 16))
    data = encoded(indexed, "PNG", transparency=levels)
    alpha = np.frombuffer(levels, np.uint8)[np.asarray(indexed)]
    expected = photo.quantize(16).convert("RGB")
    expected.putalpha(Image.fromarray(alpha))
    assert int(np.abs(pixels(data).astype(int) - on_white(expected)).max()) <= 1


def test_one_transparent_entry_of_a_palette_becomes_white(photo: Image.Image) -> None:
    indexed = photo.quantize(16)
    for format in ("PNG", "GIF"):
        result = pixels(encoded(indexed, format, transparency=3))
        there = np.asarray(opened(encoded(indexed, format, transparency=3))) == 3
        assert there.any()
        assert (result[there] == 255).all()


def test_one_transparent_colour_becomes_white() -> None:
    for mode, colour, other in (("L", 7, 90), ("RGB", (7, 8, 9), (1, 2, 3)), ("1", 0, 1)):
        picture = Image.new(mode, (4, 4), colour)
        picture.putpixel((1, 1), other)
        result = pixels(encoded(picture, "PNG", transparency=colour))
        assert (result[0, 0] == 255).all(), mode
        assert mode == "1" or (result[1, 1] != 255).all()


@pytest.mark.parametrize("mode", ["PA", "RGBa", "HSV", "YCbCr", "RGBX"])
def test_rarer_modes_are_understood(photo: Image.Image, mode: str) -> None:
    picture = photo.quantize(64).convert("PA") if mode == "PA" else photo.convert("RGBA").convert(mode)
    assert distance(pixels_of(flatten(picture)), np.asarray(photo)) < 12


def test_premultiplied_grey_of_a_tiff_is_blended_with_white() -> None:
    straight = encoded(Image.new("LA", (4, 4), (50, 128)), "TIFF")
    assert (np.abs(pixels(straight).astype(int) - 152) <= 1).all()
    unassociated, associated = (struct.pack("<HHIHH", 338, 3, 1, extra, 0) for extra in (2, 1))
    assert unassociated in straight
    assert (np.abs(pixels(straight.replace(unassociated, associated)).astype(int) - 177) <= 1).all()


def test_cmyk_is_right_side_out(photo: Image.Image) -> None:
    plain = pixels(encoded(photo.convert("CMYK"), "TIFF"))
    assert distance(plain, np.asarray(photo)) < 1
    # Pillow writes CMYK JPEGs inverted, as Adobe does, and with Adobe's marker.
    adobe = encoded(photo.convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in adobe
    assert distance(pixels(adobe), np.asarray(photo)) < 3


def test_ycck_is_right_side_out() -> None:
    """One red, once as CMYK and once as YCCK, as Adobe's marker tells them apart."""
    red = Image.new("RGB", (16, 16), (200, 30, 40))
    cmyk = encoded(red.convert("CMYK"), "JPEG", quality=100)
    at = cmyk.index(b"Adobe") + 11
    assert cmyk[at] in (0, 2)
    assert distance(pixels(cmyk), np.asarray(red)) < 3
    # YCC is taken of the inks, 255 - colour, and K lies there as 255 for no black. Pillow inverts all it writes.
    y, cb, cr = (band.getpixel((0, 0)) for band in ImageOps.invert(red).convert("YCbCr").split())
    bands = [Image.new("L", (16, 16), 255 - int(v)) for v in (y, cb, cr, 255)]  # type: ignore[arg-type]
    ycck = bytearray(encoded(Image.merge("CMYK", bands), "JPEG", quality=100, subsampling=0))
    ycck[ycck.index(b"Adobe") + 11] = 2
    assert distance(pixels(bytes(ycck)), np.asarray(red)) < 4


def ramp(top: int, kind: str) -> np.ndarray[Any, Any]:
    return np.linspace(0, top, 256 * 4).astype(kind).reshape(4, 256)


def png16(values: np.ndarray[Any, Any], transparent: int | None = None) -> bytes:
    height, width = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0))]
    if transparent is not None:
        chunks.append((b"tRNS", struct.pack(">H", transparent)))
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def test_16_bits_are_scaled_by_their_whole_range() -> None:
    values = ramp(65535, "u2")
    expected = np.rint(values / 257).astype(np.uint8)
    for data in (
        png16(values),
        encoded(Image.fromarray(values), "TIFF"),
        encoded(Image.fromarray(values), "PPM"),
        b"P5 256 4 65535\n" + values.astype(">u2").tobytes(),
    ):
        assert np.array_equal(pixels(data)[..., 1], expected)


def test_a_dark_16_bit_picture_stays_dark() -> None:
    assert pixels(png16(ramp(4095, "u2"))).max() == 16


def test_big_endian_16_bits_are_read_as_such() -> None:
    values = ramp(65535, "u2")
    picture = Image.frombytes("I;16B", (256, 4), values.astype(">u2").tobytes())
    assert np.array_equal(pixels_of(flatten(picture))[..., 0], np.rint(values / 257).astype(np.uint8))


def test_a_transparent_grey_of_16_bits_becomes_white() -> None:
    values = ramp(65535, "u2")
    result = pixels(png16(values, transparent=int(values[2, 5])))
    assert (result[2, 5] == 255).all()
    assert (result[0, 0] == 0).all()


def test_32_bits_are_scaled_by_the_range_of_their_values() -> None:
    for values in (ramp(65535, "i4"), ramp(2_000_000_000, "i4"), ramp(1000, "i4") - 500_000):
        result = pixels(encoded(Image.fromarray(values), "TIFF"))[..., 0]
        assert result.min() == 0
        assert result.max() == 255
        assert (np.diff(result.ravel().astype(int)) >= 0).all()


def test_floats_are_scaled_by_the_range_of_their_values() -> None:
    unit, bytes_, wide = ramp(1, "f4"), ramp(200, "f4"), ramp(9, "f4") * 1000 - 3000
    assert pixels(encoded(Image.fromarray(unit), "TIFF")).max() == 255
    assert pixels(encoded(Image.fromarray(bytes_), "TIFF")).max() == 200
    stretched = pixels(encoded(Image.fromarray(wide), "TIFF"))
    assert (stretched.min(), stretched.max()) == (0, 255)


def test_nan_and_infinite_values_do_no_harm() -> None:
    values = ramp(1, "f4")
    values[0, :3] = np.nan, np.inf, -np.inf
    result = pixels(encoded(Image.fromarray(values), "TIFF"))[..., 0]
    assert result[0, :3].tolist() == [0, 255, 0]
    assert result[3, -1] == 255
    nothing = np.full((4, 4), np.nan, np.float32)
    assert (pixels(encoded(Image.fromarray(nothing), "TIFF")) == 0).all()
    flat = np.full((4, 4), -7.0, np.float32)
    assert (pixels(encoded(Image.fromarray(flat), "TIFF")) == 0).all()


def test_a_large_picture_is_copied_in_bands_without_a_seam() -> None:
    values = np.random.default_rng(0).integers(0, 256, (1031, 701, 3), np.uint8)
    assert np.array_equal(pixels_of(Image.fromarray(values)), values)
    assert np.array_equal(decode(encoded(Image.fromarray(values), "PPM"), max_megapixels=1).pixels, values)


def test_the_first_frame_of_an_animation_is_the_picture(photo: Image.Image) -> None:
    other = Image.new("RGB", photo.size, "green")
    for format, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {}), ("AVIF", {})):
        data = encoded(photo, format, save_all=True, append_images=[other, photo], **options)
        assert distance(pixels(data), np.asarray(photo)) < 12, format


def test_an_icon_gives_its_largest_picture(photo: Image.Image) -> None:
    for inside in ("png", "bmp"):
        data = encoded(photo.resize((64, 64)), "ICO", sizes=[(16, 16), (64, 64), (32, 32)], bitmap_format=inside)
        assert distance(pixels(data), np.asarray(photo.resize((64, 64)))) < 3
