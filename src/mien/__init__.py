"""From a folder of photos to a measured, running face classifier.

One function for each verb of the command line, `load` for what training left, and `Gallery` for people by name. They
are loaded on first use, so that `import mien` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mien.errors import MienError as MienError
from mien.errors import MienWarning as MienWarning

if TYPE_CHECKING:
    from mien.evaluation.pairs import PairsResult as PairsResult
    from mien.evaluation.report import Report as Report
    from mien.evaluation.study import StudyResult as StudyResult
    from mien.flows.align import align as align
    from mien.flows.augment import augment as augment
    from mien.flows.check import check as check
    from mien.flows.classify import classify as classify
    from mien.flows.clean import clean as clean
    from mien.flows.embed import embed as embed
    from mien.flows.evaluate import benchmark_pairs as benchmark_pairs
    from mien.flows.evaluate import evaluate as evaluate
    from mien.flows.explain import Explanation as Explanation
    from mien.flows.explain import explain as explain
    from mien.flows.gallery import Gallery as Gallery
    from mien.flows.gallery import enroll as enroll
    from mien.flows.gallery import forget as forget
    from mien.flows.gallery import identify as identify
    from mien.flows.gallery import people as people
    from mien.flows.group import group as group
    from mien.flows.look import look as look
    from mien.flows.models import add_model as add_model
    from mien.flows.sort import sort as sort
    from mien.flows.sort import undo as undo
    from mien.flows.study import study as study
    from mien.flows.train import train as train
    from mien.flows.verify import verify as verify
    from mien.pipeline.annotate import Face as Face
    from mien.pipeline.annotate import PhotoReport as PhotoReport
    from mien.pipeline.classifier import Classifier as Classifier
    from mien.pipeline.classifier import load as load
    from mien.pipeline.identify import Identification as Identification
    from mien.types import Prediction as Prediction
    from mien.types import Rejected as Rejected

__version__ = "0.1.0"

_HOMES = {
    "Classifier": "pipeline.classifier",
    "Explanation": "flows.explain",
    "Face": "pipeline.annotate",
    "Gallery": "flows.gallery",
    "Identification": "pipeline.identify",
    "PairsResult": "evaluation.pairs",
    "PhotoReport": "pipeline.annotate",
    "Prediction": "types",
    "Rejected": "types",
    "Report": "evaluation.report",
    "StudyResult": "evaluation.study",
    "add_model": "flows.models",
    "align": "flows.align",
    "augment": "flows.augment",
    "benchmark_pairs": "flows.evaluate",
    "check": "flows.check",
    "classify": "flows.classify",
    "clean": "flows.clean",
    "embed": "flows.embed",
    "enroll": "flows.gallery",
    "evaluate": "flows.evaluate",
    "explain": "flows.explain",
    "forget": "flows.gallery",
    "group": "flows.group",
    "identify": "flows.gallery",
    "load": "pipeline.classifier",
    "look": "flows.look",
    "people": "flows.gallery",
    "sort": "flows.sort",
    "study": "flows.study",
    "train": "flows.train",
    "undo": "flows.sort",
    "verify": "flows.verify",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'mien' has no attribute {name!r}")
    return getattr(import_module(f"mien.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
