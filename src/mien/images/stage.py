"""Photos from disk or memory into the flow, `PhotoRef -> Photo`; knows no format."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from mien.images.reading import decode, decode_at
from mien.images.values import ImageError
from mien.stage import Needs
from mien.types import Photo, PhotoRef, Pixels, Reason, Rejected

_BYTES_PER_PIXEL: Final = 8
"""Four channels of 16 bits, uncompressed: no file within the limit of pixels needs more."""
_BYTES_FOR_THE_REST: Final = 1 << 26


@dataclass(frozen=True, slots=True)
class Decode:
    """PhotoRef -> Photo, upright RGB.

    longest: large photos come smaller, as long as the longest side keeps this many pixels; None: never.
    max_megapixels: photos above are rejected before they are decoded.
    """

    longest: int | None
    max_megapixels: float
    name: ClassVar[str] = "decode"
    batch_size: ClassVar[int] = 8
    needs: ClassVar[Needs] = Needs()

    def __call__(self, batch: Sequence[PhotoRef], /) -> Iterator[Photo | Rejected]:
        for ref in batch:
            try:
                yield self._photo(ref)
            except ImageError as error:
                yield Rejected(ref.origin, self.name, error.reason, error.detail)

    def _photo(self, ref: PhotoRef) -> Photo:
        data = read(ref, self.max_megapixels)
        decoded = decode(data, longest=self.longest, max_megapixels=self.max_megapixels)
        kept = data if decoded.scale < 1 else None
        return Photo(ref.origin, decoded.pixels, decoded.width, decoded.height, decoded.scale, kept)


def sharper(photo: Photo, scale: float) -> tuple[Pixels, float]:
    """Photo -> pixels of at least that scale, and their scale; decoded anew only where the photo has fewer.

    Raises:
        ImageError: the bytes, good when the photo was decoded, can no longer be read.
    """
    if photo.data is None or photo.scale >= min(scale, 1.0):
        return photo.pixels, photo.scale
    finer = decode_at(photo.data, scale)
    return finer.pixels, finer.scale


def read(ref: PhotoRef, max_megapixels: float) -> bytes:
    """A photo's encoded bytes; a file that could only hold more pixels than the limit is not read.

    Raises:
        ImageError: it is missing, no regular file, too large or not readable.
    """
    if ref.data is not None:
        return ref.data
    if ref.path is None:
        raise ImageError(Reason.MISSING, "neither a path nor bytes")
    try:
        return _read_file(ref.path, int(max_megapixels * 1e6) * _BYTES_PER_PIXEL + _BYTES_FOR_THE_REST)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a null in the path
        raise ImageError(Reason.MISSING, "no such file") from error
    except OSError as error:
        raise ImageError(Reason.UNREADABLE, (error.strerror or type(error).__name__).lower()) from error


def _read_file(path: Path, most: int) -> bytes:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise ImageError(Reason.MISSING, "a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(Reason.UNREADABLE, "not a regular file")
    if status.st_size > most:
        raise ImageError(Reason.TOO_LARGE, f"a file of {status.st_size / 1e6:.0f} MB")
    return path.read_bytes()
