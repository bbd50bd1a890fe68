"""What a study found, and its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien import fileio
from mien.evaluation.charts import duration, study_chart
from mien.evaluation.comparison import (
    ALPHA,
    Comparison,
    VariantScore,
    best_of,
    equals_of,
    format_p,
    verdict,
    with_units,
)
from mien.evaluation.templating import environment, printable
from mien.text import today
from mien.types import Rejected

if TYPE_CHECKING:
    import pandas as pd

_OPEN_PAIRS = 15
_QUESTIONS = {
    "augment": "Which variants of a photo help?",
    "size": "How many pixels does a face need?",
    "colour": "Grey or colour?",
    "hierarchy": "Flat, or in two steps?",
    "recipe": "Which recipe?",
}


@dataclass(frozen=True, slots=True)
class StudyResult:
    """What a study found; iterate over `scores`, one for each variant.

    comparisons: of every pair. photos: how many were used. remembered: trainings finished by an earlier run.
    """

    data: str
    over: str
    scores: Sequence[VariantScore]
    comparisons: Sequence[Comparison]
    photos: int
    rejected: Sequence[Rejected]
    remembered: int
    notes: Sequence[str]
    seconds: float

    @property
    def verdict(self) -> str:
        """What the comparisons come to, in a sentence; "" where there are none."""
        return verdict(*with_units(self.over, self.scores, self.comparisons))

    def as_json(self) -> dict[str, Any]:
        """The last line of `mien study --json`."""
        return {
            "over": self.over,
            "comparisons": [pair.as_json() for pair in self.comparisons],
            "verdict": self.verdict,
            "photos": self.photos,
            "rejected": len(self.rejected),
            "remembered": self.remembered,
            "seconds": round(self.seconds, 3),
        }

    def to_pandas(self) -> pd.DataFrame:
        """A table with a row per variant."""
        import pandas as pd

        return pd.DataFrame([score.as_json() for score in self.scores]).set_index("variant")

    def to_html(self, path: str | PathLike[str]) -> Path:
        """Write a page with figures and a chart of accuracy against training time; gives back where.

        Raises:
            DataError: it cannot be written.
        """
        fileio.write(Path(path), self._render("study.html").encode())
        return Path(path)

    def _repr_html_(self) -> str:
        return self._render("study_summary.html")

    def _render(self, template: str) -> str:
        scores, comparisons = with_units(self.over, self.scores, self.comparisons)
        best = best_of(scores)
        equals = equals_of(best, comparisons)
        pairs = sorted(comparisons, key=lambda pair: (not pair.real, -pair.difference))
        templates = environment(printable, duration=duration, points=_signed_points, format_p=format_p)
        return templates.get_template(template).render(
            study=self,
            date=today(),
            question=_QUESTIONS.get(self.over, self.over),
            verdict=verdict(scores, comparisons),
            scores=scores,
            best=best,
            equals=equals,
            chart=study_chart(scores, equals),
            pairs=pairs[:_OPEN_PAIRS],
            others=pairs[_OPEN_PAIRS:],
            alpha=ALPHA,
        )


def _signed_points(share: float) -> str:
    """A share -> points with their sign: "+2.1"."""
    return f"{100 * share:+.1f}".replace("-", "\N{MINUS SIGN}")
