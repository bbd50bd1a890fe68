"""The errors and warnings that a user is meant to read."""

import sys
import warnings


class MienWarning(UserWarning):
    """Something that the user should know, in one sentence; the work goes on."""


class MienError(Exception):
    """It could not be done; the message says what happened, where, and what to do, in one sentence."""


class DataError(MienError):
    """What the user gave cannot be used: a missing folder, a broken table, one class only."""


class UnknownName(MienError):
    """An unknown name; the message lists the known ones."""


class MissingExtra(MienError):
    """An optional part is not installed; the message says what to type."""


class WeightsError(MienError):
    """Weights are missing, changed, or may not be used under the licence in force."""


class BundleError(MienError):
    """A bundle is missing, damaged, from another version, or not a bundle at all."""


class StageError(MienError):
    """A stage failed in a way that nobody foresaw; the message names the stage and the photos."""


def warn(text: str) -> None:
    """Tell the user something with a `MienWarning`, which points at their own line of code."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("mien."):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, MienWarning, stacklevel=level - 1)
