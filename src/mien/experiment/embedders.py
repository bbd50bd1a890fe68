"""The embedder `auto` of a head: those for labels of different kinds, compared on the photos themselves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from statistics import median

from mien import models
from mien.data import DataSet
from mien.experiment.features import LEARNT, FeatureSet, gather_features
from mien.experiment.recipes import FaceOptions
from mien.models import APPEARANCE_EMBEDDER, EMBEDDER_SEPARATOR, IDENTITY_EMBEDDER
from mien.pipeline.classify import stack_inputs
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec, build_spec
from mien.text import join_names
from mien.train.rivals import FOLDS, MOST, Rival, best, compare
from mien.types import UNKNOWN, Crop, Embedding

# Labels with fewer photos each, or more of them, are people: there the first is better, and comparing costs time.
_FEWEST_PHOTOS, _MOST_LABELS = 20, 30


@dataclass(frozen=True, slots=True, eq=False)
class EmbedderChoice:
    """How all embedders did, the chain of the one that was chosen, and the photos at its end."""

    rivals: tuple[Rival, ...]
    spec: PipelineSpec
    found: FeatureSet

    @property
    def note(self) -> str:
        """What a person should know about the choice."""
        measured = [f"{one.embedder} {one.accuracy:.1%}" for one in self.rivals]
        return f"of {join_names(measured)} right in {FOLDS} folds, {self.spec.embedder} was chosen as embedder"


def choose_embedder(data: DataSet, faces: FaceOptions, seed: int, drive: RunOptions) -> EmbedderChoice | None:
    """Labelled data -> the embedder that tells its labels apart best; None where they look like people's names.

    Detection, which takes most of the time, is done once for all.

    Raises:
        DataError: too little to learn from. WeightsError: weights are missing.
    """
    if not _worthwhile(data):
        return None
    names = (IDENTITY_EMBEDDER, APPEARANCE_EMBEDDER)
    found = gather_features(
        data, build_spec(faces.detector, EMBEDDER_SEPARATOR.join(names), faces.faces, min_face=faces.min_face), drive
    )
    vectors = stack_inputs(found.items)
    starts = {
        IDENTITY_EMBEDDER: slice(None, models.get_card(IDENTITY_EMBEDDER).dim),
        APPEARANCE_EMBEDDER: slice(models.get_card(IDENTITY_EMBEDDER).dim, None),
    }
    parts = starts | {EMBEDDER_SEPARATOR.join(names): slice(None)}
    columns = {name: vectors[:, part] for name, part in parts.items()}
    rivals = compare(columns, found.labels, found.groups, found.splits, seed)
    chosen = best(rivals, min(MOST, len(vectors))).embedder
    items = [_part(item, parts[chosen]) for item in found.items]
    way = build_spec(faces.detector, chosen, faces.faces, min_face=faces.min_face)
    return EmbedderChoice(rivals, way, replace(found, items=items))


def _worthwhile(data: DataSet) -> bool:
    """Whether the labels may be something else than people: few, with many photos each, and without strangers."""
    labels = Counter(o.label for o in data.origins if o.label is not None and o.split in LEARNT)
    if UNKNOWN in labels or not 2 <= len(labels) <= _MOST_LABELS or median(labels.values()) < _FEWEST_PHOTOS:
        return False
    return models.is_available(IDENTITY_EMBEDDER) and models.is_available(APPEARANCE_EMBEDDER)


def _part(item: Embedding | Crop, columns: slice) -> Embedding | Crop:
    return replace(item, vector=item.vector[columns].copy()) if isinstance(item, Embedding) else item
