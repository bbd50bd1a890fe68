"""A trained network in use: crops or vectors to probabilities, by ONNX Runtime; knows no training and no disk."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mien.models.checking import INPUT, OUTPUT, checked
from mien.models.head import Doubles, check_array, check_centres, check_labels, check_scale, number, softmax, unit
from mien.models.sessions import from_bytes
from mien.types import Floats

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

KIND = "network"
Inputs = npt.NDArray[Any]
"""Crops, uint8 (n, side, side) or (n, side, side, 3), or vectors, float32 (n, dimension): as the network says."""


@dataclass(frozen=True, slots=True, eq=False)
class NetworkHead:
    """Crops or vectors -> probabilities of the labels, and familiarity: what `Head` is, by a whole network.

    Probabilities are the softmax of the network's logits over `temperature`; with `mirror` the logits are the mean over
    the crop and its mirror image. Familiarity is the cosine to the nearest of `centres` (k, d), where there are any,
    and the largest logit where there are none; below `threshold` it is a stranger.

    `onnx` takes "input", float32 (n, d) or (n, channels, side, side) with pixels of 0..255, and gives "logits" (n, k).

    Raises:
        ValueError: the parts do not make a head, or the network is not one that a bundle may hold.
    """

    labels: tuple[str, ...]
    temperature: float
    threshold: float
    mirror: bool
    onnx: bytes = field(repr=False)
    centres: Floats | None = None
    input: tuple[int, ...] = field(init=False)
    _at_once: int = field(init=False, repr=False)
    _session: InferenceSession = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_labels(self.labels)
        check_scale(self.temperature, self.threshold)
        form = checked(self.onnx)
        row, k = form.row, form.classes
        if k != len(self.labels):
            raise ValueError(f"the network tells {k} labels apart, and the head has {len(self.labels)}")
        if self.mirror and len(row) == 1:
            raise ValueError("a vector has no mirror image")
        if self.centres is not None:
            if len(row) != 1:
                raise ValueError("a network that takes crops has no centres")
            check_array("centres", self.centres, (k, row[0]))
            check_centres(self.centres)
        object.__setattr__(self, "input", row)
        object.__setattr__(self, "_at_once", form.at_once)
        object.__setattr__(self, "_session", from_bytes(self.onnx))

    def __reduce__(self) -> tuple[Any, ...]:
        # A session cannot travel to another process; it is opened anew there.
        parts = (self.labels, self.temperature, self.threshold, self.mirror, self.onnx, self.centres)
        return type(self), parts

    @property
    def kind(self) -> str:
        return KIND

    @property
    def certain(self) -> float:
        return 0.0

    def probabilities(self, inputs: Inputs) -> Floats:
        """Crops or vectors -> calibrated probabilities (n, k), float32; each row sums to 1.

        Raises:
            ValueError: they have another shape or type than the network takes, or are not finite.
        """
        return self.answer(inputs)[0]

    def familiarity(self, inputs: Inputs) -> Floats:
        """Crops or vectors -> cosine to the nearest class centre, or the largest logit (n,), float32.

        Raises:
            ValueError: as `probabilities`.
        """
        if self.centres is not None:
            return self._cosines(self._rows(inputs))
        return self.answer(inputs)[1]

    def answer(self, inputs: Inputs) -> tuple[Floats, Floats]:
        """Crops or vectors -> `probabilities` and `familiarity`, for one run of the network.

        Raises:
            ValueError: as `probabilities`.
        """
        rows = self._rows(inputs)
        logits = self._logits(rows)
        probabilities = softmax(logits / self.temperature).astype(np.float32)
        if self.centres is not None:
            return probabilities, self._cosines(rows)
        return probabilities, logits.max(axis=1).astype(np.float32)

    def logits(self, inputs: Inputs) -> Doubles:
        """Crops or vectors -> what the network says before calibration (n, k), float64.

        Raises:
            ValueError: as `probabilities`.
        """
        return self._logits(self._rows(inputs))

    def _logits(self, rows: Inputs) -> Doubles:
        blocks = [np.zeros((0, len(self.labels)))]
        for start in range(0, len(rows), self._at_once):
            block = planes(rows[start : start + self._at_once], self.input)
            logits = self._run(block)
            if self.mirror:
                logits = (logits + self._run(np.ascontiguousarray(block[..., ::-1]))) / 2
            blocks.append(logits)
        return np.concatenate(blocks)

    def _run(self, block: Floats) -> Doubles:
        found: Floats = self._session.run([OUTPUT], {INPUT: block})[0]
        if not np.isfinite(found).all():
            raise ValueError("the network answers with a value that is not finite")
        return found.astype(np.float64)

    def _cosines(self, rows: Inputs) -> Floats:
        assert self.centres is not None
        return np.asarray((unit(rows) @ self.centres.astype(np.float64).T).max(axis=1), dtype=np.float32)

    def _rows(self, inputs: Inputs) -> Inputs:
        if len(self.input) == 1:
            if inputs.ndim != 2 or inputs.shape[1] != self.input[0]:
                raise ValueError(f"this network takes vectors of shape (n, {self.input[0]}), not {inputs.shape}")
            if not np.isfinite(inputs).all():
                raise ValueError("a vector holds a value that is not finite")
            return inputs
        colour = inputs.ndim == 4
        if inputs.dtype != np.uint8 or inputs.ndim not in (3, 4) or inputs.shape[1:3] != self.input[1:]:
            raise ValueError(f"this network takes uint8 crops of {self.input[1:]}, not {inputs.dtype} {inputs.shape}")
        if colour and (inputs.shape[3] != 3 or self.input[0] == 1):
            raise ValueError(f"this network takes crops of {self.input[0]} channels, not of {inputs.shape[3]}")
        return inputs

    def to_json(self) -> dict[str, Any]:
        """The part of a head that is neither arrays nor the network, as strict JSON: a threshold of -inf is null."""
        return {
            "kind": KIND,
            "labels": list(self.labels),
            "temperature": self.temperature,
            "threshold": self.threshold if math.isfinite(self.threshold) else None,
            "mirror": self.mirror,
        }

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays of a head by name, for an npz file."""
        return {} if self.centres is None else {"centres": self.centres}

    @classmethod
    def load(cls, json: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], onnx: bytes | None) -> NetworkHead:
        """What `to_json`, `to_arrays` and `onnx` gave -> the head.

        Raises:
            ValueError: a part is missing, or is not what a head is made of; nothing in it is trusted.
        """
        for name in ("kind", "labels", "temperature", "threshold", "mirror"):
            if name not in json:
                raise ValueError(f"the head has no {name!r}")
        if json["kind"] != KIND or onnx is None:
            raise ValueError("the head is no network, or its network is not there")
        if not isinstance(json["labels"], list) or not isinstance(json["mirror"], bool):
            raise ValueError("a head's labels are a list of names, and its mirror is true or false")  # noqa: TRY004  (as Head)
        return cls(
            labels=tuple(json["labels"]),
            temperature=number("temperature", json["temperature"]),
            threshold=-math.inf if json["threshold"] is None else number("threshold", json["threshold"]),
            mirror=json["mirror"],
            onnx=onnx,
            centres=arrays.get("centres"),
        )


def planes(rows: Inputs, row: tuple[int, ...]) -> Floats:
    """Crops or vectors -> float32 (n, *row), as a network takes them; grey becomes as many channels as it has."""
    if len(row) == 3:
        rows = rows.transpose(0, 3, 1, 2) if rows.ndim == 4 else np.broadcast_to(rows[:, None], (len(rows), *row))
    return np.ascontiguousarray(rows, dtype=np.float32)
