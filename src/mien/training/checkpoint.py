"""Checkpoints of a training, so that a killed one resumes.

Each is one safetensors file with JSON in its header: it appears whole or not at all, and is safe to read.
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
from mien.training.batches import TrainingRows
from mien.training.progress import Epoch
from mien.training.settings import TrainerOptions, TrainingSettings

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]

KEEP_DAYS = 30
"""The checkpoint of a training that was interrupted longer ago is deleted."""

_SHARE = 20
"""Writing takes at most a twentieth of the time: a large network is saved less often."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingState:
    """All tensors of a training by name, and its epochs so far."""

    arrays: Arrays
    curves: tuple[Epoch, ...]


def digest(module: torch.nn.Module, rows: TrainingRows, settings: TrainingSettings, options: TrainerOptions) -> str:
    """All that decides the outcome of a training -> 64 hexadecimal digits: data, settings, starting weights, seed."""
    kinds = [rows.inputs.dtype.str, rows.inputs.shape, len(rows.train), len(rows.stop), rows.classes]
    augment = [options.augment_name, options.augment is not None]
    parts = [settings.to_json(), *augment, options.seed, str(module), kinds]
    sha = hashlib.sha256(json.dumps(parts).encode())
    for name, tensor in module.state_dict().items():
        sha.update(name.encode())
        sha.update(_array(tensor).data)
    for array in (rows.y, rows.train, rows.stop):
        sha.update(np.ascontiguousarray(array, np.int64).data)
    for start in range(0, len(rows.inputs), 4096):
        sha.update(np.ascontiguousarray(rows.inputs[start : start + 4096]).data)
    return sha.hexdigest()


def sweep(home: Path) -> None:
    """Delete outdated checkpoints from all folders of trainings below `home`."""
    oldest = time.time() - KEEP_DAYS * 24 * 3600
    for name in ("checkpoint-*.safetensors", ".mien-*.part"):
        for path in home.glob(f"*/{name}"):
            with suppress(OSError):  # another process may sweep, too
                if path.stat().st_mtime < oldest:
                    path.unlink()


@dataclass(slots=True)
class Checkpoint:
    """The checkpoint file of one training, named after its digest, so that another's is never taken for it.

    Raises:
        DataError: the folder cannot be written to. A disk that fills up later is a note, and training continues.
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
        """A folder for the curves of this training alone: TensorBoard draws all events of one folder as one line."""
        return self.folder / self.digest[:16]

    def load(self) -> TrainingState | None:
        """The state of a training that was killed; a damaged one, or another training's, is ignored with a note."""
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="np") as file:
                header = json.loads((file.metadata() or {})["mien"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
            if header["digest"] != self.digest or header["sum"] != _sum(arrays):
                raise ValueError("the checksum does not match")
            return TrainingState(arrays, tuple(validate.from_dict(Epoch, epoch) for epoch in header["curves"]))
        except (SafetensorError, OSError, ValueError, KeyError, TypeError):
            self.notes.append(f"{self.path} is damaged or of another training: training starts from the beginning")
            return None

    def due(self) -> bool:
        """Whether enough time has passed since the last checkpoint."""
        return time.monotonic() >= self._next

    def save(self, tensors: Iterable[tuple[str, torch.Tensor]], curves: Iterable[Epoch]) -> str | None:
        """Replace the last checkpoint -> None, or why that failed: the last one then stays."""
        start = time.monotonic()
        arrays = {name: _array(tensor) for name, tensor in tensors}
        header = {"digest": self.digest, "sum": _sum(arrays), "curves": [epoch.as_json() for epoch in curves]}
        try:
            fileio.write(self.path, save(arrays, {"mien": json.dumps(header)}))
        except DataError as error:
            note = f"training continues without a checkpoint: {error}"
            if note not in self.notes:
                self.notes.append(note)
            return note
        finally:
            end = time.monotonic()
            self._next = end + (max(self.seconds, _SHARE * (end - start)) if self.seconds else 0.0)
        return None

    def remove(self) -> None:
        """Training is done: there is nothing to resume."""
        self.path.unlink(missing_ok=True)


def _array(tensor: torch.Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = tensor.detach().cpu().contiguous().numpy()
    return array


def _sum(arrays: Arrays) -> str:
    sha = hashlib.sha256()
    for name in sorted(arrays):
        sha.update(name.encode())
        sha.update(np.ascontiguousarray(arrays[name]).data)
    return sha.hexdigest()
