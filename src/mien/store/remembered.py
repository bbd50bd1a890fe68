"""The results of one photo as bytes and back, for the cache; knows the values, and no engine."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from mien.types import Detection, Embedding, Floats, Origin, Reason, Rejected

# What the chain decides; a missing file, a limit or what a decoder cannot read may be different tomorrow.
_LASTING = frozenset({Reason.NO_FACE})

_WHOLE, _HALF = "<f4", "<f2"  # numbers in 4 and in 2 bytes, the least significant first


def pack(results: Sequence[Embedding | Rejected]) -> bytes | None:
    """All results of one photo -> bytes; None where they should not be remembered."""
    faces: list[dict[str, object]] = []
    vectors: list[Floats] = []
    for result in results:
        if isinstance(result, Rejected):
            if result.reason not in _LASTING:
                return None
            return json.dumps({"rejected": [result.stage, str(result.reason), result.detail]}).encode()
        face = result.face
        landmarks = None if face.landmarks is None else face.landmarks.tolist()
        faces.append({"index": face.index, "box": face.box, "score": face.score, "landmarks": landmarks})
        vectors.append(result.vector)
    kind = _smallest(vectors)
    head = json.dumps({"type": kind, "faces": faces}).encode()
    return b"\n".join([head, b"".join(vector.astype(kind).tobytes() for vector in vectors)])


def unpack(data: bytes, origin: Origin) -> list[Embedding | Rejected]:
    """Bytes -> the results, as of the photo at `origin`.

    Raises:
        ValueError, KeyError, TypeError: the bytes are not what `pack` makes.
    """
    head, _, tail = data.partition(b"\n")
    fields = json.loads(head)
    if "rejected" in fields:
        stage, reason, detail = fields["rejected"]
        return [Rejected(origin, str(stage), Reason(reason), str(detail))]
    faces = [
        Detection(int(f["index"]), tuple(f["box"]), float(f["score"]), _array(f["landmarks"])) for f in fields["faces"]
    ]
    kind = fields.get("type", _WHOLE)  # entries of an earlier release do not say it
    if kind not in (_WHOLE, _HALF):
        raise ValueError(f"numbers of the type {kind!r}")
    vectors = np.frombuffer(tail, kind).astype(np.float32).reshape(len(faces), -1)
    return [Embedding(origin, face, vector) for face, vector in zip(faces, vectors, strict=True)]


def _smallest(vectors: Sequence[Floats]) -> str:
    """The type that takes least room of those that lose nothing: features were rounded where they were made."""
    with np.errstate(over="ignore"):
        lossless = all(np.array_equal(vector, vector.astype(_HALF).astype(_WHOLE)) for vector in vectors)
    return _HALF if lossless else _WHOLE


def _array(value: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None:
    return None if value is None else np.asarray(value, np.float32).reshape(5, 2)
