"""A bundle in use: the one way in which command line, service and cluster turn photos into answers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.classify import Classify
from mien.errors import BundleError
from mien.flows.chain import Chain
from mien.flows.drive import Drive
from mien.models.head import Head
from mien.run.local import stream
from mien.store import bundle as bundles
from mien.types import PhotoRef, Prediction, Rejected

_COSINE = 1.001  # the largest there is, and what rounding adds


@dataclass(frozen=True, slots=True)
class Recogniser:
    """A bundle, checked and ready: the chain that it pins and the head that it carries."""

    bundle: bundles.Bundle
    chain: Chain
    head: Head

    def predictions(
        self, refs: Sequence[PhotoRef], drive: Drive, *, every_face: bool = False
    ) -> Iterator[Prediction | Rejected]:
        """PhotoRef -> Prediction: of the main face of each photo, or of every face."""
        chain = self.chain.all_faces() if every_face else self.chain
        yield from stream([Classify(self.head)], drive.vectors(chain, refs), drive.keep_going)


def recognise(path: Path) -> Recogniser:
    """Open a bundle, and make sure that this machine prepares faces as the one did that trained it.

    Raises:
        BundleError: it is damaged, or was trained with other weights than are here. WeightsError: some are missing.
    """
    bundle = bundles.load(path)
    try:
        head = Head.load(bundle.manifest["head"], bundle.arrays)
        if -math.inf < head.threshold < -_COSINE or head.threshold > _COSINE:
            raise ValueError(f"a threshold of {head.threshold:g} is no cosine")
        chain, pinned = Chain.from_json(bundle.manifest["chain"]), dict(bundle.manifest["weights"])
    except (KeyError, ValueError, TypeError) as error:
        raise BundleError(f"{path} is damaged ({error}): restore it or train it anew") from error
    here = chain.weights()
    if other := sorted(name for name in here if pinned.get(name) != here[name]):
        raise BundleError(
            f"{path} was trained with other weights of {', '.join(other)} than this machine has: train it anew"
        )
    return Recogniser(bundle, chain, head)
