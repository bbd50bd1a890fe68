"""The recipes that train a network: rows dealt, trained, exported and measured; knows no picture and no bundle."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch

from mien.errors import StageError
from mien.models.head import Doubles, unit
from mien.models.network import NetworkHead
from mien.train.architecture import Architecture
from mien.train.architectures import ARCHITECTURES
from mien.train.calibrate import fit_temperature
from mien.train.candidates import class_centres
from mien.train.export import difference, export
from mien.train.finetune import begin
from mien.train.head import FoldsUsed, HeldOut
from mien.train.holdout import Deal, deal
from mien.train.job import Epoch, Fitted, Inputs, Rows, Run
from mien.train.loop import fit_module
from mien.train.module import build, weights
from mien.train.roles import Roles, assign
from mien.train.settings import Settings
from mien.train.unknown import (
    Evidence,
    Unknown,
    check_rate,
    describe,
    leave_classes_out,
    set_by_few,
    set_by_logits,
)
from mien.types import Floats, Ints

CLOSE = 1e-4
"""ONNX Runtime's logits may differ by so much from PyTorch's, or by so large a share of the largest of them."""

_COMPARED = 200  # rows on which the two are compared


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """How to train a network, the seed of all that is drawn, and how the run is driven.

    Raises:
        DataError: the share of strangers to let in is out of range.
    """

    settings: Settings
    seed: int = 0
    false_accept_rate: float = 0.01
    run: Run = field(default_factory=Run)

    def __post_init__(self) -> None:
        check_rate(self.false_accept_rate)


@dataclass(frozen=True, slots=True, eq=False)
class NetworkFit:
    """A network as a head, the files of its bundle, and all that is known about how good it is.

    The fields of `HeadFit`, and: `parts`, the network's files by name; `curves` and `course`, how its
    training went, by epoch and in all; `difference`, the largest |PyTorch - ONNX Runtime| of a logit.
    """

    head: NetworkHead
    counts: Mapping[str, int]
    seen: Ints
    held_out: HeldOut
    unknown: Unknown
    folds: FoldsUsed
    notes: tuple[str, ...]
    parts: Mapping[str, bytes]
    curves: tuple[Epoch, ...]
    settings: Settings
    course: Mapping[str, Any]
    difference: float

    def as_json(self) -> dict[str, Any]:
        """All but the network and single answers, as strict JSON."""
        return {
            "held_out": {"method": self.held_out.method, "n": len(self.held_out.rows)},
            "settings": self.settings.to_json(),
            **self.course,
            "onnx_difference": self.difference,
            "curves": [epoch.as_json() for epoch in self.curves],
            "unknown": asdict(self.unknown),
            "folds": asdict(self.folds),
            "notes": list(self.notes),
        }


def fit_network(
    inputs: Inputs,
    labels: Sequence[str],
    *,
    groups: Sequence[str | None] | None = None,
    splits: Sequence[str | None] | None = None,
    options: NetworkOptions,
) -> NetworkFit:
    """Crops (n, s, s) or (n, s, s, 3) uint8, or vectors (n, d) float32, and a label each -> a network, measured.

    Where the data names a split "val" or "test" it is measured on that, else on a fifth that is kept back. Of the
    rest, a tenth is not learnt from: it chooses the epoch and sets the temperature.

    Raises:
        DataError: too little to learn from, or training failed; the sentence says what to do.
        ValueError: the arguments do not belong together.
    """
    roles = assign(inputs, labels, groups, splits)
    data = _Data(inputs, _numbers(labels, roles.labels), roles, deal(inputs, roles, groups, options.seed))
    rows, names = data.rows, roles.labels
    architecture = ARCHITECTURES[options.settings.architecture](_shape(inputs), len(names))
    learnt = Rows(inputs, data.y, rows.train, rows.stop, len(names))
    run = replace(options.run, seed=options.seed)
    fitted = fit_module(_begun(architecture, options.seed), learnt, options.settings, run)
    onnx = export(architecture, fitted.module)
    head, unknown = _head(onnx, data, options)
    return NetworkFit(
        head=head,
        counts=dict(zip(names, np.bincount(roles.y).tolist(), strict=True)),
        seen=np.concatenate([rows.train, rows.stop, roles.strangers]),
        held_out=_held_out(head, inputs, rows),
        unknown=unknown,
        folds=FoldsUsed(1, rows.units, rows.copies, rows.training_only),
        notes=(*roles.notes, *rows.notes, *fitted.notes, describe(unknown)),
        parts={
            "network.onnx": onnx,
            "network.json": json.dumps(architecture.to_json(), indent=1).encode(),
            "weights.safetensors": weights(fitted.module),
        },
        curves=fitted.curves,
        settings=options.settings,
        course=_course(fitted, architecture.weights),
        difference=_agreement(fitted, onnx, inputs[rows.stop[:_COMPARED]]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    """Inputs (n, ...), the class of each row `y` (n,), and what each row is for."""

    inputs: Inputs
    y: Ints
    roles: Roles
    rows: Deal


def _begun(architecture: Architecture, seed: int) -> torch.nn.Module:
    """A network as its training begins; torch's own generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build(architecture)
    if architecture.name == "finetune":
        begin(architecture, module)
    return module


def _head(onnx: bytes, data: _Data, options: NetworkOptions) -> tuple[NetworkHead, Unknown]:
    """A network as it will answer, with temperature and threshold by rows that it is not measured on."""
    train, stop, labels = data.rows.train, data.rows.stop, data.roles.labels
    centres = None
    if data.inputs.ndim == 2:
        centres = class_centres(unit(data.inputs[train]), data.y[train], len(labels)).astype(np.float32)
    plain = NetworkHead(labels, 1.0, -math.inf, options.settings.mirror, onnx, centres)
    temperature = fit_temperature(plain.logits(data.inputs[stop]), data.y[stop])
    unknown = _unknown(plain, data, options.false_accept_rate)
    threshold = -math.inf if unknown.threshold is None else unknown.threshold
    return replace(plain, temperature=temperature, threshold=threshold), unknown


def _numbers(labels: Sequence[str], names: Sequence[str]) -> Ints:
    """The class of each row; 0 for those of no class, which are never learnt from."""
    number = {name: j for j, name in enumerate(names)}
    return np.array([number.get(label, 0) for label in labels], dtype=np.int64)


def _shape(inputs: Inputs) -> tuple[int, ...]:
    """What a network takes of one row: (channels, side, side), or (dimension,)."""
    n = inputs.shape[1:]
    return n if len(n) == 1 else (1 if len(n) == 2 else n[2], n[0], n[1])


def _held_out(head: NetworkHead, inputs: Inputs, rows: Deal) -> HeldOut:
    probabilities, familiarity = head.answer(inputs[rows.test])
    return HeldOut(rows.method, rows.test, probabilities.astype(np.float64), familiarity.astype(np.float64))


def _unknown(head: NetworkHead, data: _Data, rate: float) -> Unknown:
    """The threshold, by rows neither learnt from nor measured on: by likeness, or without it by the largest logit."""
    train, apart = data.rows.train, data.rows.unseen
    right = head.logits(data.inputs[apart]).argmax(axis=1) == data.y[apart]
    known, strangers = (
        head.familiarity(data.inputs[rows]).astype(np.float64) for rows in (apart, data.roles.strangers)
    )
    if head.centres is None:
        return set_by_logits(known, right, strangers, len(head.labels), rate)
    left_out = _left_out(data.inputs[train], data.y[train], head.centres)
    return set_by_few(Evidence(known, right, left_out, data.y[train], strangers), len(head.labels), rate)


def _left_out(vectors: Inputs, y: Ints, centres: Floats) -> Doubles:
    return leave_classes_out(unit(vectors), y, centres.astype(np.float64))


def _course(fitted: Fitted, weights: int) -> dict[str, Any]:
    return {
        "weights": weights,
        "epochs": fitted.epochs,
        "best_epoch": fitted.best_epoch,
        "ended": fitted.ended,
        "training_seconds": round(fitted.seconds, 1),
        "images_per_second": round(fitted.images_per_second, 1),
    }


def _agreement(fitted: Fitted, onnx: bytes, rows: Inputs) -> float:
    """The largest difference of a logit; what is served must be what was trained."""
    gap = difference(fitted.module, onnx, rows)
    if not gap <= CLOSE:
        raise StageError(f"the exported network differs from the trained one by {gap:.2g}: this is a bug of mien")
    return gap
