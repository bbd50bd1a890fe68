"""The recipes that train a network: split the rows, train, export to ONNX, calibrate and measure."""

from __future__ import annotations

import json
import logging
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
import torch
from safetensors import SafetensorError
from torch import nn

from mien.errors import DataError, StageError
from mien.models import ensure
from mien.models.cards import Truncation
from mien.models.head import unit
from mien.models.network import INPUT, OUTPUT, NetworkHead, network_input
from mien.models.onnx_edit import EXPORT_OPSET, IR_VERSION, weights_after
from mien.models.sessions import from_bytes
from mien.training import FoldCounts, HeldOutPredictions
from mien.training.batches import Inputs, TrainingRows
from mien.training.calibration import (
    Evidence,
    UnknownThreshold,
    check_rate,
    describe_threshold,
    fit_temperature,
    leave_classes_out,
    set_from_few,
    set_from_logits,
)
from mien.training.head import class_centres
from mien.training.layers import PaddedResidual
from mien.training.networks import Network, backbone, build_network
from mien.training.progress import Epoch
from mien.training.settings import TrainerOptions, TrainingSettings
from mien.training.splits import DataSplit, Roles, assign_splits, train_val_test_split
from mien.training.trainer import TrainedModule, fit_module
from mien.types import Floats, Ints

MAX_DIFFERENCE = 1e-4
"""ONNX Runtime's logits may differ by this much from PyTorch's."""

_COMPARED_ROWS = 200


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """How to train a network, the random seed, the share of strangers to let in, and how the run is driven.

    Raises:
        DataError: the share of strangers to let in is out of range.
    """

    settings: TrainingSettings
    seed: int = 0
    false_accept_rate: float = 0.01
    run: TrainerOptions = field(default_factory=TrainerOptions)

    def __post_init__(self) -> None:
        check_rate(self.false_accept_rate)


@dataclass(frozen=True, slots=True, eq=False)
class NetworkFit:
    """A network as a head, the files of its bundle, and all that is known about how good it is: see `Fit`.

    `parts`: the network's files by name. `curves` and `course`: its training, by epoch and in all. `difference`: the
    largest |PyTorch - ONNX Runtime| of a logit.
    """

    head: NetworkHead
    counts: Mapping[str, int]
    seen: Ints
    held_out: HeldOutPredictions
    unknown: UnknownThreshold
    folds: FoldCounts
    notes: tuple[str, ...]
    parts: Mapping[str, bytes]
    curves: tuple[Epoch, ...]
    settings: TrainingSettings
    course: Mapping[str, Any]
    difference: float

    def as_json(self) -> dict[str, Any]:
        """All but the network and single predictions, as strict JSON."""
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


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    """Inputs (n, ...), the class of each row `y` (n,), and what each row is for."""

    inputs: Inputs
    y: Ints
    roles: Roles
    split: DataSplit


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
    roles = assign_splits(inputs, labels, groups, splits)
    names, split = roles.labels, train_val_test_split(inputs, roles, groups, options.seed)
    data = _Data(inputs, _class_numbers(labels, names), roles, split)
    network = build_network(options.settings.architecture, _shape(inputs), len(names), options.seed)
    if network.name == "finetune":
        load_pretrained_block(network)
    rows = TrainingRows(inputs, data.y, split.train, split.stop, len(names))
    trained = fit_module(network, rows, options.settings, replace(options.run, seed=options.seed))
    onnx = export(network)
    head, unknown = _head(onnx, data, options)
    probabilities, familiarity = head.answer(inputs[split.test])
    return NetworkFit(
        head=head,
        counts=dict(zip(names, np.bincount(roles.y).tolist(), strict=True)),
        seen=np.concatenate([split.train, split.stop, roles.strangers]),
        held_out=HeldOutPredictions(
            split.method, split.test, probabilities.astype(np.float64), familiarity.astype(np.float64)
        ),
        unknown=unknown,
        folds=FoldCounts(1, split.units, split.copies, split.training_only),
        notes=(*roles.notes, *split.notes, *trained.notes, describe_threshold(unknown)),
        parts={
            "network.onnx": onnx,
            "network.json": json.dumps(network.to_json(), indent=1).encode(),
            "weights.safetensors": save_weights(network),
        },
        curves=trained.curves,
        settings=options.settings,
        course=_course(trained, network.weights),
        difference=_check_export(network, onnx, inputs[split.stop[:_COMPARED_ROWS]]),
    )


def load_pretrained_block(network: Network) -> None:
    """Bring a `finetune` network, in place, to where the pretrained network's last block stands.

    Its last layer becomes zeros, so that the first steps teach that layer what the block says already, and do not shake
    the block.

    Raises:
        WeightsError: the pretrained network is not on this machine.
    """
    source = backbone(network.shape).source
    assert isinstance(source, Truncation)  # what ends at an inner layer was cut from another network
    block = next(layer for layer in network if isinstance(layer, PaddedResidual))
    own = (block.conv1.weight, block.conv1.bias, block.conv2.weight, block.conv2.bias)
    pretrained = weights_after(ensure(source.card).read_bytes(), source.layer).values()
    with torch.no_grad():
        for tensor, array in zip(own, pretrained, strict=False):  # the dense layer behind the block is not wanted
            assert tensor is not None
            tensor.copy_(torch.from_numpy(array.copy()))
        for tensor in network[-1].parameters():
            tensor.zero_()


def _head(onnx: bytes, data: _Data, options: NetworkOptions) -> tuple[NetworkHead, UnknownThreshold]:
    """The finished network, with temperature and threshold from rows that it is not measured on."""
    train, stop, labels = data.split.train, data.split.stop, data.roles.labels
    centres = None
    if data.inputs.ndim == 2:
        centres = class_centres(unit(data.inputs[train]), data.y[train], len(labels)).astype(np.float32)
    plain = NetworkHead(labels, 1.0, -math.inf, options.settings.mirror, onnx, centres)
    temperature = fit_temperature(plain.logits(data.inputs[stop]), data.y[stop])
    unknown = _unknown(plain, data, options.false_accept_rate)
    threshold = -math.inf if unknown.threshold is None else unknown.threshold
    return replace(plain, temperature=temperature, threshold=threshold), unknown


def _class_numbers(labels: Sequence[str], names: Sequence[str]) -> Ints:
    """The class of each row; 0 for those of no class, which are never learnt from."""
    number = {name: j for j, name in enumerate(names)}
    return np.array([number.get(label, 0) for label in labels], dtype=np.int64)


def _shape(inputs: Inputs) -> tuple[int, ...]:
    """What a network takes of one row: (channels, side, side), or (dimension,)."""
    n = inputs.shape[1:]
    return n if len(n) == 1 else (1 if len(n) == 2 else n[2], n[0], n[1])


def _unknown(head: NetworkHead, data: _Data, rate: float) -> UnknownThreshold:
    """The threshold, from rows neither learnt from nor measured on: by likeness of vectors, or by the largest logit."""
    train, apart = data.split.train, data.split.unseen
    right = head.logits(data.inputs[apart]).argmax(axis=1) == data.y[apart]
    known, strangers = (
        head.familiarity(data.inputs[rows]).astype(np.float64) for rows in (apart, data.roles.strangers)
    )
    if head.centres is None:
        return set_from_logits(known, right, strangers, len(head.labels), rate)
    left_out = leave_classes_out(unit(data.inputs[train]), data.y[train], head.centres.astype(np.float64))
    return set_from_few(Evidence(known, right, left_out, data.y[train], strangers), len(head.labels), rate)


def _course(trained: TrainedModule, weights: int) -> dict[str, Any]:
    return {
        "weights": weights,
        "epochs": trained.epochs,
        "best_epoch": trained.best_epoch,
        "ended": trained.ended,
        "training_seconds": round(trained.seconds, 1),
        "images_per_second": round(trained.images_per_second, 1),
    }


def _check_export(network: Network, onnx: bytes, rows: Inputs) -> float:
    """The largest difference of a logit; what is served must be what was trained."""
    gap = difference(network, onnx, rows)
    if not gap <= MAX_DIFFERENCE:
        raise StageError(f"the exported network differs from the trained one by {gap:.2g}: this is a bug of mien")
    return gap


def export(network: Network) -> bytes:
    """A trained network -> ONNX file: "input" (n, *shape) -> "logits" (n, classes), both float32.

    Dropout is left out, and batch normalisation becomes part of the convolution before it.
    """
    training, example = network.training, torch.zeros(2, *network.shape)
    device = next(network.parameters()).device
    network.eval()
    try:
        with _quiet():
            program = torch.onnx.export(
                network,
                (example.to(device),),
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=EXPORT_OPSET,
                dynamic_shapes=({0: torch.export.Dim("n")},),
                dynamo=True,
                verbose=False,
            )
    finally:
        network.train(training)
    assert program is not None
    model = program.model_proto
    model.ir_version, model.producer_name = IR_VERSION, "mien"
    model.graph.name = network.name
    del model.graph.value_info[:]
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]  # stack traces, with paths of this machine
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def difference(module: nn.Module, onnx: bytes, inputs: npt.NDArray[Any]) -> float:
    """The largest |torch - ONNX Runtime| of a logit, over crops or vectors as a `NetworkHead` takes them.

    Both in float32 and in evaluation mode; 0 where there are no inputs.
    """
    session = from_bytes(onnx)
    batch = network_input(inputs, tuple(session.get_inputs()[0].shape[1:]))
    training, device = module.training, next(module.parameters()).device
    largest = 0.0
    module.eval()
    for start in range(0, len(batch), 32):
        block = batch[start : start + 32]
        with torch.inference_mode():
            ours: Floats = module(torch.from_numpy(block).to(device)).float().cpu().numpy()
        gap = np.abs(ours - session.run([OUTPUT], {INPUT: block})[0]).max()
        largest = float(np.maximum(largest, gap))  # passes NaN on
    module.train(training)
    return largest


@contextmanager
def _quiet() -> Iterator[None]:
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def save_weights(network: Network) -> bytes:
    """Weights and running means by name, as a safetensors file."""
    arrays = {name: np.array(tensor.cpu().numpy(), order="C") for name, tensor in _tensors(network).items()}
    data: bytes = safetensors.numpy.save(arrays)
    return data


def load_network(description: Mapping[str, Any], weights: bytes) -> Network:
    """`network.json` and `weights.safetensors` of a bundle -> the network, to train on; neither is trusted.

    Raises:
        ValueError: they are damaged, or do not belong together or to a network of this version.
    """
    try:
        shape, classes = tuple(description["input"]), description["layers"][-1]["units"]
        network = build_network(description["name"], shape, classes, 0)
        arrays = safetensors.numpy.load(weights)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError, DataError, SafetensorError) as error:
        raise ValueError(f"this is not a network of mien: {error}") from error
    if network.to_json() != description:
        raise ValueError(f"the description is not that of the network {network.name} in this version of mien")
    own = _tensors(network)
    if other := own.keys() ^ arrays.keys():
        raise ValueError(f"the weights do not belong to the network {network.name}: see {min(other)!r}")
    for name, tensor in own.items():
        array = arrays[name]
        if array.dtype != np.float32 or array.shape != tuple(tensor.shape) or not np.isfinite(array).all():
            raise ValueError(f"the weights {name!r} are not finite numbers of the shape {tuple(tensor.shape)}")
        tensor.copy_(torch.from_numpy(array))
    return network.eval()


def _tensors(network: Network) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
