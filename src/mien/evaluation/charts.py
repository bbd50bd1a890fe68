"""The charts of a page: figures in, SVG out, drawn by matplotlib in the page's own colours and fonts."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil, floor, isfinite, log10
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from mien.evaluation.comparison import VariantScore
from mien.evaluation.confidence import Interval, percent
from mien.evaluation.metrics import Bin, OpenSet
from mien.text import escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Names of the page's style sheet, so that a chart is as legible in its dark scheme; matplotlib knows only colours.
_INK, _SOFT, _RULE, _PANEL, _PAGE = "#1e252b", "#56616b", "#dcdad3", "#ffffff", "#fbfaf7"
_BLUE, _ORANGE = "#22628f", "#a84a12"
_VARIABLES = {
    _INK: "var(--ink)",
    _SOFT: "var(--soft)",
    _RULE: "var(--rule)",
    _PANEL: "var(--panel)",
    _PAGE: "var(--page)",
    _BLUE: "var(--hit-line)",
    _ORANGE: "var(--miss-line)",
}
_STYLE = {
    "svg.fonttype": "none",  # text stays text, in the page's font, which has letters that matplotlib's lacks
    "svg.hashsalt": "mien",  # the same figures make the same page
    "font.size": 11,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _RULE,
    "grid.linewidth": 0.75,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.major.pad": 7,
    "ytick.major.pad": 7,
}
_DASHED: dict[str, Any] = {"color": _ORANGE, "linewidth": 1.8, "linestyle": (0, (5, 3))}
_SOLID: dict[str, Any] = {"color": _BLUE, "linewidth": 2.2}
_LEADER = {"arrowstyle": "-", "color": _SOFT, "linewidth": 0.75, "shrinkA": 0, "shrinkB": 5, "relpos": (0, 0.5)}

_SQUARE = (46, 50, 260, 260)  # pixels: left, bottom, width and height of the axes
_WIDE = (56, 48, 560, 300)
_NAMES_WIDTH = 120  # right of a wide chart, for names of dots there

_LINE_HEIGHT = 15.0  # pixels between two names
_LETTER_WIDTH = 6.8  # pixels, about
_NAME_OFFSET = 12.0  # pixels from a dot to its name
_LONGEST_NAME = 24
_ROUND_TIMES = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 45),
    *(60 * minutes for minutes in (1, 2, 3, 5, 7, 10, 15, 20, 30, 45)),
    *(3600 * hours for hours in (1, 2, 5, 10, 20, 50, 100)),
)
_TICKS_APART = 45.0  # pixels


def reliability_chart(bins: Sequence[Bin]) -> Markup:
    """Bins -> their confidence against their share of hits, with intervals; calibrated ones lie on the diagonal."""
    most = max((b.hits.of for b in bins), default=1)
    described = [f"stated {percent(b.confidence)}, right {percent(b.hits.value)} of {b.hits.of} photos" for b in bins]
    summary = f"Stated probability against the share that was right; {'; '.join(described)}"
    with _axes(_SQUARE, "stated probability, %", "share that was right, %") as (figure, axes):
        axes.plot([0, 1], [0, 1], color=_SOFT, linewidth=1.2, linestyle=(0, (4, 4)))
        for b in bins:
            _interval(axes, b.confidence, b.hits.interval or (0.0, 1.0), _BLUE, linewidth=1.4, alpha=0.65)
            _dot(axes, b.confidence, float(b.hits), radius=2 + 4 * (b.hits.of / most) ** 0.5)
        _ticks(axes.xaxis, 1.0, 100)
        _ticks(axes.yaxis, 1.0, 100)
        return _svg(figure, "reliability", summary)


def stranger_chart(unknown: OpenSet, reach: float) -> Markup:
    """Open-set figures that have a curve -> both its lines for false accept rates from 0 to `reach`."""
    far, named = unknown.false_accepts.value, unknown.known_named.value
    summary = f"Known photos named, against strangers accepted, up to {percent(reach)}"
    with _axes(_SQUARE, "strangers accepted, %", "share of the known, %") as (figure, axes):
        within = [p for p in unknown.roc if p.far <= reach]
        fars = [0.0, *(p.far for p in within), reach]  # between two measured rates the lower one's share holds
        for line, style in (("accepted", _DASHED), ("named", _SOLID)):
            shares = [getattr(p, line) for p in within or unknown.roc[:1]]
            shares = [shares[0], *shares, shares[-1]] if within else shares * 2
            axes.plot(fars, shares, drawstyle="steps-post", gid=line, **style)
        if far is not None and named is not None and far <= reach and isfinite(unknown.threshold):
            _dot(axes, far, named, radius=5)
            accepted = f"{percent(far)} of strangers accepted"
            summary += f"; at the threshold: {accepted}, {percent(named)} of the known named correctly"
        _ticks(axes.xaxis, reach, 100)
        _ticks(axes.yaxis, 1.0, 100)
        return _svg(figure, f"strangers-{round(reach * 100)}", summary)


def training_chart(name: str, curves: Mapping[str, Sequence[float | None]]) -> Markup:
    """`name` ("loss" or "accuracy") and the curves of a training -> its course from epoch to epoch.

    One line is of the photos in training, and one of those held back: `stop_` and the name, which may have no values.
    """
    lines = {"training": curves[name], "held-back": curves[f"stop_{name}"]}
    known = [value for line in lines.values() for value in line if value is not None]
    epochs = len(curves[name])
    ends = [f"{line} {values[-1]:.3g}" for line, values in lines.items() if values and values[-1] is not None]
    accuracy = name == "accuracy"
    reach = 1.0 if accuracy else max([*known, 0.1])
    with _axes(_SQUARE, "epoch", "accuracy, %" if accuracy else name) as (figure, axes):
        for (line, values), style in zip(lines.items(), (_DASHED, _SOLID), strict=True):
            shown = [float("nan") if value is None else min(reach, max(0.0, value)) for value in values]
            axes.plot(range(1, len(values) + 1), shown, gid=line, **style)
        axes.set_xlim(1, max(2, epochs))
        axes.xaxis.get_major_locator().set_params(nbins=5, integer=True)  # type: ignore[call-arg]
        _ticks(axes.yaxis, reach, 100 if accuracy else 1)
        summary = f"The {name} after each of {epochs} epochs; at the end: {', '.join(ends)}"
        return _svg(figure, f"training-{name}", summary)


def study_chart(scores: Sequence[VariantScore], best: Collection[str]) -> Markup:
    """Variants, and the names of those that none is really better than -> accuracy against the time of one training.

    Time is on a logarithmic scale, for what is twice as long costs as much more wherever it stands.
    """
    described = [f"{s.variant}: {percent(s.accuracy_mean)}, {duration(s.train_seconds)} per training" for s in scores]
    y_label = "accuracy on photos not trained on, %"
    with _axes(_WIDE, "time of one training (logarithmic)", y_label, right=_NAMES_WIDTH) as (figure, axes):
        axes.set_xscale("log")
        axes.set_xlim(*_time_limits(scores))
        bottom, top, step = _accuracy_limits(scores)
        axes.set_ylim(bottom, top)
        axes.set_yticks([i * step for i in range(round(bottom / step), round(top / step) + 1)])
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g}")
        _time_ticks(axes)
        names = {f"name-{i}": _short(s.variant) for i, s in enumerate(scores)}
        places = [tuple(axes.transData.transform((_seconds(s), s.accuracy_mean))) for s in scores]
        heights = _spread(places, list(names.values()))
        for key, s, (x, y), height in zip(names, scores, places, heights, strict=True):
            color = _BLUE if s.variant in best else _ORANGE
            _interval(axes, _seconds(s), s.interval, color, linewidth=1.6, alpha=0.6)
            _dot(axes, _seconds(s), s.accuracy_mean, radius=5.5, color=color)
            leader = _LEADER if abs(height - y) > _LINE_HEIGHT / 2 else None
            pixels: dict[str, Any] = dict.fromkeys(("xycoords", "textcoords"), "figure pixels")
            axes.annotate(key, (x, y), (x + _NAME_OFFSET, height), va="center", gid="name", arrowprops=leader, **pixels)
        summary = "Accuracy against the time of one training; " + "; ".join(described)
        return _svg(figure, "study", summary, names)


def duration(seconds: float) -> str:
    """Seconds -> "0.4 s", "12 s", "3.5 min", "2.1 h"."""
    size, unit = next((u for u in ((3600, "h"), (60, "min")) if seconds >= 2 * u[0]), (1, "s"))
    value = seconds / size
    return f"{value:.{2 if value < 0.1 else 1 if value < 10 else 0}f} {unit}"


@contextmanager
def _axes(box: tuple[int, int, int, int], x_label: str, y_label: str, right: int = 14) -> Iterator[tuple[Figure, Axes]]:
    """A figure and its axes, a pixel per point, whatever style the user has set; `right`: pixels beside the box."""
    from matplotlib import style
    from matplotlib.figure import Figure

    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its font cache is no concern of a report's reader
    left, bottom, width, height = box
    whole = (left + width + right, bottom + height + 12)
    with style.context(["default", _STYLE]):
        figure = Figure(figsize=(whole[0] / 72, whole[1] / 72), dpi=72, facecolor="none")
        axes = figure.add_axes((left / whole[0], bottom / whole[1], width / whole[0], height / whole[1]))
        axes.set_facecolor("none")
        axes.spines[:].set_visible(False)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        yield figure, axes


def _ticks(axis: Any, reach: float, factor: float) -> None:
    """Five ticks from 0 to `reach`, which the axis ends at."""
    axis.axes.set(**{f"{axis.axis_name}lim": (0, reach)})
    axis.set_ticks([reach * i / 4 for i in range(5)], [f"{factor * reach * i / 4:.3g}" for i in range(5)])


def _interval(axes: Axes, x: float, ends: Interval, color: str, **line: Any) -> None:
    axes.plot([x, x], ends, gid="interval", color=color, solid_capstyle="butt", **line)


def _dot(axes: Axes, x: float, y: float, radius: float, color: str = _BLUE) -> None:
    edge: dict[str, Any] = {"markeredgecolor": _PANEL, "markeredgewidth": 1.2}
    axes.plot(x, y, "o", gid="dot", markersize=2 * radius, color=color, zorder=3, **edge)


def _svg(figure: Figure, name: str, summary: str, texts: Mapping[str, str] | None = None) -> Markup:
    """A drawn figure -> an SVG element of a page; `texts`: what to write in place of texts in the figure.

    Clip paths go, since nothing lies outside; so do fonts, so that the page's own are taken.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    svg = buffer.getvalue()
    size = re.search(r'viewBox="([^"]*)"', svg)
    body = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    for pattern, replacement in (
        (r"\s*\n\s*", " "),
        (r"<style.*?</style>|<clipPath.*?</clipPath>|<defs>\s*</defs>", ""),
        (r' clip-path="[^"]*"|font-size: [^"]*?sans-serif;? ?| transform="rotate\(-?0 [^"]*"', ""),
        (r'<g id="[^"]*"\s*/>', ""),
        (r'<g id="([a-z-]+)">', r'<g class="\1">'),  # a `gid` of ours
        (r'<g id="[^"]*">', "<g>"),
        (r' xlink:href="#', f' href="#{name}-'),
        (r' id="', f' id="{name}-'),
        (r"> <", "><"),
    ):
        body = re.sub(pattern, replacement, body)
    body = re.sub("|".join(_VARIABLES), lambda color: _VARIABLES[color[0]], body)
    if texts:
        body = re.sub(r">(name-\d+)<", lambda key: f">{Markup.escape(texts[key[1]])}<", body)
    title = Markup('<title id="{0}-title">{1}</title>').format(name, escape(summary))
    opening = Markup('<svg viewBox="{0}" role="img" aria-labelledby="{1}-title">').format(size and size[1], name)
    return opening + title + Markup(body) + Markup("</svg>")  # noqa: S704  (matplotlib's own, texts escaped)


def _seconds(score: VariantScore) -> float:
    return max(score.train_seconds, 1e-3)


def _accuracy_limits(scores: Sequence[VariantScore]) -> tuple[float, float, float]:
    """The accuracies at the foot and the top of the chart, and the step between two lines."""
    low, high = min(s.interval[0] for s in scores), max(s.interval[1] for s in scores)
    step = next((step for step in (0.01, 0.02, 0.05, 0.1) if (high - low) / step <= 6), 0.2)
    return max(0.0, floor(low / step) * step), min(1.0, max(ceil(high / step), floor(low / step) + 1) * step), step


def _time_limits(scores: Sequence[VariantScore]) -> tuple[float, float]:
    """Both ends of the time axis: room on either side, and never less than a factor of four."""
    times = [log10(_seconds(s)) for s in scores]
    first, last = min(times) - 0.15, max(times) + 0.15
    wider = max(0.0, log10(4) - (last - first)) / 2
    return 10 ** (first - wider), 10 ** (last + wider)


def _time_ticks(axes: Axes) -> None:
    """Ticks at round times, as many as stand apart."""
    ticks: list[float] = []
    (first, last), last_place = axes.get_xlim(), -_TICKS_APART
    for seconds in _ROUND_TIMES:
        place = axes.transData.transform((seconds, 1.0))[0]
        if first <= seconds <= last and place - last_place >= _TICKS_APART:
            ticks.append(seconds)
            last_place = place
    axes.set_xticks(ticks, [_round_time(seconds) for seconds in ticks])
    axes.set_xticks([], minor=True)


def _round_time(seconds: float) -> str:
    size, unit = next((u for u in ((3600, "h"), (60, "min")) if seconds >= u[0]), (1, "s"))
    return f"{seconds / size:g} {unit}"


def _spread(places: Sequence[tuple[float, float]], names: Sequence[str]) -> list[float]:
    """Dots and names, in pixels from the bottom left -> heights of the names, moved apart where two would meet."""

    def meet(i: int, j: int) -> bool:
        (left, first), (right, _) = sorted((places[k][0], names[k]) for k in (i, j))
        return right - left < _LETTER_WIDTH * len(first) + 2 * _NAME_OFFSET

    order = sorted(range(len(places)), key=lambda i: -places[i][1])
    heights = [y for _, y in places]
    for at, i in enumerate(order):  # down
        heights[i] = min([heights[i], *(heights[j] - _LINE_HEIGHT for j in order[:at] if meet(i, j))])
    for at, i in reversed(list(enumerate(order))):  # and up again from the foot
        foot = float(_WIDE[1])
        heights[i] = max([heights[i], foot, *(heights[j] + _LINE_HEIGHT for j in order[at + 1 :] if meet(i, j))])
    return heights


def _short(name: str) -> str:
    name = escape(name)
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
