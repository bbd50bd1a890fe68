"""Labelled photos in, a bundle out: what was learnt, what it is worth, and the pages that say so."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien import __version__, models
from mien.data import DataSet, open_data
from mien.errors import DataError
from mien.evaluation import Report, grouped_by_label, measure, render_card
from mien.experiment.features import LEARNT, FeatureSet, gather_features
from mien.experiment.recipes import FaceOptions, Recipe, TrainOptions, build_recipe
from mien.experiment.select import EmbedderChoice, RecipeScore, choose_embedder, choose_recipe, faces_for
from mien.flows.clean import AppliedVerdicts, apply_verdicts
from mien.models.cards import OwnFile, own_card_as_json
from mien.pipeline.classifier import Classifier, load
from mien.pipeline.classify import make_prediction, stack_inputs
from mien.pipeline.evaluation import describe_embedder, report_page
from mien.pipeline.execute import RunOptions
from mien.pipeline.progress import Progress
from mien.pipeline.spec import PipelineSpec
from mien.store import bundle as bundles
from mien.text import today
from mien.training import TRAINED_ON, fingerprints
from mien.training.head import EmbedderScore
from mien.types import UNKNOWN, Crop, Embedding, Prediction, Rejected

if TYPE_CHECKING:
    from mien.training import Fit


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What came of a training; `evaluation` is of photos that were not learnt from.

    recipes: how those did that `recipe="auto"` compared. embedders: likewise for `embedder="auto"`.
    """

    bundle: Path
    recipe: Recipe
    rejected: Sequence[Rejected]
    fit: Fit
    evaluation: Report
    seconds: float
    recipes: Sequence[RecipeScore] = ()
    embedders: Sequence[EmbedderScore] = ()

    def as_json(self) -> dict[str, Any]:
        """The last line of `mien train --json`."""
        measured = self.evaluation
        return {
            "bundle": str(self.bundle),
            "recipe": self.recipe.name,
            "labels": list(self.fit.head.labels),
            "counts": dict(self.fit.counts),
            "rejected": len(self.rejected),
            "validation": {
                "accuracy": measured.accuracy.value,
                "macro_f1": measured.macro_f1.value,
                "n": measured.accuracy.of,
                "accuracy_all": measured.accuracy_all.value,
                "ece": measured.ece,
                "interval": measured.accuracy.interval,
                "method": self.fit.held_out.method,
            },
            "seconds": round(self.seconds, 3),
            "detector": self.recipe.spec.detector,
            "embedder": self.recipe.spec.embedder,
            "head": self.fit.head.kind,
            "tried": [score.as_json() for score in self.recipes],
            "embedders": [score.as_json() for score in self.embedders],
        }


@dataclass(frozen=True, slots=True)
class TrainedClassifier(Classifier):
    """A classifier that was just trained, with what came of the training."""

    training: TrainResult = field(kw_only=True)

    @property
    def report(self) -> Report:
        """What was measured on photos that were not learnt from."""
        return self.training.evaluation


def train(
    data: str | Path | DataSet,
    out: str | Path,
    *,
    recipe: str = "head",
    detector: str = "auto",
    embedder: str = "auto",
    faces: str = "find",
    min_face: int | None = None,
    labels: str | Path | None = None,
    images: str | Path | None = None,
    target: str | None = None,
    verdicts: str | Path | None = None,
    hierarchy: str | None = None,
    augment: str | None = None,
    size: int | None = None,
    colour: str | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    learning_rate: float | None = None,
    balance: str | None = None,
    false_accepts: float = 0.01,
    seed: int = 0,
    workers: int | None = None,
    keep_going: bool = False,
    cache: bool = True,
    progress: bool | Progress = False,
) -> TrainedClassifier:
    """Learn classes from labelled photos; the classifier is ready to use, and has a `.report`.

    Args:
        data: Folder of label folders, CSV, Parquet, fer2013.csv, a folder with metadata.csv, or a `DataSet`.
        out: Where the bundle goes, such as "people.mien".
        recipe: "head", "embedding-cnn", "finetune", "fer-cnn", "resnet-small", "alexnet", or "auto" for the best.
        detector: "auto", or a name from `mien models list`.
        embedder: "auto", or a name from `mien models list`.
        faces: "find" looks for the face, "cut" takes each picture as a face already cut.
        min_face: Side of the smallest face, in pixels of the photo.
        labels: CSV that labels the photos of a folder.
        images: Folder that the file names of a table start from.
        target: Column of a table that holds the label.
        verdicts: Table of decisions about findings of `check`.
        hierarchy: Tree over the labels, told apart step by step: a TOML file or the name of a plan.
        augment: Policy of the variants that a network sees crops in: a name or TOML file.
        size: Side of a network's crops, in pixels.
        colour: Of a network's crops: "rgb" or "grey".
        epochs: Epochs of a network.
        minutes: Time limit for a network; with recipe "auto" for everything (default 30).
        learning_rate: Of a network.
        balance: How a network treats uneven labels: "none", "weights" or "sampling".
        false_accepts: Share of strangers that may be taken for somebody known.
        seed: Seed of everything that is random.
        workers: Threads, by default as many as there are cores.
        keep_going: An unexpected failure costs only its photo.
        cache: Whether embeddings are looked up and stored.
        progress: Show bars.

    Raises:
        UnknownName: No such recipe.
        DataError: Too little to learn from, an option that does not go with the recipe, or `out` cannot be written.
        WeightsError: Weights are missing.
        MissingExtra: So is a package.
    """
    run = RunOptions.build(workers, keep_going, cache, progress)
    name = "data" if isinstance(data, DataSet) else Path(data).resolve().name
    given = open_data(data, labels=labels, images=images, target=target)
    given, applied = _reviewed(given, data, verdicts)
    for note in given.notes:
        run.note(note)
    options = TrainOptions(
        recipe, seed, false_accepts, hierarchy, epochs, minutes, learning_rate, policy=augment, balance=balance
    )
    preparation = FaceOptions(detector, embedder, faces, min_face, size, _is_grey(colour))
    result = train_bundle(given, name, Path(out), options, preparation, run, verdicts=applied)
    for note in result.fit.notes:
        run.note(note)
    classifier = load(result.bundle)
    return TrainedClassifier(
        classifier.bundle, classifier.spec, classifier.head, classifier.trained_on, training=result
    )


def train_bundle(
    data: DataSet,
    name: str,
    out: Path,
    options: TrainOptions,
    faces: FaceOptions,
    run: RunOptions,
    *,
    verdicts: AppliedVerdicts | None = None,
) -> TrainResult:
    """Labelled data (called `name`) -> a bundle at `out`, whose manifest tells of the `verdicts` that were applied.

    Raises: as `train`.
    """
    bundles.check_writable(out)
    start = time.perf_counter()
    recipes: Sequence[RecipeScore] = ()
    choice = _choose_embedder(data, options, faces, run)
    if choice is not None:
        faces = replace(faces, embedder=choice.spec.embedder)
        run.note(choice.note)
    if options.recipe == "auto":
        chosen = choose_recipe(data, options, faces, run)
        options, recipes, faces = chosen.options, chosen.scores, faces_for(chosen.options.recipe, faces)
        for note in chosen.notes:
            run.note(note)
    title = out.name.removesuffix(bundles.SUFFIX)
    recipe = build_recipe(options, faces, run, title)
    _check(recipe, data)
    if choice is not None and choice.spec != recipe.spec:  # of a recipe that looks at the face itself
        choice = None
    features = gather_features(data, recipe.spec, run) if choice is None else choice.features
    inputs = stack_inputs(features.items)
    fit = recipe.learn(inputs, features.labels, features.groups, features.splits, options.seed)
    results: list[Prediction | Rejected] = [*_held_out(fit, features.items), *_counted(fit, features)]
    grouped = not grouped_by_label(data.origins)
    evaluation = measure(results, fit.head.labels, fit.head.threshold, grouped=grouped)
    embedders = () if choice is None else choice.scores
    result = TrainResult(
        out, recipe, features.rejected, fit, evaluation, time.perf_counter() - start, recipes, embedders
    )
    note = _measured(fit, chosen=bool(recipes or embedders))
    pages = {
        "report.html": report_page(evaluation, title, data, name, recipe.spec, note, _curves(fit)),
        "card.md": render_card(_facts(out, recipe.spec, options, fit, evaluation)),
    }
    manifest = _manifest(name, options, result)
    if verdicts is not None:
        manifest["training"]["verdicts"] = verdicts.as_json()
    arrays = {**fit.head.to_arrays(), TRAINED_ON: np.sort(fingerprints(inputs[row] for row in fit.seen))}
    bundles.save(out, manifest, arrays, pages, fit.parts)
    return replace(result, seconds=time.perf_counter() - start)


def _reviewed(
    given: DataSet, data: str | Path | DataSet, verdicts: str | Path | None
) -> tuple[DataSet, AppliedVerdicts | None]:
    """What was read from `data`, as a person's verdicts would have it."""
    if verdicts is None:
        return given, None
    root = Path() if isinstance(data, DataSet) else Path(data)
    return apply_verdicts(given, Path(verdicts), root if root.is_dir() else root.parent)


def _is_grey(colour: str | None) -> bool | None:
    if colour not in (None, "rgb", "grey"):
        raise DataError(f"--colour {colour}: use rgb or grey")
    return None if colour is None else colour == "grey"


def _choose_embedder(
    data: DataSet, options: TrainOptions, faces: FaceOptions, run: RunOptions
) -> EmbedderChoice | None:
    """The embedder that suits the labels, where the user leaves that open and the recipe takes any."""
    if faces.embedder != "auto" or options.recipe not in ("head", "auto"):
        return None
    if options.recipe == "head":
        _check(build_recipe(options, faces, run), data)  # refused before photos are looked at
    return choose_embedder(data, faces, options.seed, run)


def _measured(fit: Fit, *, chosen: bool) -> str:
    """How the figures of a training came about, for its report."""
    method = fit.held_out.method
    note = f"Measured while training, on photos that were not learnt from ({method})."
    if chosen and method not in ("val", "test"):
        note += (
            " The recipe or embedder was chosen by its results on photos that include these, so the figures are"
            " slightly optimistic."
        )
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


def _manifest(name: str, options: TrainOptions, result: TrainResult) -> dict[str, Any]:
    fit, spec = result.fit, result.recipe.spec
    return {
        "mien": __version__,
        "created": today(),
        "recipe": options.recipe,
        "labels": list(fit.head.labels),
        "counts": dict(fit.counts),
        "chain": spec.as_json(),
        "weights": spec.weights(),
        "networks": {card.name: own_card_as_json(card) for card in _cards(spec) if isinstance(card.source, OwnFile)},
        "head": fit.head.to_json(),
        "training": {
            "data": name,
            "seed": options.seed,
            "false_accept_rate": options.false_accept_rate,
            "hierarchy": options.hierarchy,
            "rejected": len(result.rejected),
            **fit.as_json(),
            "tried": [score.as_json() for score in result.recipes],
            "embedders": [score.as_json() for score in result.embedders],
        },
        # The whole confusion matrix of many labels would be most of the file; the report shows it.
        "measured": {name: value for name, value in result.evaluation.as_json().items() if name != "confusion"},
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
        "embedder": describe_embedder(spec),
        "weights": _licences(spec),
        "seed": options.seed,
        "measured": evaluation.as_json(),
        "how": f"while training, on photos that were not learnt from ({fit.held_out.method})",
        "unknown": unknown,
        "notes": fit.notes,
    }


def _licences(spec: PipelineSpec) -> list[Mapping[str, Any]]:
    """What a card says about the weights that a spec uses."""
    return [{"name": card.name, "licence": card.licence, "commercial": card.commercial} for card in _cards(spec)]


def _cards(spec: PipelineSpec) -> list[models.Card]:
    return [models.get_card(name) for name in spec.weights()]
