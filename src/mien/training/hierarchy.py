"""The hierarchy: labels told apart step by step along a tree, by one classifier per node."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors import numpy as safetensors

from mien.errors import DataError
from mien.models.head import Doubles, Head
from mien.models.network import NetworkHead
from mien.models.onnx_join import ClassifierPart, join_classifiers, part_of_head
from mien.training import Fit, FoldCounts, HeldOutPredictions, StorableScorer
from mien.training.calibration import ENOUGH_STRANGERS, UnknownThreshold, describe_threshold, set_from_logits
from mien.training.head import HeadFit, HeadOptions, fit_head
from mien.training.splits import DataSplit, Roles, assign_splits, train_val_test_split
from mien.training.tree import Node, Tree
from mien.types import UNKNOWN, Ints

_ASIDE = "aside"  # a split that is neither learnt from nor tested on

_Inputs: TypeAlias = npt.NDArray[Any]


class NodeOptions(Protocol):
    """What a hierarchy needs of its recipe's options."""

    @property
    def seed(self) -> int: ...
    @property
    def false_accept_rate(self) -> float: ...


class NodeRecipe(Protocol):
    """Inputs and labels -> a classifier, which learns from the split "train" and predicts for the split "test"."""

    def __call__(
        self,
        inputs: _Inputs,
        labels: Sequence[str],
        /,
        *,
        groups: Sequence[str | None] | None,
        splits: Sequence[str | None] | None,
        options: Any,
    ) -> Fit: ...


@dataclass(frozen=True, slots=True, eq=False)
class NodeClassifier:
    """A node's classifier, and how often it takes the right child on `n` unseen photos below the node.

    `accuracy` is None where there are no such photos.
    """

    node: Node
    fit: Fit
    n: int
    accuracy: float | None

    def as_json(self) -> dict[str, Any]:
        """All but the classifier itself, as strict JSON."""
        return {
            "node": self.node.name,
            "children": list(self.node.children),
            "classifier": self.fit.head.kind,
            "n": self.n,
            "accuracy": self.accuracy,
            "fit": self.fit.as_json(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class HierarchyFit:
    """The classifiers of all nodes as one network over the tree's labels: see `Fit`.

    nodes: each node's own. flat: the accuracy of a flat head on the same vectors and photos, None for crops.
    """

    head: NetworkHead
    counts: Mapping[str, int]
    seen: Ints
    held_out: HeldOutPredictions
    unknown: UnknownThreshold
    folds: FoldCounts
    notes: tuple[str, ...]
    parts: Mapping[str, bytes]
    tree: Tree
    nodes: tuple[NodeClassifier, ...]
    flat: float | None

    def as_json(self) -> dict[str, Any]:
        """All but the network and single predictions, as strict JSON."""
        return {
            "held_out": {"method": self.held_out.method, "n": len(self.held_out.rows)},
            "unknown": asdict(self.unknown),
            "folds": asdict(self.folds),
            "notes": list(self.notes),
            "hierarchy": {
                "tree": self.tree.as_json(),
                "flat_accuracy": self.flat,
                "nodes": [node.as_json() for node in self.nodes],
            },
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The input rows, and the row numbers by what they are for: `learnt` from, `tested` on, and so on.

    apart: kept from all nodes to set the threshold; none where likeness sets it, or nothing can.
    """

    inputs: _Inputs
    labels: Sequence[str]
    groups: Sequence[str | None] | None
    learnt: Ints
    tested: Ints
    apart: Ints
    strangers: Ints

    def splits(self) -> list[str | None]:
        """The splits for a recipe that gets all rows."""
        splits: list[str | None] = [_ASIDE] * len(self.labels)
        for rows, split in ((self.learnt, "train"), (self.strangers, "train"), (self.tested, "test")):
            for row in rows:
                splits[row] = split
        return splits


def fit_hierarchy(
    inputs: _Inputs,
    labels: Sequence[str],
    *,
    groups: Sequence[str | None] | None = None,
    splits: Sequence[str | None] | None = None,
    options: NodeOptions,
    tree: Tree,
    fit: NodeRecipe,
) -> HierarchyFit:
    """Crops or vectors (n, ...) and a label each -> one classifier per node, made by `fit`, joined and measured.

    Each node of `tree` learns from the photos below it only, with its children for labels (Silla and Freitas 2011,
    "local classifier per parent node"), and the probability of a label is the product of those along its path. Where
    the data names a split "val" or "test" it is measured on that, else on a fifth that is kept back.

    Rows labelled `UNKNOWN` are below no node: they only help to set the threshold, or to measure it. Vectors have the
    familiarity and the threshold of a flat head on the same rows, since how familiar a face is does not depend on the
    tree. Crops have a threshold where there are enough strangers; a tenth is then kept from all nodes to set it.

    Raises:
        DataError: too little to learn from, at all or below a node, or the tree is not over the data's labels.
        ValueError: the arguments do not belong together.
    """
    tree.check(
        [
            label
            for label, split in zip(labels, splits or [None] * len(labels), strict=True)
            if split in (None, "", "train")
        ]
    )
    roles = assign_splits(inputs, labels, groups, splits)
    split = train_val_test_split(inputs, roles, groups, options.seed)
    rows = _rows(inputs, labels, groups, roles, split)
    if not len(rows.tested):
        raise DataError(
            "there are too few photos to keep some back and measure the tree on: add photos, so that a label has three"
            " or more, or mark some of them 'val' in a column of splits"
        )
    nodes = tuple(_fit_node(node, rows, fit, options) for node in tree.nodes)
    onnx = _joined(tree, nodes)
    flat = _flat(rows, options) if inputs.ndim == 2 else None
    head = NetworkHead(tree.leaves, 1.0, -math.inf, False, onnx, flat.head.centres if flat else None)
    unknown = _unknown(head, rows, flat, options.false_accept_rate)
    head = replace(head, threshold=-math.inf if unknown.threshold is None else unknown.threshold)
    held_out = HeldOutPredictions(split.method, rows.tested, *_answers(head, inputs[rows.tested]))
    flat_accuracy = _accuracy(flat.head.labels, flat.held_out, labels) if flat else None
    return HierarchyFit(
        head=head,
        counts=dict(zip(roles.labels, np.bincount(roles.y).tolist(), strict=True)),
        seen=np.concatenate([rows.learnt, rows.apart, rows.strangers]),
        held_out=held_out,
        unknown=unknown,
        folds=FoldCounts(1, split.units, split.copies, split.training_only),
        notes=(*roles.notes, *split.notes, *_notes(unknown, _accuracy(tree.leaves, held_out, labels), flat_accuracy)),
        parts=_parts(onnx, tree, nodes),
        tree=tree,
        nodes=nodes,
        flat=flat_accuracy,
    )


def _rows(
    inputs: _Inputs, labels: Sequence[str], groups: Sequence[str | None] | None, roles: Roles, split: DataSplit
) -> _Rows:
    by_logits = inputs.ndim > 2 and len(roles.strangers) >= ENOUGH_STRANGERS
    apart = split.unseen if by_logits else split.unseen[:0]
    tested = split.test if roles.held_name is None else split.test[:0]
    learnt = np.setdiff1d(np.union1d(split.train, split.stop), apart)
    # A node needs at least two photos of a label, so of a label with fewer left none is kept back.
    left = Counter(labels[i] for i in learnt)
    apart, tested = (rows[[left[labels[i]] > 1 for i in rows]] if len(rows) else rows for rows in (apart, tested))
    learnt = np.setdiff1d(roles.train, np.union1d(apart, tested))
    return _Rows(inputs, labels, groups, learnt, split.test if roles.held_name else tested, apart, roles.strangers)


def _fit_node(node: Node, rows: _Rows, fit: NodeRecipe, options: NodeOptions) -> NodeClassifier:
    child = node.child_of()
    below = np.array([i for i in (*rows.learnt, *rows.tested) if rows.labels[i] in child], dtype=np.int64)
    splits = rows.splits()
    children = [child[rows.labels[i]] for i in below]
    try:
        result = fit(
            rows.inputs[below],
            children,
            groups=None if rows.groups is None else [rows.groups[i] for i in below],
            splits=[splits[i] for i in below],
            options=options,
        )
    except DataError as error:
        raise DataError(f"at {node.name} in the tree: {error}") from error
    n = sum(splits[i] == "test" for i in below)
    return NodeClassifier(node, result, n, _accuracy(result.head.labels, result.held_out, children) if n else None)


def _accuracy(names: Sequence[str], held: HeldOutPredictions, labels: Sequence[str]) -> float | None:
    """The share of right predictions, strangers left out."""
    guessed = held.probabilities.argmax(axis=1)
    right = [names[j] == labels[row] for j, row in zip(guessed, held.rows, strict=True) if labels[row] != UNKNOWN]
    return float(np.mean(right)) if right else None


def _joined(tree: Tree, nodes: Sequence[NodeClassifier]) -> bytes:
    parts = [_part(node.fit.head) for node in nodes]
    paths = [[(i, nodes[i].fit.head.labels.index(child)) for i, child in tree.steps(leaf)] for leaf in tree.leaves]
    return join_classifiers(parts, paths)


def _part(head: StorableScorer) -> ClassifierPart:
    match head:
        case Head():
            return part_of_head(head)
        case NetworkHead():
            return ClassifierPart(head.onnx, head.temperature, head.mirror)
    raise TypeError(f"a hierarchy joins linear heads and networks, not {type(head).__name__}")


def _flat(rows: _Rows, options: NodeOptions) -> HeadFit:
    own = HeadOptions(options.seed, options.false_accept_rate)
    return fit_head(rows.inputs, rows.labels, groups=rows.groups, splits=rows.splits(), options=own)


def _answers(head: NetworkHead, inputs: _Inputs) -> tuple[Doubles, Doubles]:
    probabilities, familiarity = head.answer(inputs)
    return probabilities.astype(np.float64), familiarity.astype(np.float64)


def _unknown(head: NetworkHead, rows: _Rows, flat: HeadFit | None, rate: float) -> UnknownThreshold:
    """The flat head's threshold, and what it costs the hierarchy; for crops, by the largest log-probability."""
    known = np.array([i for i in (rows.tested if flat else rows.apart) if rows.labels[i] != UNKNOWN], dtype=np.int64)
    probabilities, familiarity = _answers(head, rows.inputs[known])
    guessed = probabilities.argmax(axis=1)
    right = np.array([head.labels[j] == rows.labels[i] for i, j in zip(known, guessed, strict=True)], dtype=bool)
    if flat is None:
        strangers = _answers(head, rows.inputs[rows.strangers])[1]
        return set_from_logits(familiarity, right, strangers, len(head.labels), rate)
    if flat.unknown.threshold is None or not len(known):
        return flat.unknown
    return replace(flat.unknown, kept=float((right & (familiarity >= flat.unknown.threshold)).mean()))


def _notes(unknown: UnknownThreshold, own: float | None, flat: float | None) -> list[str]:
    notes = [describe_threshold(unknown)]
    if own is not None and flat is not None:
        notes.insert(0, f"on the same photos a flat head is {100 * flat:.1f} % right, and this tree {100 * own:.1f} %")
    return notes


def _parts(onnx: bytes, tree: Tree, nodes: Sequence[NodeClassifier]) -> dict[str, bytes]:
    """The files of the bundle: the network itself, and a description of what each node is made of."""
    tensors: dict[str, npt.NDArray[Any]] = {}
    described = []
    for number, node in enumerate(nodes):
        architecture, own = _pieces(node.fit)
        tensors |= {f"{number}/{name}": np.ascontiguousarray(array) for name, array in own.items()}
        described.append(
            {
                "node": node.node.name,
                "labels": list(node.fit.head.labels),
                "temperature": node.fit.head.to_json()["temperature"],
                "architecture": architecture,
            }
        )
    text = json.dumps({"tree": tree.as_json(), "nodes": described}, indent=1, ensure_ascii=False, allow_nan=False)
    return {"network.onnx": onnx, "network.json": text.encode(), "weights.safetensors": safetensors.save(tensors)}


def _pieces(fit: Fit) -> tuple[Any, Mapping[str, npt.NDArray[Any]]]:
    """A classifier's architecture, as JSON, and its weights by name."""
    if isinstance(fit.head, Head):
        return "linear", {"weights": fit.head.weights, "bias": fit.head.bias}
    return json.loads(fit.parts["network.json"]), safetensors.load(fit.parts["weights.safetensors"])
