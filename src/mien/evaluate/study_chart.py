"""Where the variants of a study lie in the picture of accuracy against time; figures in, coordinates out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from mien.evaluate.charts import Tick
from mien.evaluate.templating import percent
from mien.evaluate.trials import Measured
from mien.text import escape

_LEFT, _TOP, _WIDTH, _HEIGHT, _MARGIN = 56.0, 16.0, 560.0, 300.0, 120.0
_LINE = 15.0  # pixels between two names
_LETTER = 6.8  # pixels that a letter of a name takes, about
_BESIDE = 12.0  # pixels from a dot to its name
_LONGEST = 24
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)  # of accuracy, between two lines
_UNITS = ((1, "s"), (60, "min"), (3600, "h"))
_ROUND = (
    (1, "s", (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 45)),
    (60, "min", (1, 2, 3, 5, 7, 10, 15, 20, 30, 45)),
    (3600, "h", (1, 2, 5, 10, 20, 50, 100)),
)
_APART = 45.0  # pixels between two marks of time


@dataclass(frozen=True, slots=True)
class Mark:
    """A variant: its dot, the whisker of its interval, and its name, which begins at `label_x`, `label_y`.

    `leads` where the name lies off its dot's height, so that a line has to lead to it; `best` where none is better.
    """

    x: float
    y: float
    low: float
    high: float
    name: str
    title: str
    best: bool
    label_x: float
    label_y: float
    leads: bool


@dataclass(frozen=True, slots=True)
class StudyChart:
    """The picture: marks, ticks, and a sentence that says what is to be seen."""

    marks: tuple[Mark, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    summary: str
    left: float = _LEFT
    top: float = _TOP
    width: float = _WIDTH
    height: float = _HEIGHT

    @property
    def whole_width(self) -> float:
        """With the room for names at the right."""
        return self.left + self.width + _MARGIN

    @property
    def whole_height(self) -> float:
        """With the axis below."""
        return self.top + self.height + 48


def study_chart(measured: Sequence[Measured], best: Collection[str]) -> StudyChart:
    """Variants, and the names of those that none is really better than -> accuracy against the time of one training.

    Time is on a logarithmic scale, for what is twice as long costs as much more wherever it stands.
    """
    low, high, step = _reach(measured)
    first, last = _decades(measured)

    def x_of(seconds: float) -> float:
        return round(_LEFT + _WIDTH * (log10(max(seconds, 1e-3)) - first) / (last - first), 1)

    def y_of(share: float) -> float:
        return round(_TOP + _HEIGHT * (high - share) / (high - low), 1)

    titles = [f"{m.variant}: {percent(m.accuracy_mean)}, {duration(m.train_seconds)} a training" for m in measured]
    places = [(x_of(m.train_seconds), y_of(m.accuracy_mean)) for m in measured]
    heights = _spread(places, [m.variant for m in measured])
    marks = [
        Mark(
            x=x,
            y=y,
            low=y_of(m.interval[0]),
            high=y_of(m.interval[1]),
            name=_short(m.variant),
            title=title,
            best=m.variant in best,
            label_x=round(x + _BESIDE, 1),
            label_y=round(at, 1),
            leads=abs(at - y) > _LINE / 2,
        )
        for m, title, (x, y), at in zip(measured, titles, places, heights, strict=True)
    ]
    lines = range(round(low / step), round(high / step) + 1)
    return StudyChart(
        marks=tuple(marks),
        x_ticks=_time_ticks(first, last, x_of),
        y_ticks=tuple(Tick(y_of(i * step), f"{100 * i * step:g}") for i in lines),
        summary="Accuracy against the time of one training; " + "; ".join(titles),
    )


def duration(seconds: float) -> str:
    """Seconds -> "0.4 s", "12 s", "3.5 min", "2.1 h"."""
    size, unit = next((u for u in reversed(_UNITS) if seconds >= 2 * u[0]), _UNITS[0])
    value = seconds / size
    return f"{value:.{2 if value < 0.1 else 1 if value < 10 else 0}f} {unit}"


def _reach(measured: Sequence[Measured]) -> tuple[float, float, float]:
    """The accuracies at the foot and the top of the picture, and the step between two lines."""
    low, high = min(m.interval[0] for m in measured), max(m.interval[1] for m in measured)
    step = next((step for step in _STEPS if (high - low) / step <= 6), _STEPS[-1])
    return max(0.0, floor(low / step) * step), min(1.0, max(ceil(high / step), floor(low / step) + 1) * step), step


def _decades(measured: Sequence[Measured]) -> tuple[float, float]:
    """Both ends of the time axis as powers of ten: room on either side, and never less than a factor of four."""
    times = [log10(max(m.train_seconds, 1e-3)) for m in measured]
    first, last = min(times) - 0.15, max(times) + 0.15
    wider = max(0.0, log10(4) - (last - first)) / 2
    return first - wider, last + wider


def _time_ticks(first: float, last: float, x_of: Callable[[float], float]) -> tuple[Tick, ...]:
    """Marks at round times, as many as stand apart."""
    ticks: list[Tick] = []
    for size, unit, steps in _ROUND:
        for step in steps:
            if first <= log10(size * step) <= last and (not ticks or x_of(size * step) - ticks[-1].at >= _APART):
                ticks.append(Tick(x_of(size * step), f"{step:g} {unit}"))
    return tuple(ticks)


def _spread(places: Sequence[tuple[float, float]], names: Sequence[str]) -> list[float]:
    """Dots and their names -> heights of the names, moved where two would meet: down, and up again at the foot."""

    def meet(i: int, j: int) -> bool:
        (left, first), (right, _) = sorted((places[k][0], names[k]) for k in (i, j))
        return right - left < _LETTER * len(_short(first)) + 2 * _BESIDE

    order = sorted(range(len(places)), key=lambda i: places[i][1])
    placed = [y for _, y in places]
    for at, i in enumerate(order):
        placed[i] = max([placed[i], *(placed[j] + _LINE for j in order[:at] if meet(i, j))])
    for at, i in reversed(list(enumerate(order))):
        placed[i] = min([placed[i], _TOP + _HEIGHT, *(placed[j] - _LINE for j in order[at + 1 :] if meet(i, j))])
    return placed


def _short(name: str) -> str:
    name = escape(name)
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
