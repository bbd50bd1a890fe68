"""Predictions in, measured figures out, and the pages and cards that show them."""

from mien.evaluation.confidence import Share
from mien.evaluation.pages import About, render_card, render_report
from mien.evaluation.pairs import Pair, PairsResult, read_pairs, score_pairs
from mien.evaluation.report import ClassScore, Confusion, Mistake, Report, grouped_by_label, measure

__all__ = [
    "About",
    "ClassScore",
    "Confusion",
    "Mistake",
    "Pair",
    "PairsResult",
    "Report",
    "Share",
    "grouped_by_label",
    "measure",
    "read_pairs",
    "render_card",
    "render_report",
    "score_pairs",
]
