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
from mien.train.architectures import ARCHITECTURES
from mien.train.calibrate import fit_temperature
from mien.train.candidates import class_centres
from mien.train.export import difference, export
from mien.train.finetune import begin
from mien.train.head import FoldsUsed, HeldOut
from mien.train.holdout import HELD_OUT, Deal, deal
from mien.train.job import Epoch, Fitted, Inputs, Rows, Run
from mien.train.loop import fit_module
from mien.train.module import build, weights
from mien.train.roles import Roles, assign
from mien.train.settings import Settings
from mien.train.unknown import ENOUGH_STRANGERS, Evidence, Unknown, describe, leave_classes_out, set_threshold
from mien.types import UNKNOWN, Floats, Ints

CLOSE = 1e-4
"""ONNX Runtime's logits may differ by so much from PyTorch's, or by so large a share of the largest of them."""

_COMPARED = 200  # rows on which the two are compared
_NEEDED = f"needs {ENOUGH_STRANGERS} photos of others, labelled {UNKNOWN!r}"


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """How to train a network, the seed of all that is drawn, and how the run is driven."""

    settings: Settings
    seed: int = 0
    false_accept_rate: float = 0.01
    run: Run = field(default_factory=Run)


@dataclass(frozen=True, slots=True, eq=False)
class NetworkFit:
    """A network as a head, the files of its bundle, and all that is known about how good it is.

    The fields of `HeadFit`, and: `parts`, the network's files by name; `curves`, the course of its training;
    `difference`, the largest |PyTorch - ONNX Runtime| of a logit.
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
    fitted: Mapping[str, Any]
    difference: float

    def as_json(self) -> dict[str, Any]:
        """All but the network and single answers, as strict JSON."""
        return {
            "held_out": {"method": self.held_out.method, "n": len(self.held_out.rows)},
            "settings": self.settings.to_json(),
            **self.fitted,
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
    rows = deal(inputs, roles, groups, options.seed)
    y = _numbers(labels, roles.labels)
    torch.manual_seed(options.seed)
    architecture = ARCHITECTURES[options.settings.architecture](_shape(inputs), len(roles.labels))
    module = build(architecture)
    if architecture.name == "finetune":
        begin(architecture, module)
    run = replace(options.run, seed=options.seed)
    fitted = fit_module(module, Rows(inputs, y, rows.train, rows.stop, len(roles.labels)), options.settings, run)
    onnx = export(architecture, fitted.module)
    centres = class_centres(unit(inputs[rows.train]), y[rows.train], len(roles.labels)) if inputs.ndim == 2 else None
    head = NetworkHead(
        labels=roles.labels,
        temperature=1.0,
        threshold=-math.inf,
        mirror=options.settings.mirror,
        onnx=onnx,
        centres=None if centres is None else centres.astype(np.float32),
    )
    stop = head.logits(inputs[rows.stop])
    unknown = _unknown(head, inputs, y, rows, roles, options.false_accept_rate)
    head = replace(
        head,
        temperature=fit_temperature(stop, y[rows.stop]),
        threshold=-math.inf if unknown.threshold is None else unknown.threshold,
    )
    return NetworkFit(
        head=head,
        counts=dict(zip(roles.labels, np.bincount(roles.y).tolist(), strict=True)),
        seen=np.concatenate([rows.train, rows.stop, roles.strangers]),
        held_out=_held_out(head, inputs, rows),
        unknown=unknown,
        folds=FoldsUsed(1, rows.units, rows.copies, rows.training_only),
        notes=(*roles.notes, *rows.notes, *fitted.notes, _told(unknown)),
        parts={
            "network.onnx": onnx,
            "network.json": json.dumps(architecture.to_json(), indent=1).encode(),
            "weights.safetensors": weights(fitted.module),
        },
        curves=fitted.curves,
        settings=options.settings,
        fitted=_described(fitted, architecture.weights),
        difference=_agreement(fitted, onnx, inputs[rows.stop[:_COMPARED]]),
    )


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


def _unknown(head: NetworkHead, inputs: Inputs, y: Ints, rows: Deal, roles: Roles, rate: float) -> Unknown:
    """The threshold: by likeness of vectors, as a head's; by the largest logit where there are strangers to tell from.

    The largest logit as a measure of familiarity: Hendrycks et al. 2022, "Scaling out-of-distribution detection".
    """
    apart = rows.stop if rows.method != HELD_OUT else np.concatenate([rows.stop, rows.test])
    right = head.logits(inputs[apart]).argmax(axis=1) == y[apart]
    strangers = inputs[roles.strangers]
    if head.centres is None and len(strangers) < ENOUGH_STRANGERS:
        return Unknown(None, None, float(right.mean()), 0.5, len(strangers), _NEEDED)
    empty = np.empty(0)
    evidence = Evidence(
        known=head.familiarity(inputs[apart]).astype(np.float64),
        right=right,
        left_out=empty if head.centres is None else _left_out(inputs[rows.train], y[rows.train], head.centres),
        left_out_y=empty.astype(np.int64) if head.centres is None else y[rows.train],
        strangers=head.familiarity(strangers).astype(np.float64) if len(strangers) else empty,
    )
    return set_threshold(evidence, len(head.labels), rate)


def _left_out(vectors: Inputs, y: Ints, centres: Floats) -> Doubles:
    return leave_classes_out(unit(vectors), y, centres.astype(np.float64))


def _told(unknown: Unknown) -> str:
    return f"no face will be called unknown: that {_NEEDED}" if unknown.method == _NEEDED else describe(unknown)


def _described(fitted: Fitted, weights: int) -> dict[str, Any]:
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
