"""What a photo shows as bytes and back, for the cache; knows the values, and no file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.curate.shown import Shown
from mien.types import Origin, Rejected

_BYTES, _FLOATS = "|u1", "<f4"
_GROUPS = ("quality", "vectors", "traits")

_Array = npt.NDArray[np.uint8] | npt.NDArray[np.float32]


def pack(results: Sequence[Shown | Rejected]) -> bytes | None:
    """All results of one photo -> bytes; None for one that could not be looked at, which may be different tomorrow."""
    if len(results) != 1 or isinstance(results[0], Rejected):
        return None
    shown = results[0]
    arrays = dict(_columns(shown))
    head = {
        "digest": shown.digest.hex(),
        "size": [shown.width, shown.height],
        "arrays": {name: [_kind(array), array.shape] for name, array in arrays.items()},
    }
    data = b"".join(array.astype(_kind(array)).tobytes() for array in arrays.values())
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + data


def unpack(data: bytes, origin: Origin) -> list[Shown | Rejected]:
    """Bytes -> what the photo at `origin` shows; its arrays are views of the bytes.

    Raises:
        ValueError, KeyError, TypeError: the bytes are not what `pack` makes.
    """
    end = data.index(b"\n")
    head = json.loads(data[:end])
    arrays = dict(_read(data, end + 1, head["arrays"]))
    width, height = head["size"]
    return [
        Shown(
            origin,
            bytes.fromhex(head["digest"]),
            int(width),
            int(height),
            thumb=arrays["thumb"],
            colour=arrays["colour"],
            boxes=arrays["boxes"],
            scores=arrays["scores"],
            landmarks=arrays.get("landmarks"),
            quality=_group(arrays, "quality"),
            vectors=_group(arrays, "vectors"),
            traits=_group(arrays, "traits"),
        )
    ]


def _columns(shown: Shown) -> Iterator[tuple[str, _Array]]:
    yield "thumb", shown.thumb
    yield "colour", shown.colour
    yield "boxes", shown.boxes
    yield "scores", shown.scores
    if shown.landmarks is not None:
        yield "landmarks", shown.landmarks
    for group in _GROUPS:
        columns: Mapping[str, _Array] = getattr(shown, group)
        yield from ((f"{group}/{name}", column) for name, column in columns.items())


def _kind(array: _Array) -> str:
    return _BYTES if array.dtype == np.uint8 else _FLOATS


def _read(data: bytes, start: int, plan: Mapping[str, tuple[str, list[int]]]) -> Iterator[tuple[str, Any]]:
    for name, (kind, shape) in plan.items():
        if kind not in (_BYTES, _FLOATS):
            raise ValueError(f"numbers of the type {kind!r}")
        count = math.prod(shape)
        array = np.frombuffer(data, kind, count, start) if count else np.empty(0, kind)
        yield name, array.reshape(shape)
        start += array.nbytes


def _group(arrays: Mapping[str, Any], name: str) -> dict[str, Any]:
    start = f"{name}/"
    return {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}
