"""A bundle and labelled data in, measured figures and a report out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mien import fileio
from mien.data import DataSet
from mien.errors import BundleError
from mien.evaluate import Report, grouped_by_label, measure
from mien.flows.report import report
from mien.pipeline.classifier import Classify, load, stack_inputs
from mien.pipeline.execute import RunOptions, prepare_photos
from mien.run.local import run_stages
from mien.store.bundle import Bundle
from mien.train import TRAINED_ON, fingerprints
from mien.types import Crop, Embedding, Rejected


@dataclass(frozen=True, slots=True)
class EvaluateResult:
    """The figures, and where the report lies if one was asked for.

    `trained_on` tells how many of the photos the bundle was trained on; None where it does not say.
    """

    evaluation: Report
    detector: str
    report: Path | None
    trained_on: int | None

    @property
    def note(self) -> str:
        """What a person should know before believing the figures; "" where there is nothing."""
        return self.evaluation.note


def evaluate(
    bundle: Path, data: DataSet, name: str, to: Path | None, drive: RunOptions, faces: str | None = None
) -> EvaluateResult:
    """Labelled data (called `name`) -> figures, by the main face of each photo.

    Photos with labels that the bundle does not know are strangers. faces: "find" or "cut", to have them prepared
    otherwise than in training.

    Raises:
        BundleError, WeightsError: the bundle cannot be used. DataError: nothing is labelled, or `to` not writable.
    """
    recogniser = load(bundle, faces=faces)
    refs = recogniser.check_input(data.refs, drive)
    head, spec = recogniser.head, recogniser.spec
    naming = Classify(head, recogniser.abstention, list_all=True)
    seen = _Seen(_digests(recogniser.bundle))
    results = run_stages([naming], seen.watch(prepare_photos(spec, refs, drive)), drive.keep_going)
    figures = measure(results, head.labels, head.threshold, grouped=not grouped_by_label(data.origins))
    trained_on = len(seen.keys) if TRAINED_ON in recogniser.bundle.arrays else None
    evaluation = replace(figures, detector=spec.detector, trained_on=trained_on)
    done = EvaluateResult(evaluation, spec.detector, to, trained_on)
    if to is not None:
        note = f"{done.note}." if done.note else ""
        fileio.write(to, report(evaluation, recogniser.bundle.name, data, name, spec, note).encode())
    return done


@dataclass(frozen=True, slots=True)
class _Seen:
    """Looks at vectors and crops on their way, and keeps the keys of photos whose digest is among `known`."""

    known: frozenset[int]
    keys: set[str] = field(default_factory=set)

    def watch(self, results: Iterable[Embedding | Crop | Rejected]) -> Iterator[Embedding | Crop | Rejected]:
        for result in results:
            if not isinstance(result, Rejected) and int(fingerprints(stack_inputs([result]))[0]) in self.known:
                self.keys.add(result.key)
            yield result


def _digests(bundle: Bundle) -> frozenset[int]:
    known = bundle.arrays.get(TRAINED_ON, np.empty(0, dtype=np.uint64))
    if known.ndim != 1 or known.dtype != np.uint64:
        raise BundleError(f"{bundle.path} is damaged (its {TRAINED_ON!r} are no digests): restore it or train it again")
    return frozenset(known.tolist())
