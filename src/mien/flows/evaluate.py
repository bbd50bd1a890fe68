"""A bundle and labelled data in, measured figures and a report out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mien import atomic
from mien.collect import DataSet
from mien.evaluate import Evaluation
from mien.evaluate import evaluate as measure
from mien.flows.drive import Drive
from mien.flows.recognise import recognise
from mien.flows.report import report


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The figures, and where the report lies if one was asked for."""

    evaluation: Evaluation
    detector: str
    report: Path | None


def evaluate(bundle: Path, data: DataSet, name: str, to: Path | None, drive: Drive) -> Evaluated:
    """Labelled data (called `name`) -> figures, by the main face of each photo.

    Photos with labels that the bundle does not know are strangers.

    Raises:
        BundleError, WeightsError: the bundle cannot be used. DataError: nothing is labelled, or `to` not writable.
    """
    recogniser = recognise(bundle)
    head = recogniser.head
    evaluation = measure(recogniser.predictions(data.refs, drive), head.labels, head.threshold)
    if to is not None:
        page = report(evaluation, recogniser.bundle.name, data, name, recogniser.chain)
        atomic.write(to, page.encode())
    return Evaluated(evaluation, recogniser.chain.detector, to)
