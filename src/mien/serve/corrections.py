"""Corrected labels, stored with the face so that a classifier can be trained on them.

Only the face is stored, with the margin that a detector needs to find it again, re-encoded so that no metadata of
the photo remains; and a note on how the person agreed.
"""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mien import fileio
from mien.errors import DataError
from mien.images import ImageError, decode, encode
from mien.types import Box
from mien.validate import from_dict

_MARGIN = 0.5  # of the face's sides, on each side: as much as a detector needs to find it again
_SIDE = 800  # pixels of the longer side at most
_SMALLEST = 8


@dataclass(frozen=True, slots=True)
class Correction:
    """A face and its correct label. about: the bundle that was wrong, or "person". was: the label that it gave."""

    id: str
    about: str
    label: str
    was: str
    consent: str
    created: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class CorrectionStore:
    """A folder with a picture and a JSON file for each correction; several processes may use it at once."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self._limit = folder, limit
        self._lock = Lock()

    def add(self, about: str, label: str, was: str, consent: str, face: bytes) -> Correction:
        """Store a correction; a `DataError` if the store is full. face: a picture made by `cut_face`."""
        created = datetime.now(UTC).isoformat(timespec="seconds")
        correction = Correction(secrets.token_hex(8), about, label, was, consent, created)
        with self._lock:
            if sum(1 for _ in self._files()) >= self._limit:
                raise DataError(f"The limit of {self._limit} corrections is reached: export and remove some")
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The JSON file comes last: a picture without one does not count.
            fileio.write(self.folder / f"{correction.id}.jpg", face)
            fileio.write(self.folder / f"{correction.id}.json", json.dumps(correction.as_json()).encode())
        return correction

    def all(self, about: str | None = None) -> list[Correction]:
        """The corrections of a bundle, or all of them, the oldest first."""
        corrections = [from_dict(Correction, json.loads(file.read_bytes())) for file in self._files()]
        matching = [item for item in corrections if about in (None, item.about)]
        return sorted(matching, key=lambda item: (item.created, item.id))

    def remove(self, id: str) -> bool:
        """Remove a correction and its picture -> whether there was one."""
        known = id in {file.stem for file in self._files()}  # so that an id cannot be a path
        if known:
            (self.folder / f"{id}.json").unlink(missing_ok=True)
            (self.folder / f"{id}.jpg").unlink(missing_ok=True)
        return known

    def export(self, about: str) -> bytes:
        """The corrections of a bundle as a Parquet file that `mien train` reads: `image` and `label`."""
        corrections = self.all(about)
        names = [f"{item.id}.jpg" for item in corrections]
        images = [{"bytes": (self.folder / name).read_bytes(), "path": name} for name in names]
        image_type = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        labels = pa.array([item.label for item in corrections], pa.string())
        table = pa.table({"image": pa.array(images, image_type), "label": labels})
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        return buffer.getvalue()

    def _files(self) -> Iterator[Path]:
        return self.folder.glob("*.json")


def cut_face(data: bytes, box: Box, max_megapixels: float) -> bytes:
    """A photo's bytes and a box in it -> a JPEG of that face with a margin; a `DataError` if either cannot be used."""
    try:
        photo = decode(data, max_megapixels=max_megapixels)
    except ImageError as error:
        raise DataError(f"The photo cannot be used: {error.reason.meaning}") from error
    x1, y1, x2, y2 = box
    if x2 - x1 < _SMALLEST or y2 - y1 < _SMALLEST or x1 >= photo.width or y1 >= photo.height or x2 <= 0 or y2 <= 0:
        raise DataError(f"The box is too small or outside the photo of {photo.width} x {photo.height} pixels")
    across, down = (x2 - x1) * _MARGIN, (y2 - y1) * _MARGIN
    left, right = max(0, round(x1 - across)), min(photo.width, round(x2 + across))
    top, bottom = max(0, round(y1 - down)), min(photo.height, round(y2 + down))
    face = photo.pixels[top:bottom, left:right]
    step = -(-max(face.shape[:2]) // _SIDE)
    return encode(face if step == 1 else face[::step, ::step], "jpeg")
