"""What a photo shows as bytes and back, for the cache; knows the values, and no file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.curate.shown import ImageFeatures
from mien.types import Origin, Rejected

_BYTES, _FLOATS = "|u1", "<f4"


def pack(results: Sequence[ImageFeatures | Rejected]) -> bytes | None:
    """All results of one photo -> bytes; None for one that could not be looked at, which may be different tomorrow."""
    if len(results) != 1 or isinstance(results[0], Rejected):
        return None
    shown = results[0]
    groups = {name: list(columns) for name, columns in _groups(shown).items()}
    arrays = list(_arrays(shown))
    head = {
        "digest": shown.digest.hex(),
        "size": [shown.width, shown.height],
        "pointed": shown.landmarks is not None,
        "groups": groups,
        "arrays": [[_kind(array), array.shape] for array in arrays],
    }
    data = b"".join(array.astype(_kind(array)).tobytes() for array in arrays)
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + data


def unpack(data: bytes, origin: Origin) -> list[ImageFeatures | Rejected]:
    """Bytes -> what the photo at `origin` shows; its arrays are views of the bytes.

    Raises:
        ValueError, KeyError, TypeError: the bytes are not what `pack` makes.
    """
    end = data.index(b"\n")
    head = json.loads(data[:end])
    thumb, colour, boxes, scores, landmarks, quality, *columns = _read(data, end + 1, head["arrays"])
    width, height = head["size"]
    names = head["groups"]
    split = len(names["vectors"])
    return [
        ImageFeatures(
            origin,
            bytes.fromhex(head["digest"]),
            int(width),
            int(height),
            thumb=thumb,
            colour=colour,
            boxes=boxes,
            scores=scores,
            landmarks=landmarks if head["pointed"] else None,
            quality=dict(zip(names["quality"], quality, strict=True)),
            vectors=dict(zip(names["vectors"], columns[:split], strict=True)),
            traits=dict(zip(names["traits"], columns[split:], strict=True)),
        )
    ]


def _groups(shown: ImageFeatures) -> dict[str, Mapping[str, Any]]:
    return {"quality": shown.quality, "vectors": shown.vectors, "traits": shown.traits}


def _arrays(shown: ImageFeatures) -> Iterator[npt.NDArray[Any]]:
    """All of them, in the order in which they are read; the measures, one number a face each, as one."""
    nothing = np.empty(0, np.float32)
    yield from (shown.thumb, shown.colour, shown.boxes, shown.scores)
    yield nothing if shown.landmarks is None else shown.landmarks
    yield np.stack(list(shown.quality.values())) if shown.quality else nothing
    yield from shown.vectors.values()
    yield from shown.traits.values()


def _kind(array: npt.NDArray[Any]) -> str:
    return _BYTES if array.dtype == np.uint8 else _FLOATS


def _read(data: bytes, start: int, plan: Sequence[tuple[str, list[int]]]) -> Iterator[npt.NDArray[Any]]:
    for kind, shape in plan:
        if kind not in (_BYTES, _FLOATS):
            raise ValueError(f"numbers of the type {kind!r}")
        count = math.prod(shape)
        array = np.frombuffer(data, kind, count, start) if count else np.empty(0, kind)
        yield array.reshape(shape)
        start += array.nbytes
