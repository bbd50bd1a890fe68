"""Labels told apart step by step along a tree, by one classifier a node; knows no picture, no bundle and no command."""

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
from mien.models.joined import Part, join, linear_part
from mien.models.network import NetworkHead
from mien.train.fit import Answering, Fit
from mien.train.head import FoldsUsed, HeadFit, HeadOptions, HeldOut, fit_head
from mien.train.holdout import Deal, deal
from mien.train.roles import Roles, assign
from mien.train.tree import Node, Tree
from mien.train.unknown import ENOUGH_STRANGERS, Unknown, describe, set_by_logits
from mien.types import UNKNOWN, Ints

_ASIDE = "aside"  # a split that is neither learnt from nor measured on

Inputs: TypeAlias = npt.NDArray[Any]


class Options(Protocol):
    """What a hierarchy must know of a recipe's options."""

    @property
    def seed(self) -> int: ...
    @property
    def false_accept_rate(self) -> float: ...


class Recipe(Protocol):
    """Inputs and labels -> a classifier, which learns from the split "train" and answers for the split "test"."""

    def __call__(
        self,
        inputs: Inputs,
        labels: Sequence[str],
        /,
        *,
        groups: Sequence[str | None] | None,
        splits: Sequence[str | None] | None,
        options: Any,
    ) -> Fit: ...


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """A node's classifier, and how often it takes the right child on `n` photos below the node that it had not seen.

    `accuracy` is None where there was none to see.
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
    """The classifiers of all nodes as one head over the tree's labels, and all that is known about how good it is.

    The fields of `HeadFit`, and: parts: name -> bytes of the files that a bundle holds beside it. nodes: each node's
    own. flat: the accuracy of a flat head that learnt from the same vectors and was asked the same, None for crops.
    """

    head: NetworkHead
    counts: Mapping[str, int]
    seen: Ints
    held_out: HeldOut
    unknown: Unknown
    folds: FoldsUsed
    notes: tuple[str, ...]
    parts: Mapping[str, bytes]
    tree: Tree
    nodes: tuple[Told, ...]
    flat: float | None

    def as_json(self) -> dict[str, Any]:
        """All but the head and single answers, as strict JSON."""
        return {
            "held_out": {"method": self.held_out.method, "n": len(self.held_out.rows)},
            "unknown": asdict(self.unknown),
            "folds": asdict(self.folds),
            "notes": list(self.notes),
            "hierarchy": {
                "tree": self.tree.as_json(),
                "flat_accuracy": self.flat,
                "nodes": [told.as_json() for told in self.nodes],
            },
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The rows that came, with what each is for: row numbers of those `learnt` from, `tested` on, and so on.

    apart: neither of these, for a threshold to be set by; none where likeness sets it, or nothing can.
    """

    inputs: Inputs
    labels: Sequence[str]
    groups: Sequence[str | None] | None
    learnt: Ints
    tested: Ints
    apart: Ints
    strangers: Ints

    def splits(self) -> list[str | None]:
        """What to tell a recipe that gets all rows."""
        named: list[str | None] = [_ASIDE] * len(self.labels)
        for rows, split in ((self.learnt, "train"), (self.strangers, "train"), (self.tested, "test")):
            for row in rows:
                named[row] = split
        return named


def fit_hierarchy(
    inputs: Inputs,
    labels: Sequence[str],
    *,
    groups: Sequence[str | None] | None = None,
    splits: Sequence[str | None] | None = None,
    options: Options,
    tree: Tree,
    fit: Recipe,
) -> HierarchyFit:
    """Crops or vectors (n, ...) and a label each -> one classifier a node, made by `fit`, joined and measured.

    Each node of `tree` learns from the photos below it only, with its children for labels (Silla and Freitas 2011,
    "local classifier per parent node"), and the probability of a label is the product of those along its path. Where
    the data names a split "val" or "test" it is measured on that, else on a fifth that is kept back.

    Rows labelled `UNKNOWN` lie below no node: they only help to set the threshold, or to measure it. Vectors have the
    familiarity and the threshold of a flat head on the same rows, for how familiar a face is does not depend on the
    tree. Crops have a threshold where there are enough strangers; a tenth is then kept from all nodes to set it by.

    Raises:
        DataError: too little to learn from, at all or below a node, or the tree is not over the data's labels.
        ValueError: the arguments do not belong together.
    """
    tree.check([label for label, split in zip(labels, splits or [None] * len(labels), strict=True) if _learnt(split)])
    roles = assign(inputs, labels, groups, splits)
    dealt = deal(inputs, roles, groups, options.seed)
    rows = _rows(inputs, labels, groups, roles, dealt)
    if not len(rows.tested):
        raise DataError(
            "the photos are too few for any to be kept back and the tree to be measured on: add photos, so that a label"
            " has three or more, or name some of them 'val' in a column of splits"
        )
    nodes = tuple(_told(node, rows, fit, options) for node in tree.nodes)
    onnx = _joined(tree, nodes)
    flat = _flat(rows, options) if inputs.ndim == 2 else None
    head = NetworkHead(tree.leaves, 1.0, -math.inf, False, onnx, flat.head.centres if flat else None)
    unknown = _unknown(head, rows, flat, options.false_accept_rate)
    head = replace(head, threshold=-math.inf if unknown.threshold is None else unknown.threshold)
    held_out = HeldOut(dealt.method, rows.tested, *_answers(head, inputs[rows.tested]))
    beside = _accuracy(flat.head.labels, flat.held_out, labels) if flat else None
    return HierarchyFit(
        head=head,
        counts=dict(zip(roles.labels, np.bincount(roles.y).tolist(), strict=True)),
        seen=np.concatenate([rows.learnt, rows.apart, rows.strangers]),
        held_out=held_out,
        unknown=unknown,
        folds=FoldsUsed(1, dealt.units, dealt.copies, dealt.training_only),
        notes=(*roles.notes, *dealt.notes, *_notes(unknown, _accuracy(tree.leaves, held_out, labels), beside)),
        parts=_parts(onnx, tree, nodes),
        tree=tree,
        nodes=nodes,
        flat=beside,
    )


def _learnt(split: str | None) -> bool:
    return split in (None, "", "train")


def _rows(
    inputs: Inputs, labels: Sequence[str], groups: Sequence[str | None] | None, roles: Roles, dealt: Deal
) -> _Rows:
    by_logits = inputs.ndim > 2 and len(roles.strangers) >= ENOUGH_STRANGERS
    apart = dealt.unseen if by_logits else dealt.unseen[:0]
    tested = dealt.test if roles.held_name is None else dealt.test[:0]
    learnt = np.setdiff1d(np.union1d(dealt.train, dealt.stop), apart)
    # A node learns from two photos of a label at least, so of a label with fewer left none is kept back.
    left = Counter(labels[i] for i in learnt)
    apart, tested = (rows[[left[labels[i]] > 1 for i in rows]] if len(rows) else rows for rows in (apart, tested))
    learnt = np.setdiff1d(roles.train, np.union1d(apart, tested))
    return _Rows(inputs, labels, groups, learnt, dealt.test if roles.held_name else tested, apart, roles.strangers)


def _told(node: Node, rows: _Rows, fit: Recipe, options: Options) -> Told:
    child = node.child_of()
    below = np.array([i for i in (*rows.learnt, *rows.tested) if rows.labels[i] in child], dtype=np.int64)
    splits = rows.splits()
    children = [child[rows.labels[i]] for i in below]
    try:
        fitted = fit(
            rows.inputs[below],
            children,
            groups=None if rows.groups is None else [rows.groups[i] for i in below],
            splits=[splits[i] for i in below],
            options=options,
        )
    except DataError as error:
        raise DataError(f"at {node.name} in the tree: {error}") from error
    n = sum(splits[i] == "test" for i in below)
    return Told(node, fitted, n, _accuracy(fitted.head.labels, fitted.held_out, children) if n else None)


def _accuracy(names: Sequence[str], held: HeldOut, labels: Sequence[str]) -> float | None:
    """The share of answers that are right, of those for photos that are not strangers'."""
    guessed = held.probabilities.argmax(axis=1)
    right = [names[j] == labels[row] for j, row in zip(guessed, held.rows, strict=True) if labels[row] != UNKNOWN]
    return float(np.mean(right)) if right else None


def _joined(tree: Tree, nodes: Sequence[Told]) -> bytes:
    parts = [_part(told.fit.head) for told in nodes]
    ways = [[(i, nodes[i].fit.head.labels.index(child)) for i, child in tree.steps(leaf)] for leaf in tree.leaves]
    return join(parts, ways)


def _part(head: Answering) -> Part:
    match head:
        case Head():
            return linear_part(head)
        case NetworkHead():
            return Part(head.onnx, head.temperature, head.mirror)
    raise TypeError(f"a hierarchy joins linear heads and networks, not {type(head).__name__}")


def _flat(rows: _Rows, options: Options) -> HeadFit:
    plain = HeadOptions(options.seed, options.false_accept_rate)
    return fit_head(rows.inputs, rows.labels, groups=rows.groups, splits=rows.splits(), options=plain)


def _answers(head: NetworkHead, inputs: Inputs) -> tuple[Doubles, Doubles]:
    probabilities, familiarity = head.answer(inputs)
    return probabilities.astype(np.float64), familiarity.astype(np.float64)


def _unknown(head: NetworkHead, rows: _Rows, flat: HeadFit | None, rate: float) -> Unknown:
    """The flat head's threshold, and what it costs the hierarchy; for crops, by the largest log-probability."""
    known = np.array([i for i in (rows.tested if flat else rows.apart) if rows.labels[i] != UNKNOWN], dtype=np.int64)
    probabilities, familiarity = _answers(head, rows.inputs[known])
    guessed = probabilities.argmax(axis=1)
    right = np.array([head.labels[j] == rows.labels[i] for i, j in zip(known, guessed, strict=True)], dtype=bool)
    if flat is None:
        strangers = _answers(head, rows.inputs[rows.strangers])[1]
        return set_by_logits(familiarity, right, strangers, len(head.labels), rate)
    if flat.unknown.threshold is None or not len(known):
        return flat.unknown
    return replace(flat.unknown, kept=float((right & (familiarity >= flat.unknown.threshold)).mean()))


def _notes(unknown: Unknown, own: float | None, flat: float | None) -> list[str]:
    made = []
    if own is not None and flat is not None:
        made.append(
            f"on the same photos a flat head is right in {100 * flat:.1f} %, and this hierarchy in {100 * own:.1f} %"
        )
    return [*made, describe(unknown)]


def _parts(onnx: bytes, tree: Tree, nodes: Sequence[Told]) -> dict[str, bytes]:
    """The files of the bundle: the network that answers, and what each node of it is made of, to be read."""
    tensors: dict[str, npt.NDArray[Any]] = {}
    described = []
    for number, told in enumerate(nodes):
        architecture, own = _pieces(told.fit)
        tensors |= {f"{number}/{name}": np.ascontiguousarray(array) for name, array in own.items()}
        described.append(
            {
                "node": told.node.name,
                "labels": list(told.fit.head.labels),
                "temperature": told.fit.head.to_json()["temperature"],
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
