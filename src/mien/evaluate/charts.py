"""Where lines, dots and cells of a picture lie: figures in, coordinates out; the template draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np

from mien.evaluate.calibration import Bin
from mien.evaluate.evaluation import Confusion
from mien.evaluate.strangers import OpenSet
from mien.evaluate.templating import percent

_LEFT, _TOP, _SIDE = 46.0, 12.0, 260.0


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A dot of radius `r`, with a whisker from `low` to `high` where there is an interval."""

    x: float
    y: float
    r: float
    title: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """A square plot: named paths, dots, ticks, and a sentence that says what is to be seen."""

    name: str
    x_label: str
    y_label: str
    summary: str
    paths: dict[str, str]
    dots: tuple[Dot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    left: float = _LEFT
    top: float = _TOP
    side: float = _SIDE
    x_unit: str = "%"
    y_unit: str = "%"


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of the confusion picture: counted from the top left, `share` of the row's photos."""

    row: int
    column: int
    share: float
    title: str


@dataclass(frozen=True, slots=True)
class Heat:
    """The confusion as a picture: sides in pixels, labels only where they would be legible."""

    labels: tuple[str, ...]
    cells: tuple[Cell, ...]
    cell: int
    margin: int
    lettered: bool

    @property
    def side(self) -> int:
        return self.cell * len(self.labels)


def reliability_chart(bins: Sequence[Bin]) -> Chart:
    """Bins -> their confidence against their share of hits, with intervals; on the diagonal all is as it says."""
    most = max((b.hits.of for b in bins), default=1)
    dots = []
    for b in bins:
        share, interval = b.hits.value or 0.0, b.hits.interval or (0.0, 1.0)
        title = f"said {percent(b.confidence)}, was {percent(share)} of {b.hits.of} photos"
        r = 3 + 5 * sqrt(b.hits.of / most)
        dots.append(Dot(_x(b.confidence), _y(share), r, title, _y(interval[0]), _y(interval[1])))
    return Chart(
        name="reliability",
        x_label="probability that was stated",
        y_label="share that was right",
        summary="Stated probability against the share that was right; " + "; ".join(d.title for d in dots),
        paths={"even": f"M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}"},
        dots=tuple(dots),
        x_ticks=_ticks(_x, 1.0),
        y_ticks=_ticks(_y, 1.0),
    )


def stranger_chart(unknown: OpenSet, reach: float) -> Chart:
    """Open-set figures that have a curve -> both its lines for false accept rates from 0 to `reach`."""
    fars = [p.far for p in unknown.roc]
    far, named = unknown.false_accepts.value, unknown.known_named.value
    dots: tuple[Dot, ...] = ()
    if far is not None and named is not None and far <= reach and isfinite(unknown.threshold):
        title = f"at the threshold: {percent(far)} of strangers let in, {percent(named)} of the known named rightly"
        dots = (Dot(_x(far / reach), _y(named), 5, title),)
    return Chart(
        name=f"strangers-{round(reach * 100)}",
        x_label="strangers let in",
        y_label="share of the known",
        summary=f"Known photos named, against strangers let in, up to {percent(reach)}; "
        + "; ".join(dot.title for dot in dots),
        paths={
            "accepted": _steps(fars, [p.accepted for p in unknown.roc], reach),
            "named": _steps(fars, [p.named for p in unknown.roc], reach),
        },
        dots=dots,
        x_ticks=_ticks(_x, reach),
        y_ticks=_ticks(_y, 1.0),
    )


def training_chart(name: str, curves: Mapping[str, Sequence[float | None]]) -> Chart:
    """`name` ("loss" or "accuracy") and the curves of a training -> how it was after each epoch.

    One line is of the rows learnt from, and one of those held back: `stop_` and the name, which may have no values.
    """
    lines = {"learnt": curves[name], "held-back": curves[f"stop_{name}"]}
    known = [value for values in lines.values() for value in values if value is not None]
    epochs = len(curves[name])
    reach = 1.0 if name == "accuracy" else max([*known, 0.1])
    scale = 100.0 if name == "accuracy" else reach
    ends = [f"{line} {values[-1]:.3g}" for line, values in lines.items() if values and values[-1] is not None]
    return Chart(
        name=f"training-{name}",
        x_label="epoch",
        y_label=name,
        summary=f"The {name} after each of {epochs} epochs; at the end: {', '.join(ends)}",
        paths={line: _line(values, reach) for line, values in lines.items()},
        dots=(),
        x_ticks=tuple(Tick(_x(i / 4), f"{1 + (epochs - 1) * i / 4:.3g}") for i in range(5)) if epochs > 4 else (),
        y_ticks=tuple(Tick(_y(i / 4), f"{scale * i / 4:.3g}") for i in range(5)),
        x_unit="",
        y_unit="%" if name == "accuracy" else "",
    )


def heat(confusion: Confusion, lettered_up_to: int) -> Heat:
    """A confusion matrix -> a picture of its cells that are not empty."""
    labels, matrix = confusion.labels, confusion.matrix
    rows = matrix.sum(axis=1)
    cells = [
        Cell(int(i), int(j), float(matrix[i, j] / rows[i]), f"{labels[i]} → {labels[j]}: {matrix[i, j]} of {rows[i]}")
        for i, j in np.argwhere(matrix)
    ]
    k = len(labels)
    lettered = k <= lettered_up_to
    longest = max((len(label) for label in labels), default=0)
    margin = min(24, longest) * 7 + 8 if lettered else 0
    return Heat(labels, tuple(cells), 14 if lettered else max(2, 720 // max(k, 1)), margin, lettered)


def _x(share: float) -> float:
    return round(_LEFT + _SIDE * share, 1)


def _y(share: float) -> float:
    return round(_TOP + _SIDE * (1 - share), 1)


def _ticks(place: Callable[[float], float], reach: float) -> tuple[Tick, ...]:
    return tuple(Tick(place(i / 4), f"{100 * reach * i / 4:g}") for i in range(5))


def _line(values: Sequence[float | None], reach: float) -> str:
    """A line from value to value, with gaps where there is none."""
    path, drawn = "", False
    for i, value in enumerate(values):
        if value is not None:
            at = f"{_x(i / max(1, len(values) - 1))} {_y(min(1.0, max(0.0, value / reach)))}"
            path += f"L{at}" if drawn else f"M{at}"
        drawn = value is not None
    return path


def _steps(xs: Sequence[float], ys: Sequence[float], reach: float) -> str:
    """A staircase: between two measured rates the lower one's share holds."""
    path, last = f"M{_x(0)} {_y(ys[0])}", xs[0]
    for x, y in zip(xs, ys, strict=True):
        if x > reach:
            break
        path += f"H{_x(x / reach)}V{_y(y)}"
        last = x
    return path + (f"H{_x(1)}" if last < reach else "")
