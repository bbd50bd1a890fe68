"""Faces whose label somebody put right, kept to be trained on; knows a folder, and no request.

A correction is of use for training only with the face, so that it is kept: the face alone, with what a detector needs
around it, written anew as JPEG, so that nothing of the photo's metadata remains. The photo is not kept. That somebody
agreed has to be said, and is kept beside it.
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
    """A face and its right label. about: the bundle that was wrong, or "person". was: what it had said."""

    id: str
    about: str
    label: str
    was: str
    consent: str
    created: str

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


class Corrections:
    """A folder with a picture and a JSON file for each of them; several processes may use it at once."""

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self._most = folder, most
        self._turn = Lock()

    def add(self, about: str, label: str, was: str, consent: str, face: bytes) -> Correction:
        """Keep one. face: a picture, as `cut` makes it.

        Raises:
            DataError: there are too many, or it cannot be written.
        """
        made = Correction(
            secrets.token_hex(8), about, label, was, consent, datetime.now(UTC).isoformat(timespec="seconds")
        )
        with self._turn:
            if sum(1 for _ in self._files()) >= self._most:
                raise DataError(f"{self._most} corrections are kept, and no more: export them, and remove some")
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The JSON file comes last: a picture without one is of no correction.
            fileio.write(self.folder / f"{made.id}.jpg", face)
            fileio.write(self.folder / f"{made.id}.json", json.dumps(made.as_json()).encode())
        return made

    def all(self, about: str | None = None) -> list[Correction]:
        """Those about a bundle, or all, the oldest first."""
        found = [from_dict(Correction, json.loads(file.read_bytes())) for file in self._files()]
        return sorted((one for one in found if about in (None, one.about)), key=lambda one: (one.created, one.id))

    def remove(self, id: str) -> bool:
        """Remove one and its picture; whether it was there."""
        known = id in {file.stem for file in self._files()}  # an id that is a path is none of them
        if known:
            (self.folder / f"{id}.json").unlink(missing_ok=True)
            (self.folder / f"{id}.jpg").unlink(missing_ok=True)
        return known

    def export(self, about: str) -> bytes:
        """Those about a bundle as a Parquet file that `mien train` reads: `image` and `label`."""
        rows = [(one.label, (self.folder / f"{one.id}.jpg").read_bytes(), one.id) for one in self.all(about)]
        table = pa.table(
            {
                "image": pa.array(
                    [{"bytes": data, "path": f"{id}.jpg"} for _, data, id in rows],
                    pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
                ),
                "label": pa.array([label for label, _, _ in rows], pa.string()),
            }
        )
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        return buffer.getvalue()

    def _files(self) -> Iterator[Path]:
        return self.folder.glob("*.json")


def cut(data: bytes, box: Box, max_megapixels: float) -> bytes:
    """A photo's bytes, and a box in it -> a JPEG of that face with a margin.

    Raises:
        DataError: it is no picture, or the box does not lie in it.
    """
    try:
        photo = decode(data, max_megapixels=max_megapixels)
    except ImageError as error:
        raise DataError(f"the photo cannot be used: {error.reason.meaning}") from error
    x1, y1, x2, y2 = box
    if x2 - x1 < _SMALLEST or y2 - y1 < _SMALLEST or x1 >= photo.width or y1 >= photo.height or x2 <= 0 or y2 <= 0:
        raise DataError(f"the box is not one of a face in a photo of {photo.width} x {photo.height} pixels")
    across, down = (x2 - x1) * _MARGIN, (y2 - y1) * _MARGIN
    left, right = max(0, round(x1 - across)), min(photo.width, round(x2 + across))
    top, bottom = max(0, round(y1 - down)), min(photo.height, round(y2 + down))
    face = photo.pixels[top:bottom, left:right]
    step = -(-max(face.shape[:2]) // _SIDE)
    return encode(face if step == 1 else face[::step, ::step], "jpeg")
