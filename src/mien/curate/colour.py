"""Whether labels can be told by colour and light alone: a few figures of a crop, and a tiny model on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mien.curate.shown import ImageFeatures
from mien.text import join_names
from mien.types import UNKNOWN, Floats, Ints, Pixels

BANDS = 3
"""Forehead and eyes, nose, mouth and chin: a mask covers the last, a hood the first."""

_FOLDS = 3
_LEAST = 10  # photos of a class, to be looked at
_MOST = 4000  # photos; more would not change the answer

# Above this share of right answers, averaged over classes, eighteen figures without any shape do most of the work.
_TELLS = 0.8


@dataclass(frozen=True, slots=True)
class ColourAdvice:
    """What colour alone tells of the labels.

    accuracy: the share of a class's photos that a tiny model on colours gets right, averaged over classes, on photos
    that it has not seen; chance: what guessing would reach. labels: those it finds; sentence: what to do about it, None
    where there is nothing to be said.
    """

    accuracy: float | None
    chance: float | None
    labels: tuple[str, ...] = ()
    sentence: str | None = None


def statistics(crop: Pixels) -> Floats:
    """A crop (h, w, 3) RGB or (h, w) grey -> (18,): mean and deviation of L, a and b in each of three bands, 0 to 1.

    L, a, b as of CIE 1976, so that light is one figure of three, and colour the other two.
    """
    colours = crop if crop.ndim == 3 else np.repeat(crop[:, :, None], 3, axis=2)
    lab = cv2.cvtColor(np.ascontiguousarray(colours), cv2.COLOR_RGB2LAB)
    parts = [band.reshape(-1, 3) for band in np.array_split(lab.astype(np.float32) / 255, BANDS)]
    means = [part.mean(axis=0) if len(part) else np.zeros(3) for part in parts]
    spreads = [part.std(axis=0) if len(part) else np.zeros(3) for part in parts]
    return np.concatenate([*means, *spreads]).astype(np.float32)


def colour_advice(shown: Sequence[ImageFeatures], seed: int = 0) -> ColourAdvice:
    """Labelled photos -> whether colour and light alone tell their labels apart.

    A network takes the shortest way there is: where all masks of one class are white, white is what it learns.
    """
    named = [each for each in shown if each.origin.label not in (None, UNKNOWN) and len(each.colour)]
    counts = Counter(each.origin.label for each in named)
    kept = [each for each in named if counts[each.origin.label] >= _LEAST]
    names, y = np.unique([each.origin.label or "" for each in kept], return_inverse=True)
    if len(names) < 2:
        return ColourAdvice(None, None)
    rows = np.sort(np.random.default_rng(seed).permutation(len(kept))[:_MOST])
    x, y = np.stack([kept[i].colour for i in rows]), y[rows]
    right = _guessed(x, y, seed) == y
    recall = np.array([right[y == j].mean() if (y == j).any() else 0.0 for j in range(len(names))])
    accuracy, chance = float(recall.mean()), 1 / len(names)
    told = tuple(str(name) for j, name in enumerate(names) if _found(right[y == j], chance))
    sentence = None
    if accuracy >= _TELLS and told:
        which = "" if len(told) == len(names) else f", most of all {join_names(told)}"
        sentence = (
            f"colour and light alone tell {accuracy:.0%} of the labels (chance: {chance:.0%}){which}: a network may"
            " learn these instead of what you mean; compare one that learns in grey (--colour grey), or add photos in"
            " other colours and light"
        )
    return ColourAdvice(accuracy, chance, told, sentence)


def _guessed(x: Floats, y: Ints, seed: int) -> Ints:
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=300))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    return np.asarray(cross_val_predict(model, x, y, cv=folds), np.int64)


def _found(right: npt.NDArray[np.bool_], chance: float) -> bool:
    """Whether a class is told by colour: most of its photos are, and that is no luck."""
    if not len(right) or right.mean() < _TELLS:
        return False
    return bool(binomtest(int(right.sum()), len(right), min(chance, 0.5), alternative="greater").pvalue < 0.01)
