"""Classes that are too small, or far larger than others; knows labels, and nothing of what photos show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mien.curate.finding import KEEP, Finding, Kind
from mien.curate.shown import ImageFeatures
from mien.text import pluralize
from mien.types import UNKNOWN

FEW = 20
"""Fewer photos than this say little about a class, and leave only a handful to measure it by."""

UNEVEN = 5.0
"""So many times the photos of another class, and a training sees the smaller one too seldom to weigh it rightly."""


def classes(shown: Sequence[ImageFeatures]) -> list[Finding]:
    """Labelled photos -> `few` for each class under 20 photos, `imbalance` for each that another has five times.

    Photos that show no face do not count, and where the data names splits, only those to learn from do.
    "unknown" is no class.
    """
    learnt = [each.origin.label for each in shown if each.origin.split in (None, "train") and len(each)]
    named = {each.origin.label for each in shown} - {None, UNKNOWN}
    seen = Counter(learnt)
    counts = {label: seen[label] for label in named if label is not None}
    if not counts:
        return []
    largest, most = max(counts.items(), key=lambda pair: (pair[1], pair[0]))
    found = []
    for label, n in sorted(counts.items()):
        if n < FEW:
            detail = f"{pluralize(n, 'photo')} with a face: add others until there are {FEW} at least"
            found.append(Finding(Kind.FEW, None, label, KEEP, 1.0, detail))
        if most >= UNEVEN * max(n, 1):
            times = f", {most / n:.1f} times as many" if n else ""
            detail = f"{pluralize(n, 'photo')} where {largest} has {most}{times}: add photos, or take some away there"
            found.append(Finding(Kind.IMBALANCE, None, label, KEEP, 1.0, detail, largest))
    return found
