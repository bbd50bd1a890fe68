"""A trained head: a linear map from vectors to labels, and how near a vector is to a known class."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mien.types import UNCERTAIN, UNKNOWN, Floats

KINDS = ("centres", "logistic", "linear-svm")
"""How a head was fitted, the simplest first; all are linear, and all are applied alike."""

Doubles = npt.NDArray[np.float64]


def unit(vectors: npt.NDArray[Any]) -> Doubles:
    """Vectors (n, d) -> the same directions at length 1, float64; a vector of zeros stays as it is."""
    doubles = np.asarray(vectors, dtype=np.float64)
    largest = np.abs(doubles).max(axis=1, keepdims=True, initial=0.0)
    doubles = np.divide(doubles, largest, out=np.zeros_like(doubles), where=largest > 0)
    length = np.linalg.norm(doubles, axis=1, keepdims=True)
    return np.asarray(np.divide(doubles, length, out=doubles, where=length > 0))


def softmax(logits: Doubles) -> Doubles:
    """Logits (n, k) -> probabilities (n, k); each row sums to 1."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


class Scorer(Protocol):
    """A head or a network: gives probabilities (n, k) and familiarity (n,).

    A face of familiarity below `threshold` is a stranger; below `certain` the best label's probability is too low for
    an answer.
    """

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def threshold(self) -> float: ...

    @property
    def certain(self) -> float: ...

    def answer(self, inputs: npt.NDArray[Any], /) -> tuple[Floats, Floats]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Vectors -> probabilities of the labels, and familiarity.

    A vector is scaled to length 1; its logits are `weights @ vector + bias`, and its probabilities are the softmax of
    the logits divided by `temperature` (Guo et al. 2017, "On Calibration of Modern Neural Networks"). Its familiarity
    is its cosine to the nearest of `centres`, the mean direction of each class; below `threshold` it is a stranger.
    `threshold` is -inf where nothing is called unknown. Below `certain` the best label's probability is too low for an
    answer; at 0 there always is one.

    Shapes: `weights` and `centres` (k, d), `bias` (k,), all float32.

    Raises:
        ValueError: the parts do not make a head; the message says which one and why.
    """

    kind: str
    labels: tuple[str, ...]
    weights: Floats
    bias: Floats
    centres: Floats
    temperature: float
    threshold: float
    certain: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a head's kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        check_labels(self.labels)
        if np.ndim(self.weights) != 2 or self.weights.shape[1] < 1:
            raise ValueError(f"a head's weights must have the shape (labels, dimensions), not {np.shape(self.weights)}")
        k, d = len(self.labels), self.weights.shape[1]
        check_array("weights", self.weights, (k, d))
        check_array("bias", self.bias, (k,))
        check_centres(self.centres, (k, d))
        check_scale(self.temperature, self.threshold)
        if not 0 <= self.certain <= 1:
            raise ValueError(f"a head's certainty must be a probability from 0 to 1, not {self.certain!r}")
        if self.certain and UNCERTAIN in self.labels:
            raise ValueError(f"a head with a certainty cannot have a label {UNCERTAIN!r}")

    @property
    def dimension(self) -> int:
        """The length of its vectors."""
        return int(self.weights.shape[1])

    def probabilities(self, vectors: Floats) -> Floats:
        """Vectors (n, d) -> calibrated probabilities (n, k), float32; raises ValueError over any other vectors."""
        logits = self._directions(vectors) @ self.weights.astype(np.float64).T + self.bias.astype(np.float64)
        return softmax(logits / self.temperature).astype(np.float32)

    def familiarity(self, vectors: Floats) -> Floats:
        """Vectors (n, d) -> cosine to the nearest class centre (n,), float32; raises as `probabilities`."""
        cosines = self._directions(vectors) @ self.centres.astype(np.float64).T
        return np.asarray(cosines.max(axis=1), dtype=np.float32)

    def answer(self, vectors: Floats) -> tuple[Floats, Floats]:
        """Vectors (n, d) -> `probabilities` and `familiarity`; raises as `probabilities`."""
        return self.probabilities(vectors), self.familiarity(vectors)

    def _directions(self, vectors: Floats) -> Doubles:
        # In double precision, so that a vector's answer does not depend on how many others share its batch.
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise ValueError(f"this head takes vectors of shape (n, {self.dimension}), not {vectors.shape}")
        if not np.isfinite(vectors).all():
            raise ValueError("a vector holds a value that is not finite")
        return unit(vectors)

    def to_json(self) -> dict[str, Any]:
        """The part of a head that is not arrays, as strict JSON: a threshold of -inf is null."""
        return {
            "kind": self.kind,
            "labels": list(self.labels),
            "temperature": self.temperature,
            "threshold": self.threshold if math.isfinite(self.threshold) else None,
            "certain": self.certain,
        }

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays of a head by name, for an npz file."""
        return {"weights": self.weights, "bias": self.bias, "centres": self.centres}

    @classmethod
    def load(cls, json: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Head:
        """The results of `to_json` and `to_arrays` -> the same head, bit for bit.

        Raises:
            ValueError: a part is missing, or is invalid; nothing in it is trusted.
        """
        require_fields(json, ("kind", "labels", "temperature", "threshold"))
        for name in ("weights", "bias", "centres"):
            if name not in arrays:
                raise ValueError(f"the head has no array {name!r}")
        if not isinstance(json["labels"], list):
            raise ValueError("a head's labels must be a list of names")  # noqa: TRY004  (callers catch one kind of error)
        return cls(
            kind=str(json["kind"]),
            labels=tuple(json["labels"]),
            weights=arrays["weights"],
            bias=arrays["bias"],
            centres=arrays["centres"],
            **read_scale(json),
            certain=_number("certain", json.get("certain", 0.0)),  # older heads are always sure
        )


def require_fields(json: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raise ValueError, naming the first field that is missing."""
    for name in names:
        if name not in json:
            raise ValueError(f"the head has no {name!r}")


def read_scale(json: Mapping[str, Any]) -> dict[str, float]:
    """The temperature and threshold of a head's JSON."""
    threshold = json["threshold"]
    return {
        "temperature": _number("temperature", json["temperature"]),
        "threshold": -math.inf if threshold is None else _number("threshold", threshold),
    }


def _number(name: str, value: object) -> float:
    """A number from untrusted JSON; raises ValueError with its name where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a head's {name} must be a number, not {type(value).__name__}")  # noqa: TRY004
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"a head's {name} is too large a number") from error


def check_labels(labels: tuple[str, ...]) -> None:
    """Raise ValueError unless these are two or more different names."""
    if len(labels) < 2:
        raise ValueError(f"a head needs at least two labels, not {len(labels)}")
    if not all(isinstance(label, str) and label for label in labels):
        raise ValueError("a head's labels must be names, none of them empty")
    if len(set(labels)) != len(labels):
        raise ValueError("two of a head's labels are the same")
    if UNKNOWN in labels:
        raise ValueError(f"a head cannot have a label {UNKNOWN!r}: that is the answer for strangers")


def check_array(name: str, array: Floats, shape: tuple[int, ...]) -> None:
    """Raise ValueError, naming the array, unless it is float32 of that shape and finite."""
    if not isinstance(array, np.ndarray) or array.dtype != np.float32:
        raise ValueError(f"a head's {name} must be float32, not {getattr(array, 'dtype', type(array).__name__)}")
    if array.shape != shape:
        raise ValueError(f"a head's {name} must have the shape {shape}, not {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"a head's {name} must be finite")


def check_centres(centres: Floats, shape: tuple[int, int]) -> None:
    """Raise ValueError unless these are centres (k, d) of length 1."""
    check_array("centres", centres, shape)
    if np.abs(np.linalg.norm(centres, axis=1) - 1).max() > 1e-3:
        raise ValueError("a head's centres must have length 1")


def check_scale(temperature: float, threshold: float) -> None:
    """Raise ValueError unless these are a valid temperature and threshold."""
    if not 0 < temperature < math.inf:
        raise ValueError(f"a head's temperature must be a finite number above 0, not {temperature!r}")
    if math.isnan(threshold) or threshold == math.inf:
        raise ValueError(f"a head's threshold must be a number or -inf, not {threshold!r}")
