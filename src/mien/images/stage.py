"""The stage PhotoRef -> Photo: reads files and decodes them."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from mien.images import ImageError
from mien.images.reading import decode, decode_at
from mien.stage import Needs
from mien.types import Photo, PhotoRef, Pixels, Reason, Rejected

_BYTES_PER_PIXEL: Final = 8
"""Four uncompressed channels of 16 bits: no file within the limit of pixels needs more."""
_BYTES_OF_METADATA: Final = 1 << 26


@dataclass(frozen=True, slots=True)
class Decode:
    """PhotoRef -> Photo, upright RGB.

    longest: large photos are decoded smaller, but the longest side keeps this many pixels; None: at full size.
    max_megapixels: larger photos are rejected before they are decoded.
    """

    longest: int | None
    max_megapixels: float
    name: ClassVar[str] = "decode"
    batch_size: ClassVar[int] = 1  # so that no two photos are decoded in full at one time
    needs: ClassVar[Needs] = Needs()

    def __call__(self, batch: Sequence[PhotoRef], /) -> Iterator[Photo | Rejected]:
        for ref in batch:
            if ref.pixels is not None:
                yield Photo(ref.origin, ref.pixels, width=ref.pixels.shape[1], height=ref.pixels.shape[0])
                continue
            try:
                data = read(ref, self.max_megapixels)
                image = decode(data, longest=self.longest, max_megapixels=self.max_megapixels)
            except ImageError as error:
                yield Rejected(ref.origin, self.name, error.reason, error.detail)
            else:
                encoded = data if image.scale < 1 else None
                yield Photo(ref.origin, image.pixels, image.width, image.height, image.scale, encoded)


def pixels_at_scale(photo: Photo, scale: float) -> tuple[Pixels, float]:
    """Photo -> pixels of at least that scale, and their scale; decoded again only where the photo has fewer.

    Raises ImageError where the bytes, good when the photo was decoded, can no longer be read.
    """
    if photo.data is None or photo.scale >= min(scale, 1.0):
        return photo.pixels, photo.scale
    finer = decode_at(photo.data, scale)
    return finer.pixels, finer.scale


def read(ref: PhotoRef, max_megapixels: float) -> bytes:
    """A photo's encoded bytes; a file that is too large for the limit of pixels is not read.

    Raises:
        ImageError: it is missing, not a regular file, too large or not readable.
    """
    if ref.data is not None:
        return ref.data
    if ref.path is None:
        raise ImageError(Reason.MISSING, "neither a path nor bytes")
    try:
        return _read_file(ref.path, int(max_megapixels * 1e6) * _BYTES_PER_PIXEL + _BYTES_OF_METADATA)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a null in the path
        raise ImageError(Reason.MISSING, "no such file") from error
    except OSError as error:
        raise ImageError(Reason.UNREADABLE, (error.strerror or type(error).__name__).lower()) from error


def _read_file(path: Path, max_bytes: int) -> bytes:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise ImageError(Reason.MISSING, "a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(Reason.UNREADABLE, "not a regular file")
    if status.st_size > max_bytes:
        raise ImageError(Reason.TOO_LARGE, f"a file of {status.st_size / 1e6:.0f} MB")
    return path.read_bytes()
