"""Labelled photos prepared for training: for one recipe, or in folds for several variants of a study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.data import DataSet
from mien.errors import DataError
from mien.pipeline.classify import stack_inputs
from mien.pipeline.execute import RunOptions, prepare_photos
from mien.pipeline.spec import PipelineSpec
from mien.text import join_names, pluralize
from mien.training.folds import Samples, assign_folds, units_for_test
from mien.training.splits import assign_splits, likeness
from mien.types import UNKNOWN, Crop, Embedding, Ints, Origin, Rejected

LEARNT = (None, "train")
"""The splits of photos that are trained on."""

FOLDS = 5
"""Into how many parts each seed of a study splits the photos."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSet:
    """The labelled photos of a data set as a recipe takes them, and those that could not be prepared."""

    items: Sequence[Embedding | Crop]
    rejected: Sequence[Rejected]

    @property
    def labels(self) -> list[str]:
        return [item.origin.label or UNKNOWN for item in self.items]

    @property
    def groups(self) -> list[str | None]:
        return [item.origin.group for item in self.items]

    @property
    def splits(self) -> list[str | None]:
        return [item.origin.split for item in self.items]


@dataclass(frozen=True, slots=True, eq=False)
class StudyData:
    """The photos of a study, row by row the same for every variant.

    y (n,): numbers of `labels`. units (n,): equal for photos that stay together. folds: for each seed the fold of each
    photo (n,), or -1. inputs (n, ...): of each spec.
    """

    keys: Sequence[str]
    labels: tuple[str, ...]
    y: Ints
    units: Ints
    folds: Sequence[Ints]
    groups: Sequence[str | None]
    inputs: Mapping[PipelineSpec, npt.NDArray[Any]]
    rejected: Sequence[Rejected]
    notes: Sequence[str]

    @property
    def names(self) -> list[str]:
        """The label of each photo."""
        return [self.labels[j] for j in self.y]

    def tests(self, folds: int) -> Iterator[tuple[int, int, Ints]]:
        """Seed, fold, and the rows of the photos to test on, for that many folds of each seed.

        A class with fewer than two photos left to train on is not tested in that fold.
        """
        for seed, fold in enumerate(self.folds):
            for number in np.unique(fold[fold >= 0])[:folds].tolist():
                left = np.bincount(self.y[fold != number], minlength=len(self.labels))
                rows = np.flatnonzero((fold == number) & (left[self.y] >= 2))
                if len(rows):
                    yield seed, number, rows


def gather_features(data: DataSet, spec: PipelineSpec, run: RunOptions) -> FeatureSet:
    """Labelled data -> its photos as the spec prepares them.

    Raises:
        DataError: none of the photos, or none of a class, can be used for training.
    """
    results = list(prepare_photos(spec, data.refs, run))
    rejected = [result for result in results if isinstance(result, Rejected)]
    items = [item for item in results if not isinstance(item, Rejected) and item.origin.label is not None]
    if not items:
        raise DataError(
            f"none of the {len(data.origins)} photos can be used for training: in {len(rejected)} no face was found or"
            " the picture could not be read, and the others have no label"
        )
    if empty := sorted(_classes(data.origins) - _classes(item.origin for item in items)):
        raise DataError(
            f"none of the photos of {join_names(empty)} can be used (no face was found, or the picture could not be"
            " read): add others, or take the class out of the data"
        )
    return FeatureSet(items, rejected)


def prepare_study(data: DataSet, specs: Iterable[PipelineSpec], run: RunOptions, seeds: int) -> StudyData:
    """Labelled data -> its photos as each of these specs prepares them, in folds, once for each seed.

    A photo that one spec cannot prepare is left out for all. Official splits other than "train" are left alone, so
    that what is chosen can still be measured on them; strangers have no part in a study.

    Raises:
        DataError: too few photos can be used. WeightsError: weights are missing.
    """
    prepared: dict[PipelineSpec, dict[str, Embedding | Crop]] = {}
    rejected: dict[str, Rejected] = {}
    for spec in dict.fromkeys(specs):
        features = gather_features(data, spec, run)
        prepared[spec] = {item.key: item for item in features.items}
        rejected |= {item.key: item for item in features.rejected}
    keys = [
        origin.uri
        for origin in data.origins
        if origin.label not in (None, UNKNOWN) and all(origin.uri in items for items in prepared.values())
    ]
    if not keys:
        raise DataError("no labelled photo can be prepared for all variants: see which photos were rejected, and why")
    inputs = {spec: stack_inputs([items[key] for key in keys]) for spec, items in prepared.items()}
    first, items = next(iter(inputs.values())), next(iter(prepared.values()))
    origins = [items[key].origin for key in keys]
    groups = [origin.group for origin in origins]
    roles = assign_splits(first, [o.label or "" for o in origins], groups, [o.split for o in origins])
    train_groups = [groups[i] for i in roles.train]
    units = units_for_test(
        Samples(likeness(first[roles.train]), roles.y, roles.labels, train_groups), FOLDS, range(seeds)
    )
    notes = [*units.notes]
    if left_out := len(keys) - len(roles.train):
        other = pluralize(left_out, "photo")
        notes.insert(0, f"{other} of other splits than train: not used, so that the best can be tested on them")
    return StudyData(
        keys=[keys[i] for i in roles.train],
        labels=roles.labels,
        y=roles.y,
        units=units.of,
        folds=[assign_folds(roles.y, units, FOLDS, seed) for seed in range(seeds)],
        groups=train_groups,
        inputs={spec: rows[roles.train] for spec, rows in inputs.items()},
        rejected=list(rejected.values()),
        notes=notes,
    )


def _classes(origins: Iterable[Origin]) -> set[str]:
    """The classes among the photos that may be trained on."""
    return {o.label for o in origins if o.label not in (None, UNKNOWN) and o.split in LEARNT}
