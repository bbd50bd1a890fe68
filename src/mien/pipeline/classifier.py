"""A bundle in use: the one object that names faces for Python, commands, service and cluster."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from mien import models
from mien.config import settings
from mien.data import DataSource, open_data
from mien.data.sources import ImageSource, ImageSources, photo_refs
from mien.detection import resolve
from mien.detection.stage import Detect
from mien.errors import BundleError, DataError, WeightsError
from mien.evaluation import Report
from mien.images import Decode, ImageError, read_header
from mien.models import builtin_traits
from mien.models.cards import add_command, own_card_from_json
from mien.models.head import Head
from mien.models.network import KIND, NetworkHead
from mien.models.weights import card_identity
from mien.pipeline.classify import Abstention, Classify
from mien.pipeline.evaluation import data_name, evaluate_classifier
from mien.pipeline.execute import RunOptions, load_bytes, prepare_photos
from mien.pipeline.progress import Progress
from mien.pipeline.spec import PIXELS, PipelineSpec
from mien.run.runners import run_stages
from mien.store import bundle as bundles
from mien.types import Faces, Photo, PhotoRef, Prediction, Reason, Rejected

_SAMPLE = 6
_SIDE = 320  # pixels on the longer side, enough to see a face that fills a good part of a picture
_TINY = 64  # a picture with no more pixels on its longer side can only be a face already cut
_SMALL = 160  # and up to this many it may be one
_FILLS = 0.55  # of the picture's shorter side; a face that was cut out takes up more


def check_preprocessing(spec: PipelineSpec, refs: Sequence[PhotoRef]) -> tuple[Sequence[PhotoRef], str | None]:
    """A bundle's pipeline and the pictures that it is given -> the pictures, and a warning if they look wrong for it.

    The first few come back with their bytes, so that no file is read twice.
    """
    sample = [load_bytes(ref, settings().max_megapixels)[0] for ref in islice(refs, _SAMPLE)]
    if isinstance(refs, list):
        refs = [*sample, *refs[_SAMPLE:]]
    sized = [(ref, side) for ref in sample if (side := _longer_side(ref)) is not None]
    if spec.faces == "cut":
        whole = [ref for ref, side in sized if side > _TINY and _has_small_face(ref, spec.detector)]
        if 2 * len(whole) > len(sized):
            return refs, (
                "these look like whole photos, but the bundle was trained on faces already cut: its answers may be"
                " wrong; give --faces find, or cut the faces with 'mien align' first"
            )
        return refs, None
    cut = [ref for ref, side in sized if side <= _TINY or (side <= _SMALL and _face(ref, spec.detector) is None)]
    if 2 * len(cut) > len(sized):
        return refs, (
            "these look like faces already cut, but the bundle was trained to find them in photos: its answers may be"
            " wrong; give --faces cut to take the pictures as they are"
        )
    return refs, None


def _longer_side(ref: PhotoRef) -> int | None:
    """The longer side by the picture's header, since most pictures need no closer look; None if it cannot be read."""
    if ref.pixels is not None:
        return int(max(ref.pixels.shape[0], ref.pixels.shape[1]))
    if ref.data is None:
        return None
    try:
        header = read_header(ref.data)
    except ImageError:
        return None
    return max(header.width, header.height)


def _face(ref: PhotoRef, detector: str) -> Faces | None:
    """The main face of a picture, if there is one."""
    photo = next(iter(Decode(_SIDE, settings().max_megapixels)([ref])))
    try:
        faces = next(iter(Detect(detector, "largest", 12)([photo]))) if isinstance(photo, Photo) else None
    except WeightsError:  # faces already cut need no detector: this check must not ask for one
        return None
    return faces if isinstance(faces, Faces) else None


def _has_small_face(ref: PhotoRef, detector: str) -> bool:
    """Whether the main face takes up only a small part of the picture."""
    faces = _face(ref, detector)
    if faces is None:
        return False
    x1, y1, x2, y2 = faces.boxes[0]
    return bool(max(x2 - x1, y2 - y1) < _FILLS * min(faces.photo.width, faces.photo.height))


_LARGEST_COSINE = 1.001  # with room for rounding


@dataclass(frozen=True, slots=True)
class Classifier:
    """A bundle, checked and ready to use: the pipeline that it pins, and the head or network that it carries.

    trained_on: whether faces were found ("find") or came cut ("cut") in training; `spec` may say otherwise.
    abstention: of a built-in trait, the faces that it gives no answer for.
    """

    bundle: bundles.Bundle
    spec: PipelineSpec
    head: Head | NetworkHead
    trained_on: str
    abstention: Abstention | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that it tells apart."""
        return self.head.labels

    def __call__(self, image: ImageSource) -> list[Prediction]:
        """One picture -> a prediction for every face, the main one first; empty where no face is found.

        Raises:
            DataError: the picture cannot be read.
        """
        return one_picture(self.predict(image, workers=1))

    def predict(
        self,
        images: ImageSources,
        *,
        workers: int | None = None,
        keep_going: bool = False,
        cache: bool = True,
        progress: bool | Progress = False,
    ) -> Iterator[Prediction | Rejected]:
        """Pictures or folders -> a prediction for every face, and why a picture has none, in order.

        Raises:
            DataError: there are no pictures. WeightsError: weights are missing.
        """
        refs = photo_refs(images)
        return self.predictions(refs, RunOptions.build(workers, keep_going, cache, progress), every_face=True)

    def predictions(
        self, refs: Sequence[PhotoRef], run: RunOptions, *, every_face: bool = False, check: bool = True
    ) -> Iterator[Prediction | Rejected]:
        """PhotoRef -> Prediction: of the main face of each photo, or of every face.

        check: whether to warn the user if photos do not look like those that the bundle was trained on.
        """
        spec = self.spec.all_faces() if every_face else self.spec
        refs = self.check_input(refs, run) if check else refs
        stage = Classify(self.head, self.abstention)
        yield from run_stages([stage], prepare_photos(spec, refs, run), run.keep_going, run.timing)

    def evaluate(
        self,
        data: DataSource,
        *,
        split: str | None = None,
        workers: int | None = None,
        keep_going: bool = False,
        cache: bool = True,
        progress: bool | Progress = False,
    ) -> Report:
        """Measure it on labelled photos, by the main face of each; options as of `mien.evaluate`.

        Raises:
            DataError: nothing is labelled, or there is no such split. WeightsError: weights are missing.
        """
        run = RunOptions.build(workers, keep_going, cache, progress)
        return evaluate_classifier(self, open_data(data), data_name(data), split, run)

    @property
    def report(self) -> Report | None:
        """What was measured in training, without the confusion matrix; None where the bundle does not say."""
        try:
            return Report.from_json(self.bundle.manifest["measured"])
        except (KeyError, TypeError, ValueError):  # a built-in trait's figures, or none
            return None

    def check_input(self, refs: Sequence[PhotoRef], run: RunOptions) -> Sequence[PhotoRef]:
        """The photos; tells the user if they do not match, or do not look like, what the bundle was trained on."""
        if self.trained_on != self.spec.faces:
            run.note(
                f"the bundle was trained with --faces {self.trained_on}: its answers may be wrong for other pictures"
            )
            return refs
        refs, warning = check_preprocessing(self.spec, refs)
        if warning:
            run.note(warning)
        return refs

    def with_faces(self, faces: str | None) -> Classifier:
        """The same for pictures whose faces are to be found ("find") or are cut already ("cut"); None changes nothing.

        Raises:
            DataError: another word.
        """
        return self if faces is None else replace(self, spec=self.spec.with_faces(faces))


def one_picture(results: Iterator[Any]) -> list[Any]:
    """The results for a single picture: none where it shows no face.

    Raises:
        DataError: it was rejected for another reason.
    """
    found = list(results)
    for result in found:
        if isinstance(result, Rejected) and result.reason is not Reason.NO_FACE:
            detail = f" ({result.detail})" if result.detail and result.reason is not Reason.MISSING else ""
            raise DataError(f"{result.key}: {result.reason.meaning}{detail}")
    return [result for result in found if not isinstance(result, Rejected)]


def load(bundle: str | Path, *, faces: str | None = None) -> Classifier:
    """Open a bundle, and make sure that this machine prepares faces as the one did that trained it.

    The name of a built-in trait stands for its bundle, where no file or folder of that name exists. faces: "find" or
    "cut", to override how the bundle prepares faces.

    Raises:
        BundleError: it is damaged, or was trained with other weights than are here. WeightsError: some are missing, or
        the trait is turned off.
    """
    path = Path(bundle)
    is_trait = builtin_traits.bundle_path(str(path)) is not None
    if is_trait and not path.exists():
        classifier = open_trait(str(path))
        # The built-in traits have learnt from faces of both kinds.
        classifier = replace(classifier, trained_on=faces or classifier.trained_on)
    elif is_trait and not (path / builtin_traits.MANIFEST).exists():
        raise BundleError(
            f"{path} in this folder is not a bundle, and it hides the built-in trait of that name: run this in another"
            " folder"
        )
    else:
        classifier = _open(path)
        _require_networks(classifier)
        if changed := _changed_weights(classifier):
            raise BundleError(
                f"{path} was trained with other weights of {', '.join(changed)} than this machine has: train it again"
            )
    return classifier.with_faces(faces)


def open_trait(name: str) -> Classifier:
    """Open the bundle of a trait that comes with mien; its detector is the best that is here.

    Raises:
        UnknownName: there is no such trait. WeightsError: it is missing, or turned off.
        BundleError: it is damaged, or its network is another than it was trained with.
    """
    builtin_traits.require_enabled(name)
    classifier = _open(builtin_traits.get_trait(name).path)
    if set(_changed_weights(classifier)) & set(classifier.spec.embedders):
        raise BundleError(f"the built-in trait {name!r} does not belong to the network beside it: reinstall mien")
    spec = replace(classifier.spec, detector=resolve(classifier.spec.detector))
    return replace(classifier, spec=spec, abstention=_abstention(classifier))


def _abstention(classifier: Classifier) -> Abstention | None:
    """The faces that a built-in trait gives no answer for, as another trait's head tells by the same vectors."""
    if "silent" not in classifier.bundle.manifest:
        return None
    fields = classifier.bundle.manifest["silent"]
    other = _open(builtin_traits.get_trait(fields["bundle"]).path)
    if other.spec != classifier.spec:
        raise BundleError(f"{classifier.bundle.path} and {other.bundle.path} do not belong together: reinstall mien")
    return Abstention(other.head, frozenset(fields["labels"]))


def _open(path: Path) -> Classifier:
    bundle = bundles.load(path)
    try:
        spec = PipelineSpec.from_json(bundle.manifest["chain"])
        dict(bundle.manifest["weights"])
        return Classifier(bundle, spec, _head(bundle, spec), spec.faces)
    except (KeyError, ValueError, TypeError) as error:
        raise BundleError(f"{path} is damaged ({error}): restore it or train it again") from error


def _require_networks(classifier: Classifier) -> None:
    """Refuse a bundle whose user's own networks are not here as they were when it was trained, and say what to type."""
    path, networks = classifier.bundle.path, classifier.bundle.manifest.get("networks", {})
    try:
        pinned = [own_card_from_json(name, fields) for name, fields in networks.items()]
    except (AttributeError, ValueError) as error:
        raise BundleError(f"{path} is damaged ({error}): restore it or train it again") from error
    for card in pinned:
        here, command = models.CARDS.get(card.name), add_command(card)
        if here is None:
            raise BundleError(
                f"{path} needs the network {card.name!r}, which is not on this machine: get the file {card.title}"
                f" whose SHA-256 begins with {networks[card.name]['sha256'][:16]}, and type '{command}'"
            )
        if card_identity(here) != card_identity(card):
            first = "" if here.source == card.source else f"'mien models remove {card.name}' and "
            raise BundleError(
                f"{path} was trained with another network {card.name!r}, or prepared faces otherwise for it, than this"
                f" machine: train it again, or type {first}'{command}'"
            )


def _changed_weights(classifier: Classifier) -> list[str]:
    """The weights that are not here as the bundle pins them."""
    here, pinned = classifier.spec.weights(), dict(classifier.bundle.manifest["weights"])
    return sorted(name for name in here if pinned.get(name) != here[name])


def _head(bundle: bundles.Bundle, spec: PipelineSpec) -> Head | NetworkHead:
    """The head or the network of a bundle; `ValueError` where it does not fit the pipeline."""
    fields = bundle.manifest["head"]
    if fields["kind"] != KIND:
        if spec.embedder == PIXELS:
            raise ValueError("its head takes vectors, but its pipeline ends with pixels")
        head = Head.load(fields, bundle.arrays)
        if -math.inf < head.threshold < -_LARGEST_COSINE or head.threshold > _LARGEST_COSINE:
            raise ValueError(f"a threshold of {head.threshold:g} is not a cosine")
        return head
    if bundle.network is None:
        raise ValueError("its network is missing")
    network = NetworkHead.load(fields, bundle.arrays, bundle.network)
    channels, *sides = network.input if len(network.input) == 3 else (0,)
    fits = channels == 3 or (channels == 1 and spec.view.grey)
    if (fits and sides == [spec.view.size] * 2) != (spec.embedder == PIXELS):
        raise ValueError("its network does not take the crops of its pipeline")
    return network
