"""The photos that a doubtful face is nearest to, in its own folder and in the one proposed; knows vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mien.curate.finding import Finding, Kind
from mien.curate.shown import ImageFeatures
from mien.types import Floats

_DOUBTFUL = frozenset({Kind.WRONG_PERSON, Kind.LABEL_SUSPECT})


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A photo beside another: its key, its label, and how far its main face lies from the other's (Euclidean)."""

    key: str
    label: str
    distance: float

    @property
    def caption(self) -> str:
        return f"nearest in {self.label}: {self.distance:.2f}"


def neighbours(
    findings: Sequence[Finding], shown: Sequence[ImageFeatures], vectors: str
) -> dict[int, Sequence[Neighbour]]:
    """Findings -> by their place, for each doubtful label the nearest photo of the proposed label and of its own.

    vectors: the name of those that labels are told apart by. Main faces are compared. Copies of the photo, which lie
    at no distance, are left out, and photos whose own label is in doubt.
    """
    doubtful = {finding.path for finding in findings if finding.kind in _DOUBTFUL}
    matrices = _by_label([each for each in shown if each.key not in doubtful], vectors)
    own = {each.key: each.vectors[vectors][0] for each in shown if len(each)}
    made: dict[int, Sequence[Neighbour]] = {}
    for i, finding in enumerate(findings):
        if finding.kind not in _DOUBTFUL or finding.path not in own:
            continue
        labels = dict.fromkeys(label for label in (finding.proposed, finding.label) if label in matrices)
        found = [_nearest(finding.path, own[finding.path], label or "", *matrices[label or ""]) for label in labels]
        made[i] = [each for each in found if each is not None]
    return made


_SAME = 1e-3
"""Faces at no more than this distance are of one picture."""


def _by_label(shown: Sequence[ImageFeatures], vectors: str) -> Mapping[str, tuple[list[str], Floats]]:
    """Label -> the keys of its photos with a face, and the vectors of their main faces (n, d)."""
    gathered: dict[str, list[ImageFeatures]] = {}
    for each in shown:
        if len(each) and each.origin.label is not None and np.isfinite(each.vectors[vectors][0]).all():
            gathered.setdefault(each.origin.label, []).append(each)
    return {
        label: ([one.key for one in some], np.stack([one.vectors[vectors][0] for one in some]))
        for label, some in gathered.items()
    }


def _nearest(key: str, vector: Floats, label: str, keys: Sequence[str], matrix: Floats) -> Neighbour | None:
    distances = np.linalg.norm(matrix - vector, axis=1)
    for i in np.argsort(distances, kind="stable"):
        if keys[i] != key and distances[i] > _SAME:
            return Neighbour(keys[i], label, float(distances[i]))
    return None
