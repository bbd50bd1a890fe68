"""A bundle in use: the one way in which command line, service and cluster turn photos into answers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mien.detect import resolve
from mien.errors import BundleError
from mien.models import builtin_traits
from mien.models.head import Head
from mien.models.network import KIND, NetworkHead
from mien.pipeline.classify import Abstention, Classify
from mien.pipeline.execute import RunOptions
from mien.pipeline.input_check import check_preprocessing
from mien.pipeline.spec import PIXELS, PipelineSpec
from mien.run.local import stream
from mien.store import bundle as bundles
from mien.types import PhotoRef, Prediction, Rejected

_COSINE = 1.001  # the largest there is, and what rounding adds


@dataclass(frozen=True, slots=True)
class Classifier:
    """A bundle, checked and ready: the chain that it pins and the head that it carries.

    trained_on: whether faces were found or came cut in training; the chain may be told to take others. silence: of a
    built-in trait, the faces that it says nothing about.
    """

    bundle: bundles.Bundle
    spec: PipelineSpec
    head: Head | NetworkHead
    trained_on: str
    silence: Abstention | None = None

    def predictions(
        self, refs: Sequence[PhotoRef], drive: RunOptions, *, every_face: bool = False
    ) -> Iterator[Prediction | Rejected]:
        """PhotoRef -> Prediction: of the main face of each photo, or of every face."""
        spec = self.spec.all_faces() if every_face else self.spec
        self.forewarn(refs, drive)
        yield from stream([Classify(self.head, silence=self.silence)], drive.inputs(spec, refs), drive.keep_going)

    def forewarn(self, refs: Sequence[PhotoRef], drive: RunOptions) -> None:
        """Tell the user where pictures are, or seem to be, prepared otherwise than in training."""
        if self.trained_on != self.spec.faces:
            drive.tell(f"the bundle was trained with --faces {self.trained_on}: answers for others may be wrong")
        elif word := check_preprocessing(self.spec, refs):
            drive.tell(word)


def open_classifier(path: Path, faces: str | None = None) -> Classifier:
    """Open a bundle, and make sure that this machine prepares faces as the one did that trained it.

    The name of a built-in trait stands for its bundle, where nothing else of that name lies. faces: "find" or "cut", to
    have them prepared otherwise than in training.

    Raises:
        BundleError: it is damaged, or was trained with other weights than are here. WeightsError: some are missing, or
        the trait is turned off.
    """
    hidden = builtin_traits.bundle_path(str(path)) is not None
    if hidden and not path.exists():
        recogniser = open_trait(str(path))
        # The built-in traits have learnt from faces of both kinds.
        recogniser = replace(recogniser, trained_on=faces or recogniser.trained_on)
    elif hidden and not (path / builtin_traits.MANIFEST).exists():
        raise BundleError(
            f"{path} lies in this folder and is no bundle, and the built-in trait is not looked for where something of"
            " its name lies: type this in another folder"
        )
    else:
        recogniser = _opened(path)
        if other := _others(recogniser):
            raise BundleError(
                f"{path} was trained with other weights of {', '.join(other)} than this machine has: train it anew"
            )
    return recogniser if faces is None else replace(recogniser, spec=recogniser.spec.taking(faces))


def open_trait(name: str) -> Classifier:
    """Open the bundle of a trait that comes with mien; its detector is the best that is here.

    Raises:
        UnknownName: there is no such trait. WeightsError: it is missing, or turned off.
        BundleError: it is damaged, or its network is another than it was trained with.
    """
    builtin_traits.require_enabled(name)
    found = _opened(builtin_traits.get_trait(name).path)
    if set(_others(found)) & set(found.spec.embedders):
        raise BundleError(f"the built-in trait {name!r} does not belong to the network beside it: reinstall mien")
    spec = replace(found.spec, detector=resolve(found.spec.detector))
    return replace(found, spec=spec, silence=_silence(found))


def _silence(found: Classifier) -> Abstention | None:
    """Whom a built-in trait says nothing about, which it tells by another one's head over the same vectors."""
    if "silent" not in found.bundle.manifest:
        return None
    said = found.bundle.manifest["silent"]
    other = _opened(builtin_traits.get_trait(said["bundle"]).path)
    if other.spec != found.spec:
        raise BundleError(f"{found.bundle.path} and {other.bundle.path} do not belong together: reinstall mien")
    return Abstention(other.head, frozenset(said["labels"]))


def _opened(path: Path) -> Classifier:
    bundle = bundles.load(path)
    try:
        spec = PipelineSpec.from_json(bundle.manifest["chain"])
        dict(bundle.manifest["weights"])
        return Classifier(bundle, spec, _head(bundle, spec), spec.faces)
    except (KeyError, ValueError, TypeError) as error:
        raise BundleError(f"{path} is damaged ({error}): restore it or train it anew") from error


def _others(found: Classifier) -> list[str]:
    """The weights that are not here as the bundle pins them."""
    here, pinned = found.spec.weights(), dict(found.bundle.manifest["weights"])
    return sorted(name for name in here if pinned.get(name) != here[name])


def _head(bundle: bundles.Bundle, spec: PipelineSpec) -> Head | NetworkHead:
    """The head or the network of a bundle; `ValueError` where it does not go with the chain."""
    fields = bundle.manifest["head"]
    if fields["kind"] != KIND:
        if spec.embedder == PIXELS:
            raise ValueError("its head takes vectors, and its faces are left as pixels")
        head = Head.load(fields, bundle.arrays)
        if -math.inf < head.threshold < -_COSINE or head.threshold > _COSINE:
            raise ValueError(f"a threshold of {head.threshold:g} is no cosine")
        return head
    if bundle.network is None:
        raise ValueError("its network is missing")
    network = NetworkHead.load(fields, bundle.arrays, bundle.network)
    channels, *sides = network.input if len(network.input) == 3 else (0,)
    fits = channels == 3 or (channels == 1 and spec.view.grey)
    if (fits and sides == [spec.view.size] * 2) != (spec.embedder == PIXELS):
        raise ValueError("its network does not take what its faces are made into")
    return network
