"""Evaluate: predictions in, measured figures out; what it measured is shown by a report and told by a card.

Knows nothing of photos, detectors and models: it sees labels, probabilities and distances only.
"""

from mien.evaluate.card import render_card
from mien.evaluate.evaluation import ClassScore, Confusion, Evaluation, Mistake, Sampled
from mien.evaluate.intervals import Share
from mien.evaluate.metrics import evaluate, grouped_by_label
from mien.evaluate.pairs import PairsResult, pairs_score
from mien.evaluate.pairs_file import Pair, read_pairs
from mien.evaluate.report import About, render_report

__all__ = [
    "About",
    "ClassScore",
    "Confusion",
    "Evaluation",
    "Mistake",
    "Pair",
    "PairsResult",
    "Sampled",
    "Share",
    "evaluate",
    "grouped_by_label",
    "pairs_score",
    "read_pairs",
    "render_card",
    "render_report",
]
