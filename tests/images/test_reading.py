"""Reading holds to its limits, decodes large JPEGs small, and gives the same answer however often it is asked."""

from __future__ import annotations

import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from mien.images import Header, ImageError, decode, read_header
from mien.images.reading import decode_at
from mien.types import Reason
from tests.images.pictures import distance, encoded, opened


@pytest.fixture(scope="module")
def large(astronaut: bytes) -> bytes:
    """A real photo enlarged to 1537 x 1024, with sides that 8 does not divide."""
    return encoded(opened(astronaut).convert("RGB").resize((1537, 1024), Image.Resampling.LANCZOS), "JPEG", quality=92)


def reason(data: bytes, max_megapixels: float = 100) -> Reason:
    with pytest.raises(ImageError) as caught:
        decode(data, max_megapixels=max_megapixels)
    assert caught.value.detail
    assert "0x" not in caught.value.detail
    return caught.value.reason


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + b"\0\0\0\4IDAT"


def test_the_header_matches_the_decoded_picture(hopper: bytes, astronaut: bytes) -> None:
    assert read_header(hopper) == Header(512, 600, "JPEG", 1)
    assert read_header(astronaut) == Header(512, 512, "PNG", 1)
    assert decode(hopper, max_megapixels=1).pixels.shape == (600, 512, 3)
    assert decode(astronaut, max_megapixels=1).pixels.shape == (512, 512, 3)


def test_pixels_are_those_of_the_decoder(hopper: bytes, astronaut: bytes) -> None:
    for data in (hopper, astronaut):
        assert np.array_equal(decode(data, max_megapixels=1).pixels, np.asarray(opened(data).convert("RGB")))


@pytest.mark.parametrize(
    ("longest", "divisor"),
    [(None, 1), (2000, 1), (1537, 1), (770, 1), (769, 2), (500, 2), (386, 2), (385, 4), (200, 4), (193, 8), (10, 8)],
)
def test_a_large_jpeg_is_decoded_as_small_as_the_longest_side_allows(
    large: bytes, longest: int | None, divisor: int
) -> None:
    whole = decode(large, max_megapixels=2)
    result = decode(large, longest=longest, max_megapixels=2)
    assert result.scale == 1 / divisor
    assert (result.width, result.height) == (1537, 1024)
    assert result.pixels.shape == (1024 // divisor, -(-1537 // divisor), 3)
    assert distance(result.pixels, np.asarray(Image.fromarray(whole.pixels).reduce(divisor))) < 2.5


def test_the_short_side_does_not_matter() -> None:
    banner = encoded(Image.new("RGB", (1600, 3), "red"), "JPEG")
    result = decode(banner, longest=200, max_megapixels=1)
    assert max(result.pixels.shape[:2]) >= 200
    assert result.pixels.shape[1] == pytest.approx(1600 * result.scale)


def test_other_formats_are_averaged_down_after_decoding(astronaut: bytes) -> None:
    small = decode(astronaut, longest=100, max_megapixels=1)
    assert (small.scale, small.pixels.shape, small.width) == (0.25, (128, 128, 3), 512)
    full = decode(astronaut, max_megapixels=1).pixels
    assert np.abs(full.reshape(128, 4, 128, 4, 3).mean(axis=(1, 3)) - small.pixels).max() <= 1


@pytest.mark.parametrize(
    ("scale", "given"), [(0.05, 0.125), (0.125, 0.125), (0.13, 0.25), (0.5, 0.5), (0.51, 1), (3, 1)]
)
def test_a_scale_is_met_or_exceeded(large: bytes, scale: float, given: float) -> None:
    assert decode_at(large, scale).scale == given


def test_no_bytes_are_empty() -> None:
    assert reason(b"") is Reason.EMPTY
    with pytest.raises(ImageError, match="empty"):
        read_header(b"")


@pytest.mark.parametrize(
    "junk", [b"\0", b"hello", b"\xff\xd8\xff", b"GIF89a", b"BM", b"P6 ", b"%!PS-Adobe-3.0 EPSF-3.0"]
)
def test_other_bytes_are_unreadable(junk: bytes) -> None:
    assert reason(junk) is Reason.UNREADABLE


def test_formats_outside_the_list_are_never_opened(astronaut: bytes) -> None:
    for format in ("EPS", "TGA", "PCX", "SGI", "JPEG2000", "PDF", "ICNS"):
        assert reason(encoded(opened(astronaut).convert("RGB").resize((64, 64)), format)) is Reason.UNREADABLE, format


def test_a_picture_over_the_limit_is_refused_and_one_at_the_limit_is_not(hopper: bytes) -> None:
    assert decode(hopper, max_megapixels=0.3072).width == 512
    with pytest.raises(ImageError, match=r"512 x 600 is 0\.3072 megapixels, over the limit of 0\.3$") as caught:
        decode(hopper, max_megapixels=0.3)
    assert caught.value.reason is Reason.TOO_LARGE
    with pytest.raises(ImageError):
        decode(hopper, longest=64, max_megapixels=0.3)


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    for data in (
        png_header(60000, 60000),
        encoded(Image.new("L", (4, 4)), "BMP").replace(struct.pack("<ii", 4, 4), struct.pack("<ii", 60000, 60000)),
        b"P6 60000 60000 255\n",
        b"GIF89a" + struct.pack("<HH", 60000, 60000) + encoded(Image.new("L", (4, 4)), "GIF")[10:],
    ):
        header = read_header(data)
        assert (header.width, header.height) == (60000, 60000)
        assert reason(data) is Reason.TOO_LARGE


def test_an_icon_cannot_hide_a_bomb() -> None:
    def icon(inside: bytes) -> bytes:
        return b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inside), 22) + inside

    assert reason(icon(png_header(60000, 60000))) is Reason.TOO_LARGE
    bitmap = struct.pack("<IiiHHIIiiII", 40, 9000, 18000, 1, 32, 0, 0, 0, 0, 0, 0)
    assert reason(icon(bitmap)) is Reason.UNREADABLE
    assert reason(b"\0\0\1\0\0\0") is Reason.UNREADABLE


def test_the_limit_is_ours_and_not_pillows() -> None:
    """Pillow alone warns above 89 megapixels, and refuses above 179."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        header = read_header(png_header(20000, 10000))
    assert (header.width, header.height) == (20000, 10000)
    assert not caught
    assert reason(png_header(10000, 9500)) is Reason.UNREADABLE
    assert reason(png_header(20000, 10000), max_megapixels=300) is Reason.UNREADABLE


def test_compressed_text_in_a_png_stays_bounded() -> None:
    text = zlib.compress(b"a" * 30_000_000)
    chunk = b"zTXtnote\0\0" + text
    data = png_header(8, 8)[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    assert reason(data) is Reason.UNREADABLE


def test_odd_metadata_costs_neither_the_picture_nor_a_warning(hopper: bytes) -> None:
    broken = b"Exif\0\0MM\0*\0\0\0\x08\0\x03" + struct.pack(">HHII", 0x011A, 5, 1, 9999) * 3
    data = hopper[:2] + b"\xff\xe1" + struct.pack(">H", len(broken) + 2) + broken + hopper[2:]
    start = data.index(b"JFIF")
    data = data[: start - 4] + data[start + 14 :] if data.startswith(b"\xff\xd8\xff\xe0") else data
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert decode(data, max_megapixels=1).pixels.shape == (600, 512, 3)
    assert not caught


def test_running_out_of_memory_counts_as_too_large(hopper: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(image: Image.Image) -> Image.Image:
        raise MemoryError

    monkeypatch.setattr("mien.images.reading.flatten", fail)
    assert reason(hopper) is Reason.TOO_LARGE


def test_two_threads_agree(hopper: bytes, astronaut: bytes, large: bytes) -> None:
    photo = opened(hopper).convert("RGB").resize((256, 300))
    formats = ("PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF")
    data = [hopper, astronaut, large, *(encoded(photo, format) for format in formats)] * 4
    expected = [decode(item, longest=400, max_megapixels=2).pixels for item in data]
    with ThreadPoolExecutor(2) as pool:
        again = list(pool.map(lambda item: decode(item, longest=400, max_megapixels=2).pixels, data))
    assert all(np.array_equal(a, b) for a, b in zip(expected, again, strict=True))


def test_the_bytes_are_not_changed(hopper: bytes) -> None:
    before = bytes(bytearray(hopper))
    decode(hopper, max_megapixels=1)
    assert hopper == before


def test_the_error_text_says_why() -> None:
    assert str(ImageError(Reason.UNREADABLE, "no end")) == "unreadable: no end"
    assert str(ImageError(Reason.EMPTY, "")) == "empty"


def test_importing_the_room_loads_no_decoder() -> None:
    loaded = "assert not {'PIL', 'cv2'} & set(sys.modules)"
    later = "mien.images.decode; assert 'PIL' in sys.modules"
    subprocess.run([sys.executable, "-c", f"import sys, mien.images; {loaded}; {later}"], check=True)


def test_a_name_that_the_room_does_not_have_is_an_attribute_error() -> None:
    import mien.images

    with pytest.raises(AttributeError, match="has no attribute 'imread'"):
        mien.images.imread  # type: ignore[attr-defined]  # noqa: B018
