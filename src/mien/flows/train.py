"""Labelled photos in, a bundle out: what was learnt, what it is worth, and the pages that say so."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien import __version__
from mien.data import DataSet
from mien.errors import DataError
from mien.evaluate import Report, grouped_by_label, measure, render_card
from mien.experiment.features import LEARNT, FeatureSet, gather_features
from mien.experiment.recipes import FaceOptions, Recipe, TrainOptions, build_recipe
from mien.experiment.select import EmbedderChoice, RecipeScore, choose_embedder, choose_recipe, faces_for
from mien.flows.report import licences, looked_at_by, report, today
from mien.flows.reviewed import AppliedVerdicts
from mien.pipeline.classify import make_prediction, stack_inputs
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec
from mien.store import bundle as bundles
from mien.train.rivals import Rival
from mien.train.seen import SEEN, digests
from mien.types import UNKNOWN, Crop, Embedding, Prediction, Rejected

if TYPE_CHECKING:
    from mien.train.fit import Fit


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What came of it; `evaluation` is of photos that were not learnt from.

    tried: the recipes that "auto" compared. rivals: the embedders that "auto" did.
    """

    bundle: Path
    recipe: Recipe
    rejected: Sequence[Rejected]
    fit: Fit
    evaluation: Report
    seconds: float
    tried: Sequence[RecipeScore] = ()
    rivals: Sequence[Rival] = ()


def train(
    data: DataSet,
    name: str,
    out: Path,
    options: TrainOptions,
    faces: FaceOptions,
    drive: RunOptions,
    *,
    verdicts: AppliedVerdicts | None = None,
) -> TrainResult:
    """Labelled data (called `name`) -> a bundle at `out`, which tells of the `verdicts` that the data was changed by.

    Raises:
        UnknownName: no such recipe. DataError: too little to learn from, an option that does not go with the recipe, or
        `out` cannot be written. WeightsError: weights are missing. MissingExtra: so is a package.
    """
    bundles.check_writable(out)
    start = time.perf_counter()
    tried: Sequence[RecipeScore] = ()
    picked = _picked(data, options, faces, drive)
    if picked is not None:
        faces = replace(faces, embedder=picked.spec.embedder)
        drive.tell(picked.note)
    if options.recipe == "auto":
        chosen = choose_recipe(data, options, faces, drive)
        options, tried, faces = chosen.options, chosen.scores, faces_for(chosen.options.recipe, faces)
        for note in chosen.notes:
            drive.tell(note)
    title = out.name.removesuffix(bundles.SUFFIX)
    recipe = build_recipe(options, faces, drive, title)
    _check(recipe, data)
    if picked is not None and picked.spec != recipe.spec:  # of a recipe that looks at the face itself
        picked = None
    found = gather_features(data, recipe.spec, drive) if picked is None else picked.features
    inputs = stack_inputs(found.items)
    fit = recipe.learn(inputs, found.labels, found.groups, found.splits, options.seed)
    results: list[Prediction | Rejected] = [*_held_out(fit, found.items), *_counted(fit, found)]
    grouped = not grouped_by_label(data.origins)
    evaluation = measure(results, fit.head.labels, fit.head.threshold, grouped=grouped)
    rivals = () if picked is None else picked.scores
    note = _measured(fit, chosen=bool(tried or rivals))
    pages = {
        "report.html": report(evaluation, title, data, name, recipe.spec, note, _curves(fit)),
        "card.md": render_card(_facts(out, recipe.spec, options, fit, evaluation)),
    }
    manifest = _manifest(name, recipe.spec, options, fit, evaluation, len(found.rejected))
    manifest["training"] |= {"tried": [one.as_json() for one in tried], "embedders": [one.as_json() for one in rivals]}
    if verdicts is not None:
        manifest["training"]["verdicts"] = verdicts.as_json()
    arrays = {**fit.head.to_arrays(), SEEN: np.sort(digests(inputs[row] for row in fit.seen))}
    bundles.save(out, manifest, arrays, pages, fit.parts)
    return TrainResult(out, recipe, found.rejected, fit, evaluation, time.perf_counter() - start, tried, rivals)


def _picked(data: DataSet, options: TrainOptions, faces: FaceOptions, drive: RunOptions) -> EmbedderChoice | None:
    """The embedder that suits the labels, where the user leaves that open and the recipe takes any."""
    if faces.embedder != "auto" or options.recipe not in ("head", "auto"):
        return None
    if options.recipe == "head":
        _check(build_recipe(options, faces, drive), data)  # refused before photos are looked at
    return choose_embedder(data, faces, options.seed, drive)


def _measured(fit: Fit, *, chosen: bool) -> str:
    """How the figures of a training came about, for its report."""
    method = fit.held_out.method
    note = f"Measured while training, on photos that were not learnt from ({method})."
    if chosen and method not in ("val", "test"):
        note += " The way was chosen by how it did on photos which these are among, so the figures flatter a little."
    return note


def _check(recipe: Recipe, data: DataSet) -> None:
    """Refuse before photos are looked at: a tree over other labels, and networks that no bundle could hold."""
    if recipe.tree is not None:
        recipe.tree.check([o.label for o in data.origins if o.label is not None and o.split in LEARNT])
    size = 4 * recipe.weights
    if size > bundles.LARGEST:
        raise DataError(
            f"{recipe.name} for each question of the tree would fill {size >> 20} MiB, and a bundle holds a network of"
            f" {bundles.LARGEST >> 20} at most: give a smaller --size, or another --recipe"
        )


def _held_out(fit: Fit, found: Sequence[Embedding | Crop]) -> Iterator[Prediction]:
    """The answers for photos that were not learnt from when they were given."""
    held = fit.held_out
    for row, probabilities, familiarity in zip(held.rows, held.probabilities, held.familiarity, strict=True):
        yield make_prediction(found[row], fit.head, probabilities, float(familiarity))


def _counted(fit: Fit, found: FeatureSet) -> list[Rejected]:
    """The rejected among the photos that are measured on: of labels that were tested, and of the split that was.

    Out of fold, strangers are not measured, for those that were found have set the threshold. Of a part that was held
    back from the photos to learn from, the rejected count as the share of the photos that the part is.
    """
    named = fit.held_out.method in ("val", "test")
    tested = {*fit.head.labels, UNKNOWN} if named else {found.items[row].origin.label for row in fit.held_out.rows}
    splits = (fit.held_out.method,) if named else LEARNT
    counted = [item for item in found.rejected if item.origin.label in tested and item.origin.split in splits]
    if fit.held_out.method != "held-out":
        return counted
    parts = round(sum(fit.counts.values()) / max(1, len(fit.held_out.rows)))
    return counted[:: max(1, parts)]


def _curves(fit: Fit) -> Mapping[str, Sequence[float | None]]:
    """The course of a network's training, by what was measured after each epoch; empty for a head."""
    epochs = fit.as_json().get("curves", [])
    names = ("loss", "stop_loss", "accuracy", "stop_accuracy") if epochs else ()
    return {name: [epoch[name] for epoch in epochs] for name in names}


def _manifest(
    name: str,
    spec: PipelineSpec,
    options: TrainOptions,
    fit: Fit,
    evaluation: Report,
    rejected: int,
) -> dict[str, Any]:
    return {
        "mien": __version__,
        "created": today(),
        "recipe": options.recipe,
        "labels": list(fit.head.labels),
        "counts": dict(fit.counts),
        "chain": spec.as_json(),
        "weights": spec.weights(),
        "head": fit.head.to_json(),
        "training": {
            "data": name,
            "seed": options.seed,
            "false_accept_rate": options.false_accept_rate,
            "hierarchy": options.hierarchy,
            "rejected": rejected,
            **fit.as_json(),
        },
        # The whole confusion matrix of many labels would be most of the file; the report shows it.
        "measured": {name: value for name, value in evaluation.as_json().items() if name != "confusion"},
    }


def _facts(out: Path, spec: PipelineSpec, options: TrainOptions, fit: Fit, evaluation: Report) -> dict[str, Any]:
    unknown = None
    if fit.unknown.threshold is not None:
        unknown = {
            "threshold": fit.unknown.threshold,
            "false_accept_rate": fit.unknown.rate,
            "estimated": fit.unknown.method,
        }
    detector = spec.detector if spec.faces == "find" else "none: each picture is a face already cut"
    return {
        "name": out.name.removesuffix(bundles.SUFFIX),
        "date": today(),
        "version": __version__,
        "labels": fit.counts,
        "recipe": options.recipe,
        "head": fit.head.kind,
        "detector": detector,
        "view": f"{spec.view.name}, {spec.view.size} pixels",
        "embedder": looked_at_by(spec),
        "weights": licences(spec),
        "seed": options.seed,
        "measured": evaluation.as_json(),
        "how": f"while training, on photos that were not learnt from ({fit.held_out.method})",
        "unknown": unknown,
        "notes": fit.notes,
    }
