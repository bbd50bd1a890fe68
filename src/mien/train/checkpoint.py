"""A training's state on disk, so that a killed one goes on; knows tensors by name and curves, and not what they mean.

One file of safetensors, with JSON in its header: it appears whole or not at all, and can be read from anybody.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from mien import fileio, validate
from mien.errors import DataError
from mien.train.job import Epoch, Rows, Run
from mien.train.settings import Settings

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]

_SHARE = 20
"""Writing takes at most one part in so many of the time: a large network is saved less often."""


KEPT_DAYS = 30
"""A training that was broken off and has not gone on for so long is given up."""


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """A state as it was after some epochs."""

    arrays: Arrays
    curves: tuple[Epoch, ...]


def digest(module: torch.nn.Module, rows: Rows, settings: Settings, run: Run) -> str:
    """All that decides what a training comes to -> 64 hexadecimal digits: data, settings, starting weights, seed."""
    kinds = [rows.inputs.dtype.str, rows.inputs.shape, len(rows.train), len(rows.stop), rows.classes]
    said = [settings.to_json(), run.described, run.augment is not None, run.seed, str(module), kinds]
    seen = hashlib.sha256(json.dumps(said).encode())
    for name, tensor in module.state_dict().items():
        seen.update(name.encode())
        seen.update(_array(tensor).data)
    for array in (rows.y, rows.train, rows.stop):
        seen.update(np.ascontiguousarray(array, np.int64).data)
    for start in range(0, len(rows.inputs), 4096):
        seen.update(np.ascontiguousarray(rows.inputs[start : start + 4096]).data)
    return seen.hexdigest()


def sweep(home: Path) -> None:
    """Remove, from all folders of trainings below `home`, the states that have been given up."""
    oldest = time.time() - KEPT_DAYS * 24 * 3600
    for name in ("checkpoint-*.safetensors", ".mien-*.part"):
        for path in home.glob(f"*/{name}"):
            with suppress(OSError):  # another process may sweep, too
                if path.stat().st_mtime < oldest:
                    path.unlink()


@dataclass(slots=True)
class Checkpoint:
    """Where one training keeps its state: a file named after its digest, so that another's is never taken for it.

    Raises:
        DataError: the folder cannot be written. A disk that fills up later is a note, and training goes on.
    """

    folder: Path
    digest: str
    seconds: float
    notes: list[str] = field(default_factory=list)
    _next: float = 0.0

    def __post_init__(self) -> None:
        fileio.check_writable(self.path)
        self._next = time.monotonic() + self.seconds

    @property
    def path(self) -> Path:
        return self.folder / f"checkpoint-{self.digest[:16]}.safetensors"

    @property
    def events(self) -> Path:
        """The folder of this training's own, for its course: several in one would be drawn as one line."""
        return self.folder / self.digest[:16]

    def load(self) -> Saved | None:
        """The state of a training that was killed; one that is damaged or foreign is ignored with a note."""
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="np") as file:
                said = json.loads((file.metadata() or {})["mien"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
            if said["digest"] != self.digest or said["sum"] != _sum(arrays):
                raise ValueError("it is not what was written")
            return Saved(arrays, tuple(validate.from_dict(Epoch, epoch) for epoch in said["curves"]))
        except (SafetensorError, OSError, ValueError, KeyError, TypeError):
            self.notes.append(f"{self.path} is damaged or of another training: it is ignored, and training starts anew")
            return None

    def due(self) -> bool:
        """Whether enough time has passed since the last one was written."""
        return time.monotonic() >= self._next

    def save(self, tensors: Iterable[tuple[str, torch.Tensor]], curves: Iterable[Epoch]) -> str | None:
        """Put a state in place of the last one -> None, or why that could not be done: the last one then stays."""
        start = time.monotonic()
        arrays = {name: _array(tensor) for name, tensor in tensors}
        said = {"digest": self.digest, "sum": _sum(arrays), "curves": [epoch.as_json() for epoch in curves]}
        try:
            fileio.write(self.path, save(arrays, {"mien": json.dumps(said)}))
        except DataError as error:
            return self._unsaved(f"training goes on without a checkpoint: {error}")
        finally:
            end = time.monotonic()
            self._next = end + (max(self.seconds, _SHARE * (end - start)) if self.seconds else 0.0)
        return None

    def remove(self) -> None:
        """Training is done: nothing is left to go on with."""
        self.path.unlink(missing_ok=True)

    def _unsaved(self, note: str) -> str:
        if note not in self.notes:
            self.notes.append(note)
        return note


def _array(tensor: torch.Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = tensor.detach().cpu().contiguous().numpy()
    return array


def _sum(arrays: Arrays) -> str:
    seen = hashlib.sha256()
    for name in sorted(arrays):
        seen.update(name.encode())
        seen.update(np.ascontiguousarray(arrays[name]).data)
    return seen.hexdigest()
