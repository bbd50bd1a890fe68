"""One page that shows an evaluation: figures in, HTML out that needs no network, no script and no second file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, TypeAlias

import numpy as np

from mien.evaluate.charts import heat, reliability_chart, stranger_chart, training_chart
from mien.evaluate.evaluation import Confusion, Evaluation
from mien.evaluate.templating import environment, printable

Thumbnail: TypeAlias = Callable[[str], bytes | None]
"""A photo's uri -> a small JPEG of it, or None where there is none."""

_NUMBERED = 20  # up to here a table of counts is readable
_LETTERED = 60  # up to here a picture can carry its labels
_DRAWN = 300  # beyond, a picture shows nothing that the list of pairs does not
_PAIRS = 15
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


@dataclass(frozen=True, slots=True)
class _Shown:
    """A mistake with its picture as a data: address."""

    name: str
    folder: str
    truth: str
    answer: str
    probability: float
    stranger: bool
    picture: str | None


def render_report(
    evaluation: Evaluation, about: About, thumbnail: Thumbnail | None = None, *, most_mistakes: int = 60
) -> str:
    """Evaluation -> a whole HTML page; `thumbnail` is asked for the worst `most_mistakes` mistakes only."""
    occurring = _occurring(evaluation.confusion)
    unknown = evaluation.unknown
    classes = sorted(
        ((label, score) for label, score in evaluation.per_class.items() if score.n or score.precision.of),
        key=lambda item: (item[1].f1 is None, item[1].f1 or 0.0, item[0]),
    )
    view: dict[str, Any] = {
        "e": evaluation,
        "about": about,
        "confusion": occurring,
        "as_table": len(occurring.labels) <= _NUMBERED,
        "heat": heat(occurring, _LETTERED) if _NUMBERED < len(occurring.labels) <= _DRAWN else None,
        "confused": _most_confused(occurring),
        "weakest": classes[:_OPEN_ROWS],
        "others": classes[_OPEN_ROWS:],
        "threshold": unknown.threshold if isfinite(unknown.threshold) else None,
        "reliability": reliability_chart(evaluation.bins),
        "curves": [stranger_chart(unknown, reach) for reach in (0.1, 1.0)] if unknown.roc else [],
        "training": [training_chart(name, about.curves) for name in ("accuracy", "loss")] if about.curves else [],
        "mistakes": list(_shown(evaluation, thumbnail, most_mistakes)),
        "rejections": _rejections(evaluation),
    }
    return environment(printable).get_template("report.html").render(view)


def _occurring(confusion: Confusion) -> Confusion:
    """Only the labels that occur, as truth or as answer."""
    kept = np.flatnonzero(confusion.matrix.sum(axis=0) + confusion.matrix.sum(axis=1))
    return Confusion(tuple(confusion.labels[i] for i in kept), confusion.matrix[np.ix_(kept, kept)])


def _most_confused(confusion: Confusion) -> list[tuple[str, str, int, int]]:
    """Truth, answer, how many, of how many: the most frequent confusions first."""
    wrong = confusion.matrix.copy()
    np.fill_diagonal(wrong, 0)
    of = confusion.matrix.sum(axis=1)
    pairs = sorted(((int(wrong[i, j]), int(i), int(j)) for i, j in np.argwhere(wrong)), key=lambda p: (-p[0], p[1:]))
    return [(confusion.labels[i], confusion.labels[j], count, int(of[i])) for count, i, j in pairs[:_PAIRS]]


def _shown(evaluation: Evaluation, thumbnail: Thumbnail | None, most: int) -> Iterable[_Shown]:
    for m in evaluation.mistakes[:most]:
        jpeg = thumbnail(m.uri) if thumbnail else None
        picture = f"data:image/jpeg;base64,{b64encode(jpeg).decode()}" if jpeg else None
        folder, _, name = m.uri.replace("\\", "/").rpartition("/")
        yield _Shown(name, folder, m.truth, m.answer, m.probability, m.stranger, picture)


def _rejections(evaluation: Evaluation) -> list[tuple[str, str, int, list[str]]]:
    """Reason, what it means, how many, and the first few photos."""
    return [
        (str(reason), reason.meaning, count, _first(evaluation, reason)) for reason, count in evaluation.reasons.items()
    ]


def _first(evaluation: Evaluation, reason: str) -> list[str]:
    return [r.key for r in evaluation.rejections if r.reason == reason][:_NAMED_REJECTIONS]
