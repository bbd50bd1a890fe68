"""Labelled photos in, a bundle out: vectors, the head, what it is worth, and the pages that say so."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien import __version__
from mien.classify import predicted
from mien.collect import DataSet
from mien.errors import DataError
from mien.evaluate import Evaluation, evaluate, render_card
from mien.flows.chain import Chain
from mien.flows.drive import Drive
from mien.flows.report import licences, report, today
from mien.store import bundle as bundles
from mien.train import RECIPES
from mien.train.head import HeadFit, HeadOptions
from mien.train.seen import SEEN, digests
from mien.types import UNKNOWN, Embedding, Origin, Prediction, Rejected
from mien.words import listed

_LEARNT = (None, "train")  # the splits of photos that are learnt from


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What a user may say about training.

    false_accept_rate: the share of strangers that may be taken for somebody known.
    """

    recipe: str = "head"
    seed: int = 0
    false_accept_rate: float = 0.01


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of it; `evaluation` is of photos that the head had not seen."""

    bundle: Path
    recipe: str
    rejected: Sequence[Rejected]
    fit: HeadFit
    evaluation: Evaluation
    seconds: float


def train(data: DataSet, name: str, out: Path, chain: Chain, options: TrainOptions, drive: Drive) -> Trained:
    """Labelled data (called `name`) -> a bundle at `out`.

    Raises:
        UnknownName: no such recipe. DataError: too little to learn from, or `out` cannot be written.
        WeightsError: weights are missing.
    """
    bundles.writable(out)
    fit_head = RECIPES.load(options.recipe)
    start = time.perf_counter()
    found, rejected = _vectors(data, chain, drive)
    vectors = np.stack([embedding.vector for embedding in found])
    fit: HeadFit = fit_head(
        vectors,
        [embedding.origin.label or UNKNOWN for embedding in found],
        groups=[embedding.origin.group for embedding in found],
        splits=[embedding.origin.split for embedding in found],
        options=HeadOptions(options.seed, options.false_accept_rate),
    )
    evaluation = evaluate(
        [*_held_out(fit, found), *_counted(rejected, fit, found)], fit.head.labels, fit.head.threshold
    )
    manifest = _manifest(name, chain, options, fit, evaluation, len(rejected))
    note = f"Measured while training, on photos that the head had not seen ({fit.held_out.method})."
    pages = {
        "report.html": report(evaluation, out.name.removesuffix(bundles.SUFFIX), data, name, chain, note),
        "card.md": render_card(_facts(out, chain, options, fit, evaluation)),
    }
    bundles.save(out, manifest, {**fit.head.to_arrays(), SEEN: np.sort(digests(vectors[fit.seen]))}, pages)
    return Trained(out, options.recipe, rejected, fit, evaluation, time.perf_counter() - start)


def _vectors(data: DataSet, chain: Chain, drive: Drive) -> tuple[list[Embedding], list[Rejected]]:
    found: list[Embedding] = []
    rejected: list[Rejected] = []
    for result in drive.vectors(chain, data.refs):
        if isinstance(result, Rejected):
            rejected.append(result)
        elif result.origin.label is not None:
            found.append(result)
    if not found:
        raise DataError(
            f"none of the {len(data.origins)} photos can be learnt from: in {len(rejected)} no face was found or the"
            " picture could not be read, and the others have no label"
        )
    if empty := sorted(_to_learn(data.origins) - _to_learn(embedding.origin for embedding in found)):
        raise DataError(
            f"none of the photos of {listed(empty)} can be used (no face was found, or the picture could not be read):"
            " add others, or take the class out of the data"
        )
    return found, rejected


def _to_learn(origins: Iterable[Origin]) -> set[str]:
    """The classes among the photos that may be learnt from."""
    return {o.label for o in origins if o.label not in (None, UNKNOWN) and o.split in _LEARNT}


def _held_out(fit: HeadFit, found: Sequence[Embedding]) -> Iterator[Prediction]:
    """The answers for photos that the head had not seen when it gave them."""
    held = fit.held_out
    for row, probabilities, familiarity in zip(held.rows, held.probabilities, held.familiarity, strict=True):
        yield predicted(found[row], fit.head, probabilities, float(familiarity))


def _counted(rejected: Sequence[Rejected], fit: HeadFit, found: Sequence[Embedding]) -> list[Rejected]:
    """The rejected among the photos that are measured on: of labels that were tested, and of the split that was.

    Out of fold, strangers are not measured, for those that were found have set the threshold.
    """
    if fit.held_out.method == "out-of-fold":
        tested = {found[row].origin.label for row in fit.held_out.rows}
        return [item for item in rejected if item.origin.label in tested and item.origin.split in _LEARNT]
    tested = {*fit.head.labels, UNKNOWN}
    return [item for item in rejected if item.origin.label in tested and item.origin.split == fit.held_out.method]


def _manifest(
    name: str,
    chain: Chain,
    options: TrainOptions,
    fit: HeadFit,
    evaluation: Evaluation,
    rejected: int,
) -> dict[str, Any]:
    return {
        "mien": __version__,
        "created": today(),
        "recipe": options.recipe,
        "labels": list(fit.head.labels),
        "counts": dict(fit.counts),
        "chain": chain.as_json(),
        "weights": chain.weights(),
        "head": fit.head.to_json(),
        "training": {
            "data": name,
            "seed": options.seed,
            "false_accept_rate": options.false_accept_rate,
            "rejected": rejected,
            **fit.as_json(),
        },
        # The whole confusion matrix of many labels would be most of the file; the report shows it.
        "measured": {name: value for name, value in evaluation.as_json().items() if name != "confusion"},
    }


def _facts(out: Path, chain: Chain, options: TrainOptions, fit: HeadFit, evaluation: Evaluation) -> dict[str, Any]:
    unknown = None
    if fit.unknown.threshold is not None:
        unknown = {
            "threshold": fit.unknown.threshold,
            "false_accept_rate": fit.unknown.rate,
            "estimated": fit.unknown.method,
        }
    detector = chain.detector if chain.faces == "find" else "none: each picture is a face already cut"
    return {
        "name": out.name.removesuffix(bundles.SUFFIX),
        "date": today(),
        "version": __version__,
        "labels": fit.counts,
        "recipe": options.recipe,
        "head": fit.head.kind,
        "detector": detector,
        "view": f"{chain.view.name}, {chain.view.size} pixels",
        "embedder": chain.embedder,
        "weights": licences(chain),
        "seed": options.seed,
        "measured": evaluation.as_json(),
        "how": f"while training, on photos that the head had not seen ({fit.held_out.method})",
        "unknown": unknown,
        "notes": fit.notes,
    }
