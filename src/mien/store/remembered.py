"""The results of one photo as bytes and back, for the cache; knows the values, and no engine."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from mien.types import Embedding, Face, Origin, Reason, Rejected

# What the chain decides; a missing file, a limit or what a decoder cannot read may be different tomorrow.
_LASTING = frozenset({Reason.NO_FACE})


def pack(results: Sequence[Embedding | Rejected]) -> bytes | None:
    """All results of one photo -> bytes; None where they should not be remembered."""
    faces: list[dict[str, object]] = []
    vectors: list[bytes] = []
    for result in results:
        if isinstance(result, Rejected):
            if result.reason not in _LASTING:
                return None
            return json.dumps({"rejected": [result.stage, str(result.reason), result.detail]}).encode()
        face = result.face
        landmarks = None if face.landmarks is None else face.landmarks.tolist()
        faces.append({"index": face.index, "box": face.box, "score": face.score, "landmarks": landmarks})
        vectors.append(result.vector.astype("<f4").tobytes())
    return json.dumps({"faces": faces}).encode() + b"\n" + b"".join(vectors)


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
    faces = [Face(int(f["index"]), tuple(f["box"]), float(f["score"]), _array(f["landmarks"])) for f in fields["faces"]]
    vectors = np.frombuffer(tail, "<f4").astype(np.float32).reshape(len(faces), -1)
    return [Embedding(origin, face, vector) for face, vector in zip(faces, vectors, strict=True)]


def _array(value: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None:
    return None if value is None else np.asarray(value, np.float32).reshape(5, 2)
