"""One page that shows a study: variants and comparisons in, HTML out that needs no network and no second file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mien.evaluate.compare import ALPHA, Comparison
from mien.evaluate.study_chart import duration, study_chart
from mien.evaluate.templating import environment, printable
from mien.evaluate.trials import Measured
from mien.evaluate.verdict import best_of, chance, equals_of, verdict, worded

_QUESTIONS = {
    "augment": "Which variants of a photo help?",
    "size": "How many pixels does a face need?",
    "colour": "Grey or colour?",
    "hierarchy": "Flat, or in two steps?",
    "recipe": "Which recipe?",
}
_OPEN_PAIRS = 15


@dataclass(frozen=True, slots=True)
class StudyPage:
    """What a page is made of: the data's name, the day, what was varied, and what came of it."""

    data: str
    date: str
    over: str
    measured: Sequence[Measured]
    comparisons: Sequence[Comparison]
    photos: int
    rejected: int
    notes: Sequence[str]


def render_study(page: StudyPage) -> str:
    """A study -> a whole HTML page, with accuracy against training time drawn."""
    measured, comparisons = worded(page.over, page.measured, page.comparisons)
    best = best_of(measured)
    equals = equals_of(best, comparisons)
    pairs = sorted(comparisons, key=lambda pair: (not pair.real, -pair.difference))
    made = environment(printable)
    made.filters.update(duration=duration, points=_points, chance=chance)
    return made.get_template("study.html").render(
        page=page,
        question=_QUESTIONS.get(page.over, page.over),
        verdict=verdict(measured, comparisons),
        measured=measured,
        best=best,
        equals=equals,
        chart=study_chart(measured, equals),
        pairs=pairs[:_OPEN_PAIRS],
        others=pairs[_OPEN_PAIRS:],
        alpha=ALPHA,
    )


def _points(share: float) -> str:
    """A share -> points with their sign: "+2.1"."""
    return f"{100 * share:+.1f}".replace("-", "\N{MINUS SIGN}")
