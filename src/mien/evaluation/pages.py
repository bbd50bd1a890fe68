"""The pages that a person reads: the report of an evaluation, and the card of a bundle."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, TypeAlias

import numpy as np

from mien.evaluation.charts import reliability_chart, stranger_chart, training_chart
from mien.evaluation.report import Confusion, Mistake, Report
from mien.evaluation.templating import environment, markdown, printable

Thumbnail: TypeAlias = Callable[[str], bytes | None]
"""A photo's uri -> a small JPEG of it, or None where there is none."""

_LABELS_IN_TABLE = 20  # up to here a table of counts is readable
_LABELS_IN_PICTURE = 300  # beyond, a picture shows nothing that the list of pairs does not
_LABELS_NAMED = 60  # up to here a picture can carry its labels
_LABELS_LISTED = 60  # on a card; beyond, their number and sizes say more than a list
_CONFUSED_PAIRS = 15
_OPEN_ROWS = 30
_NAMED_REJECTIONS = 10


@dataclass(frozen=True, slots=True)
class About:
    """What was evaluated, in words for the head of the page; `note` says how, where that is not plain.

    curves: what was measured after each epoch of a training, by name: loss, stop_loss, accuracy, stop_accuracy.
    """

    bundle: str
    data: str
    date: str
    detector: str
    embedder: str
    note: str = ""
    curves: Mapping[str, Sequence[float | None]] = field(default_factory=dict)


def render_report(report: Report, about: About, thumbnail: Thumbnail | None = None, *, most_mistakes: int = 60) -> str:
    """Report -> a whole HTML page; `thumbnail` is asked for the worst `most_mistakes` mistakes only."""
    unknown = report.unknown
    confusion = (report.confusion or Confusion((), np.zeros((0, 0), dtype=np.int64))).occurring()
    classes = sorted(
        ((label, score) for label, score in report.per_class.items() if score.n or score.precision.of),
        key=lambda item: (item[1].f1 is None, item[1].f1 or 0.0, item[0]),
    )
    count = len(confusion.labels)
    view: dict[str, Any] = {
        "e": report,
        "about": about,
        "confusion": confusion,
        "as_table": count <= _LABELS_IN_TABLE,
        "heat": _heat_map(confusion) if _LABELS_IN_TABLE < count <= _LABELS_IN_PICTURE else None,
        "confused": _most_confused(confusion),
        "weakest": classes[:_OPEN_ROWS],
        "others": classes[_OPEN_ROWS:],
        "threshold": unknown.threshold if isfinite(unknown.threshold) else None,
        "reliability": reliability_chart(report.bins) if report.bins else None,
        "curves": [stranger_chart(unknown, reach) for reach in (0.1, 1.0)] if unknown.roc else [],
        "training": [training_chart(name, about.curves) for name in ("accuracy", "loss")] if about.curves else [],
        "mistakes": [_with_picture(mistake, thumbnail) for mistake in report.mistakes[:most_mistakes]],
        "rejections": [
            (reason, count, [r.key for r in report.rejections if r.reason == reason][:_NAMED_REJECTIONS])
            for reason, count in report.reasons.items()
        ],
    }
    return environment(printable).get_template("report.html").render(view)


def render_card(facts: Mapping[str, Any]) -> str:
    """Facts of a bundle -> its card in Markdown, after Mitchell et al. 2019, "Model cards for model reporting".

    Required: `name`, `date`, `labels` (label -> number of photos), `recipe`, `detector`, `view`, `embedder` (texts),
    `weights` (mappings with `name`, `licence`, `commercial`: yes, no or unknown), `measured` (what `Report.as_json`
    gives) and `how` it was measured (a text that follows "Measured").
    Optional: `purpose`, `version`, `seed`, `head`, `notes` (texts, in the order in which they matter), and
    `unknown` with `threshold`, `false_accept_rate` (the rate aimed at; None where that is a guess) and `estimated`
    (how, in words).

    Raises:
        KeyError, jinja2.UndefinedError: a required fact is missing.
    """
    labels = dict(facts["labels"])
    counts = labels.values()
    scores = facts["measured"]["per_class"].items()
    imperfect = [item for item in scores if item[1]["f1"] is not None and item[1]["f1"] < 1]
    imperfect.sort(key=lambda item: (item[1]["f1"], item[0]))
    view = {
        **dict.fromkeys(("purpose", "version", "seed", "head", "unknown")),
        "notes": (),
        **facts,
        "labels": labels if len(labels) <= _LABELS_LISTED else None,
        "label_count": len(labels),
        "photo_count": sum(counts),
        "fewest": min(counts, default=0),
        "most": max(counts, default=0),
        "weakest": imperfect[:5],
        "restricted": [w for w in facts["weights"] if w["commercial"] != "yes"],
    }
    return environment(markdown).get_template("card.md").render(view)


def _heat_map(confusion: Confusion) -> dict[str, Any]:
    """The confusion as a picture: its cells that are not empty, and labels only where they would be legible."""
    labels, matrix, of = confusion.labels, confusion.matrix, confusion.matrix.sum(axis=1)
    named = len(labels) <= _LABELS_NAMED
    cell = 14 if named else max(2, 720 // len(labels))
    return {
        "labels": labels,
        "cells": [(int(i), int(j), int(matrix[i, j]), int(of[i])) for i, j in np.argwhere(matrix)],
        "cell": cell,
        "side": cell * len(labels),
        "margin": min(24, max(map(len, labels))) * 7 + 8 if named else 0,
        "named": named,
    }


def _most_confused(confusion: Confusion) -> list[tuple[str, str, int, int]]:
    """Truth, answer, how many, of how many: the most frequent confusions first."""
    wrong = confusion.matrix.copy()
    np.fill_diagonal(wrong, 0)
    of = confusion.matrix.sum(axis=1)
    pairs = sorted(((int(wrong[i, j]), int(i), int(j)) for i, j in np.argwhere(wrong)), key=lambda p: (-p[0], p[1:]))
    return [(confusion.labels[i], confusion.labels[j], count, int(of[i])) for count, i, j in pairs[:_CONFUSED_PAIRS]]


def _with_picture(mistake: Mistake, thumbnail: Thumbnail | None) -> dict[str, Any]:
    """A mistake as the page shows it, with its picture as a data: address."""
    jpeg = thumbnail(mistake.uri) if thumbnail else None
    folder, _, name = mistake.uri.replace("\\", "/").rpartition("/")
    picture = f"data:image/jpeg;base64,{b64encode(jpeg).decode()}" if jpeg else None
    return {"mistake": mistake, "name": name, "folder": folder, "picture": picture}
