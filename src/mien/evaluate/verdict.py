"""What a comparison comes to, in sentences; computes no figure of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mien.evaluate.compare import Comparison
from mien.evaluate.trials import Measured
from mien.text import pluralize

_ALL_PAIRS_UP_TO = 3  # variants; with more, the sentence is about the best one


def worded(
    over: str, measured: Sequence[Measured], comparisons: Sequence[Comparison]
) -> tuple[list[Measured], list[Comparison]]:
    """Both with variants called as a person would: "16 variants" and "48 px" instead of numbers."""

    def say(name: str) -> str:
        if not name.isdigit():
            return name
        return f"{name} px" if over == "size" else pluralize(int(name), "variant") if over == "augment" else name

    return (
        [replace(m, variant=say(m.variant)) for m in measured],
        [replace(pair, a=say(pair.a), b=say(pair.b)) for pair in comparisons],
    )


def verdict(measured: Sequence[Measured], comparisons: Sequence[Comparison]) -> str:
    """Variants and their comparisons -> what beats what, what cannot be told apart, and which of these costs least."""
    if not comparisons:
        return ""
    best = best_of(measured)
    told = [pair for pair in comparisons if len(measured) <= _ALL_PAIRS_UP_TO or best.variant in (pair.a, pair.b)]
    sentences = [*_beaten([pair for pair in told if pair.real]), *_alike([pair for pair in told if not pair.real])]
    equals = equals_of(best, comparisons)
    cheapest = min((m for m in measured if m.variant in equals), key=lambda m: m.train_seconds)
    if len(equals) > 1:
        of_these = "of these, the" if len(measured) > len(equals) else "the"
        sentences.append(f"{of_these} quickest to train is {cheapest.variant}")
    return "; ".join(sentences)


def best_of(measured: Sequence[Measured]) -> Measured:
    """The variant of the highest mean accuracy; of equals the one that trains faster."""
    return max(measured, key=lambda m: (m.accuracy_mean, -m.train_seconds))


def equals_of(best: Measured, comparisons: Sequence[Comparison]) -> set[str]:
    """The best variant, and all that are not really worse."""
    return {best.variant} | {
        name for pair in comparisons if not pair.real and best.variant in (pair.a, pair.b) for name in (pair.a, pair.b)
    }


def chance(p: float) -> str:
    """A p value -> "0.03", "0.004" or "< 0.001"."""
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.01 else f"{p:.2f}"


def _beaten(pairs: Sequence[Comparison]) -> list[str]:
    winners = dict.fromkeys(pair.a for pair in pairs)
    return [f"{a} beats {_losers([pair for pair in pairs if pair.a == a])}" for a in winners]


def _losers(pairs: Sequence[Comparison]) -> str:
    least_first = sorted(pairs, key=lambda pair: pair.difference)
    return _joined([f"{pair.b} by {_points(pair.difference)} (p {chance(pair.p)})" for pair in least_first])


def _alike(pairs: Sequence[Comparison]) -> list[str]:
    if len(pairs) <= 1:
        return [f"{pair.a} and {pair.b} cannot be told apart" for pair in pairs]
    names = list(dict.fromkeys(name for pair in pairs for name in (pair.a, pair.b)))
    shared = [name for name in names if all(name in (pair.a, pair.b) for pair in pairs)]
    if shared:
        others = [name for name in names if name != shared[0]]
        return [f"{shared[0]} cannot be told apart from {_joined(others)}"]
    return [f"{_joined(names)} cannot be told apart from each other"]


def _points(share: float) -> str:
    """A difference of shares -> "2.1 points"."""
    text = f"{100 * share:.1f}"
    return f"{text} point" if text == "1.0" else f"{text} points"


def _joined(parts: Sequence[str]) -> str:
    """Parts of a sentence -> "a", "a and b", "a, b and c"."""
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
