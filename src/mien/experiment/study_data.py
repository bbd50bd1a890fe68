"""Photos as every variant of a study sees them, row for row the same photos; trains nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.data import DataSet
from mien.errors import DataError
from mien.experiment.features import gather_features
from mien.pipeline.classify import stack_inputs
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec
from mien.text import pluralize
from mien.train.holdout import likeness
from mien.train.roles import assign
from mien.train.samples import Samples
from mien.train.split import deal_folds, units_to_test
from mien.types import UNKNOWN, Crop, Embedding, Ints, Rejected

FOLDS = 5
"""Each seed deals the photos into so many parts."""


@dataclass(frozen=True, slots=True, eq=False)
class StudyData:
    """The photos of a study, which are the same for every variant.

    keys, groups, `y` (n,) numbers of `labels`, `units` (n,): photos that stay together. folds: for each seed the fold
    of each photo (n,), or -1. inputs: (n, ...), for each chain.
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
        """Seed, fold, and the photos to test on, for so many folds of each seed.

        A class of which fewer than two photos would be left to learn from is not tested on in that fold.
        """
        for seed, fold in enumerate(self.folds):
            for number in np.unique(fold[fold >= 0])[:folds].tolist():
                left = np.bincount(self.y[fold != number], minlength=len(self.labels))
                rows = np.flatnonzero((fold == number) & (left[self.y] >= 2))
                if len(rows):
                    yield seed, number, rows


def prepare_study(data: DataSet, chains: Iterable[PipelineSpec], drive: RunOptions, seeds: int) -> StudyData:
    """Labelled data -> its photos at the end of each of these chains, dealt into folds once for each seed.

    A photo that one chain cannot prepare is left out for all. Official splits other than "train" are left alone, so
    that what is chosen can still be measured on them; strangers have no part in a study.

    Raises:
        DataError: too few photos can be used. WeightsError: weights are missing.
    """
    found: dict[PipelineSpec, dict[str, Embedding | Crop]] = {}
    rejected: dict[str, Rejected] = {}
    for spec in dict.fromkeys(chains):
        gathered = gather_features(data, spec, drive)
        found[spec] = {item.key: item for item in gathered.items}
        rejected |= {item.key: item for item in gathered.rejected}
    keys = [
        origin.uri
        for origin in data.origins
        if origin.label not in (None, UNKNOWN) and all(origin.uri in items for items in found.values())
    ]
    if not keys:
        raise DataError("no photo with a label can be prepared for all variants: look at what was rejected")
    inputs = {spec: stack_inputs([items[key] for key in keys]) for spec, items in found.items()}
    items = next(iter(found.values()))
    return _dealt([items[key] for key in keys], inputs, list(rejected.values()), seeds)


def _dealt(
    items: Sequence[Embedding | Crop],
    inputs: Mapping[PipelineSpec, npt.NDArray[Any]],
    rejected: Sequence[Rejected],
    seeds: int,
) -> StudyData:
    first = next(iter(inputs.values()))
    origins = [item.origin for item in items]
    groups = [origin.group for origin in origins]
    roles = assign(first, [origin.label or "" for origin in origins], groups, [origin.split for origin in origins])
    kept = [groups[i] for i in roles.train]
    units = units_to_test(Samples(likeness(first[roles.train]), roles.y, roles.labels, kept), FOLDS, range(seeds))
    alone = len(origins) - len(roles.train)
    left = [f"{pluralize(alone, 'photo')} of other splits than train: left alone, to measure the chosen one on"]
    return StudyData(
        keys=[origins[i].uri for i in roles.train],
        labels=roles.labels,
        y=roles.y,
        units=units.of,
        folds=[deal_folds(roles.y, units, FOLDS, seed) for seed in range(seeds)],
        groups=kept,
        inputs={spec: each[roles.train] for spec, each in inputs.items()},
        rejected=rejected,
        notes=[*(left if alone else []), *units.notes],
    )
