"""Whether probabilities mean what they say: confidences and hits in, bins and their error out."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum

import numpy as np
import numpy.typing as npt

from mien.evaluate.intervals import Share

_BINS = 15  # Guo et al. 2017, "On calibration of modern neural networks", section 4
_FEW = 300  # below, fifteen bins hold fewer than 20 photos each
_PER_BIN = 20


@dataclass(frozen=True, slots=True)
class Bin:
    """The predictions of about one confidence: their mean confidence, and how many of them were right."""

    confidence: float
    hits: Share


def reliability(confidences: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Confidences (n,) and hits (n,) -> bins that are not empty, in order of confidence.

    Fifteen bins of equal width (Guo et al. 2017, eq. 3), or, under 300 photos, bins of about 20 photos each, since
    nearly empty bins would mistake chance for error (Nixon et al. 2019). Equal confidences share a bin.
    """
    n = len(confidences)
    if not n:
        return ()
    if n >= _FEW:
        edges = np.linspace(0, 1, _BINS + 1)[1:-1]
    else:
        edges = np.quantile(confidences, np.linspace(0, 1, max(1, n // _PER_BIN) + 1)[1:-1])
    index = np.searchsorted(edges, confidences, side="left")  # Guo's bins are open below and closed above
    bins = []
    for i in np.unique(index):
        inside = index == i
        hits = Share(int(right[inside].sum()), int(inside.sum()))
        bins.append(Bin(fsum(confidences[inside]) / hits.of, hits))
    return tuple(bins)


def calibration_error(bins: tuple[Bin, ...]) -> float | None:
    """Bins -> the mean gap between confidence and share of hits, weighted by photos (ECE; Guo et al. 2017, eq. 3)."""
    total = sum(b.hits.of for b in bins)
    if not total:
        return None
    return sum(abs(b.hits.right - b.confidence * b.hits.of) for b in bins) / total
