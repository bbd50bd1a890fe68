"""Photos whose label is doubted, because models that have not seen them take them for something else; moves none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mien.curate.doubts import Doubts, doubt
from mien.curate.finding import KEEP, Finding, Kind
from mien.curate.shown import ImageFeatures
from mien.models import EMBEDDER_SEPARATOR
from mien.types import UNKNOWN, Floats, Ints

# A class of fewer photos is not judged: of four of them, out of fold, nothing can be learnt.
_LEAST = 10

# Labels are listed from this probability on, and another is proposed where it is likelier than the one given. A person
# who looks at those in between finds one wrong in four, where one in ten or twenty is.
_LISTED, _PROPOSED = 0.15, 0.5


def suspects(shown: Sequence[ImageFeatures], seed: int = 0, excluded: frozenset[str] = frozenset()) -> list[Finding]:
    """Labelled photos -> those whose label is doubted, the likeliest first.

    Judged are main faces, by identity vectors, by those of traits, or by both: whichever agrees with the labels best.
    excluded: keys of photos that are copies of others, which would vouch for them. Photos of one `group` are never
    judged by each other. Classes under ten photos, and photos labelled "unknown" or not at all, are left alone.
    """
    table = _table(shown, excluded)
    if table is None:
        return []
    found = doubt(table.vectors, table.y, _units(table), seed)
    order = np.argsort(-found.wrong, kind="stable")
    return [_finding(table, found, i) for i in order.tolist() if found.wrong[i] >= _LISTED]


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Photos that are judged, their vectors (n, d) by kind, and the numbers (n,) of their labels."""

    shown: Sequence[ImageFeatures]
    vectors: Mapping[str, Floats]
    names: Sequence[str]
    y: Ints


def _table(shown: Sequence[ImageFeatures], excluded: frozenset[str]) -> _Table | None:
    named = [
        each
        for each in shown
        if each.origin.label not in (None, UNKNOWN) and each.key not in excluded and _complete(each)
    ]
    counts = Counter(each.origin.label for each in named)
    kept = [each for each in named if counts[each.origin.label] >= _LEAST]
    labels = [each.origin.label or "" for each in kept]
    if len(set(labels)) < 2:
        return None
    vectors = {name: np.stack([each.vectors[name][0] for each in kept]) for name in sorted(kept[0].vectors)}
    if len(vectors) > 1:
        vectors[EMBEDDER_SEPARATOR.join(vectors)] = np.concatenate(list(vectors.values()), axis=1)
    names, y = np.unique(labels, return_inverse=True)
    return _Table(kept, vectors, names.tolist(), y.astype(np.int64))


def _complete(each: ImageFeatures) -> bool:
    rows = each.vectors.values()
    return bool(rows) and all(len(row) and np.isfinite(row[0]).all() for row in rows)


def _units(table: _Table) -> Ints:
    """What stays together: photos of one group, and equal files; groups are set aside where a class is a single one."""
    files = [each.digest or each.key.encode() for each in table.shown]
    groups = [each.origin.group or file for each, file in zip(table.shown, files, strict=True)]
    for units in (groups, files):
        of = np.unique(np.array([str(unit) for unit in units]), return_inverse=True)[1]
        if all(len(np.unique(of[table.y == j])) > 1 for j in range(len(table.names))):
            return np.asarray(of, np.int64)
    return np.arange(len(files))


def _finding(table: _Table, found: Doubts, i: int) -> Finding:
    item, given = table.shown[i], int(table.y[i])
    truth = found.truth[i].copy()
    truth[given] = -1
    best = int(truth.argmax())
    label, other = table.names[given], table.names[best]
    detail = f"looks like {other} ({truth[best]:.2f}) rather than {label} ({found.truth[i, given]:.2f})"
    wrong = float(found.wrong[i])
    proposed = other if wrong >= _PROPOSED else KEEP
    return Finding(Kind.LABEL_SUSPECT, item.key, label, proposed, wrong, detail, _nearest(table, found.kind, i, best))


def _nearest(table: _Table, kind: str, i: int, label: int) -> str:
    """The key of the photo with a label that is most like the i-th."""
    rows, vectors = np.flatnonzero(table.y == label), table.vectors[kind]
    return table.shown[int(rows[(vectors[rows] @ vectors[i]).argmax()])].key
