"""Labelled photos as a recipe takes them, at the end of its chain; learns nothing from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mien.data import DataSet
from mien.errors import DataError
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec
from mien.text import join_names
from mien.types import UNKNOWN, Crop, Embedding, Origin, Rejected

LEARNT = (None, "train")
"""The splits of photos that are learnt from."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSet:
    """The photos of a data set as a recipe takes them, with a label, and those that could not be prepared."""

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


def gather_features(data: DataSet, spec: PipelineSpec, drive: RunOptions) -> FeatureSet:
    """Labelled data -> the end of the chain for each photo.

    Raises:
        DataError: none of the photos, or none of a class, can be learnt from.
    """
    found: list[Embedding | Crop] = []
    rejected: list[Rejected] = []
    for result in drive.inputs(spec, data.refs):
        if isinstance(result, Rejected):
            rejected.append(result)
        elif result.origin.label is not None:
            found.append(result)
    if not found:
        raise DataError(
            f"none of the {len(data.origins)} photos can be learnt from: in {len(rejected)} no face was found or the"
            " picture could not be read, and the others have no label"
        )
    if empty := sorted(_to_learn(data.origins) - _to_learn(item.origin for item in found)):
        raise DataError(
            f"none of the photos of {join_names(empty)} can be used (no face was found, or the picture could not be"
            " read): add others, or take the class out of the data"
        )
    return FeatureSet(found, rejected)


def _to_learn(origins: Iterable[Origin]) -> set[str]:
    """The classes among the photos that may be learnt from."""
    return {o.label for o in origins if o.label not in (None, UNKNOWN) and o.split in LEARNT}
