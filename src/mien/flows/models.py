"""Adding weights: files that mien knows, and networks of the user's own, which have to prove themselves on a photo."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from mien import models
from mien.alignment.stage import Align
from mien.alignment.views import VIEWS, ViewOptions, view
from mien.detection import DETECTORS, SCRFD_OUTPUTS, YUNET_OUTPUTS, Detections, resolve
from mien.detection.detections import overlaps
from mien.detection.stage import Detect
from mien.embedding import EMBEDDERS
from mien.embedding.stage import run_network
from mien.errors import DataError, MienError, WeightsError
from mien.images import decode
from mien.models import builtin_traits, inventory, weights
from mien.models.cards import BUILT_IN, OWN_NAME, Card, Commercial, InputSpec, Kind, OwnFile, PackageFile
from mien.text import pluralize
from mien.types import Crop, Faces, Floats, Origin, Photo, Pixels

_PHOTO = PackageFile(
    "matplotlib",
    "mpl-data/sample_data/grace_hopper.jpg",  # by the US Navy, public domain
    "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
    61306,
)
_OF_ALL, _OF_DETECTORS = ("file", "name"), ("kind", "licence", "commercial")
"""Options that do not describe a network of one's own, and those that describe a detector."""
_RESERVED = ("auto", "none", "all", *builtin_traits.TRAITS)
_MEAN, _SCALE = 127.5, 127.5  # ArcFace's, for a network that does not begin with both of its own
_BATCH_TOLERANCE = 1e-3
_MARGIN, _SMALLEST_DISTANCE = 1.5, 0.1
"""A picture of no face must be so many times as far away as the face's own mirror image, or as this distance."""


def add_model(
    file: str | Path,
    *,
    name: str | None = None,
    kind: str | None = None,
    view: str | None = None,
    size: int | None = None,
    mean: float | None = None,
    scale: float | None = None,
    colour: str | None = None,
    licence: str | None = None,
    commercial: str | None = None,
    threshold: float | None = None,
) -> inventory.AddResult:
    """Add a file of weights: one that mien knows, or under a new name any ArcFace-like embedder or face detector.

    A network of your own is tried on a photo before it is kept. The same file can be added again under its name, with
    other options.

    Args:
        file: An ONNX file.
        name: Name of these weights, if mien does not recognise the file; a new name for a network of your own.
        kind: "embedder" or "detector"; by default guessed from its outputs.
        view: How a face is cut for an embedder, "arcface" by default.
        size: Side of the crops in pixels, by default taken from the file, otherwise from the view.
        mean: Pixels enter an embedder as (value - mean) / scale; 127.5 by default, 0 for a network that subtracts.
        scale: The divisor in (value - mean) / scale; 127.5 by default, 1 for a network that multiplies.
        colour: "rgb", the default, or "bgr": the order in which an embedder takes the channels.
        licence: The licence of the network, as `mien models list` shows it.
        commercial: "yes", "no" or "unknown": whether commercial use is allowed.
        threshold: The distance below which two faces are one person, for `verify` and the gallery.

    Returns:
        The name and the file in the cache.

    Raises:
        WeightsError: The file does not fit, or does not do on a photo what it should.
        DataError: An option has no meaning.
    """
    given = {option: value for option, value in locals().items() if value is not None and option not in _OF_ALL}
    path = Path(file)
    if name is None or name in BUILT_IN:
        if given:
            raise DataError(f"--{next(iter(given))} describes a network of your own: give it a new name with --as")
        return inventory.add(path, name)
    _check_words(name, given)
    network = inventory.inspect(path)
    card = _card(name, path, network, given)
    stored = weights.add_to_cache(name, weights.EXTERNAL_KEY, network.data)
    try:
        card, trial = (_try_embedder if card.kind == "embedder" else _try_detector)(path, stored, card)
    except Exception as error:
        if models.CARDS.get(name) is None:
            stored.unlink(missing_ok=True)
        if isinstance(error, MienError):
            raise type(error)(str(error).replace(str(stored), str(path))) from error
        # ONNX Runtime's exceptions share no base class, and outputs of another shape fail in many ways.
        reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
        raise WeightsError(f"{path} cannot be run as {_article(card.kind)} ({reason})") from error
    inventory.store_own(card)
    return inventory.AddResult(name, stored, False, weights.licence_terms(card), trial)


def _check_words(name: str, given: Mapping[str, Any]) -> None:
    own = models.CARDS.get(name)
    if not OWN_NAME.fullmatch(name):
        raise DataError(f"--as {name}: a name is made of small letters, digits and hyphens, such as 'my-arcface'")
    if name in _RESERVED or (own is None and (name in EMBEDDERS or name in DETECTORS)):
        raise DataError(f"--as {name}: this name is taken, choose another")
    words = {"kind": ("embedder", "detector"), "view": tuple(VIEWS), "colour": ("rgb", "bgr")}
    for option, choices in (words | {"commercial": ("yes", "no", "unknown")}).items():
        if given.get(option, choices[0]) not in choices:
            raise DataError(f"--{option} {given[option]}: use {', '.join(choices[:-1])} or {choices[-1]}")
    for option in ("scale", "threshold"):
        if not 0 < given.get(option, 1) < np.inf:
            raise DataError(f"--{option} {given[option]:g}: use a number above 0")
    if not np.isfinite(given.get("mean", 0)):
        raise DataError(f"--mean {given['mean']:g}: use a number")


def _card(name: str, file: Path, network: inventory.NetworkFile, given: Mapping[str, Any]) -> Card:
    """The card of a network by what the user said, what was known of the file, and what its header says."""
    before = models.CARDS.get(name)
    if before and before.source != OwnFile(network.sha256):
        raise WeightsError(
            f"{name!r} is the name of another file: choose another name, or type 'mien models remove {name}' first"
        )
    base = before or inventory.known_card(network.sha256)
    kind = _kind(file, network, given.get("kind"))
    if kind == "detector" and (wrong := [option for option in given if option not in _OF_DETECTORS]):
        raise DataError(f"--{wrong[0]} describes embedders, and {file} is a detector: omit it")
    spec = _input(file, network, given, base.input if base else None) if kind == "embedder" else None
    return Card(
        name,
        kind,
        title=before.title if before else file.name,
        licence=given.get("licence", base.licence if base else "none stated"),
        commercial=cast(Commercial, given.get("commercial", base.commercial if base else "unknown")),
        data=base.data if base else "not stated",
        source=OwnFile(network.sha256),
        input=spec,
        threshold=given.get("threshold", base.threshold if base and base.input == spec else None),
        outputs=len(network.outputs),
    )


def _kind(file: Path, network: inventory.NetworkFile, asked: str | None) -> Kind:
    """What a network is by its outputs: a vector, to which AdaFace adds its length, or those of the two detectors."""
    count = len(network.outputs)
    detector = count in (SCRFD_OUTPUTS, YUNET_OUTPUTS)
    if not detector and not 1 <= count <= 2:
        raise WeightsError(
            f"{file} has {count} outputs: mien can use embedders, which have 1, SCRFD with landmarks, which has"
            f" {SCRFD_OUTPUTS}, and YuNet, which has {YUNET_OUTPUTS}"
        )
    kind: Kind = "detector" if detector else "embedder"
    if asked not in (None, kind):
        raise WeightsError(f"{file} is no {asked}: it has {pluralize(count, 'output')}, as {_article(kind)} has")
    return kind


def _input(file: Path, network: inventory.NetworkFile, given: Mapping[str, Any], known: InputSpec | None) -> InputSpec:
    raw = InputSpec(0, "arcface") if network.scales else InputSpec(0, "arcface", mean=_MEAN, scale=1 / _SCALE)
    spec = replace(known or raw, **{option: given[option] for option in ("view", "colour", "mean") if option in given})
    fixed = {side for side in network.sides if side}
    size = given.get("size", max(fixed, default=spec.size or VIEWS[spec.view].size))
    if fixed - {size}:
        height, width = network.sides
        raise WeightsError(f"{file} takes pictures of {width} x {height} pixels, not {size} x {size}")
    view(spec.view, ViewOptions(size=size))  # refuses what is not possible
    return replace(spec, size=size, scale=1 / given["scale"] if "scale" in given else spec.scale)


def _try_embedder(file: Path, path: Path, card: Card) -> tuple[Card, str]:
    """The card with what a run shows: the length of its vectors, and whether batches may be used."""
    if card.input is None:
        raise ValueError("an embedder's card says what it takes")
    faces = _photographed_face()
    (crop,) = Align(view(card.input.view, ViewOptions(size=card.input.size)))([faces])
    if not isinstance(crop, Crop):
        raise WeightsError(f"{file} cannot be tried: the view {card.input.view} does not cut the face of a photo")
    face, size = np.broadcast_to(np.atleast_3d(crop.pixels), (card.input.size, card.input.size, 3)), card.input.size
    step = max(1, size // 50)
    moved = np.pad(face, ((0, 0), (step, 0), (0, 0)), "edge")[:, :size]
    run = partial(run_network, models.session(path))
    single = replace(card.input, one_by_one=True)
    pictures = np.stack([face, face[:, ::-1], moved, _background(faces, size)])
    vectors = run(single, pictures)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if vectors.shape[1] < 2 or not np.isfinite(vectors).all() or not lengths.all():
        what = "numbers that are not finite" if vectors.shape[1] > 1 else "one value"
        raise WeightsError(
            f"{file} gives {what if lengths.all() else 'nothing but zeros'} for a face: it is no embedder"
        )
    units = vectors / lengths
    mirrored, shifted, other = (float(np.linalg.norm(units[0] - unit)) for unit in units[1:])
    if not max(mirrored, shifted, _SMALLEST_DISTANCE) * _MARGIN < other:
        raise WeightsError(
            f"{file} does not know a face again: its mirror image is {mirrored:.2f} away, the face moved a little"
            f" {shifted:.2f}, and a picture of no face {other:.2f}; see whether --view, --size, --mean, --scale and"
            " --colour are as its authors say"
        )
    spec = card.input if _same_in_batches(run, card.input, pictures[:2], vectors[:2]) else single
    dim = vectors.shape[1]
    trial = (
        f"{dim} values from {size} x {size} pixels; in a photo the mirror image of a face was {mirrored:.2f} away, and"
        f" a picture of no face {other:.2f}"
    )
    return replace(card, input=spec, dim=dim), trial


def _same_in_batches(run: Any, spec: InputSpec, pictures: Pixels, alone: Floats) -> bool:
    with suppress(Exception):  # ONNX Runtime's exceptions share no base class
        difference = np.abs(run(spec, pictures) - alone).max()
        return bool(difference <= _BATCH_TOLERANCE * np.linalg.norm(alone, axis=1).min())
    return False


def _try_detector(file: Path, path: Path, card: Card) -> tuple[Card, str]:
    from mien.detection.single_shot import SCRFD, YuNet

    faces = _photographed_face()
    found = (SCRFD if card.outputs == SCRFD_OUTPUTS else YuNet)(weights=path)(faces.photo.pixels)
    if not len(found):
        raise WeightsError(f"{file} found no face in a photo of one; the best candidate scored {found.near_miss:.2f}")
    if overlaps(found.boxes[:1], faces.boxes[:1])[0, 0] < 0.4:
        box = ", ".join(f"{edge:.0f}" for edge in found.boxes[0])
        count = pluralize(len(found), "face")
        raise WeightsError(f"{file} found {count} in a photo of one, and the main one where there is none ({box})")
    if not _has_landmarks(found):
        raise WeightsError(f"{file} found the face in a photo, but not two eyes above a nose and a mouth")
    return card, f"found the face in a photo with a score of {found.scores[0]:.2f}"


def _has_landmarks(found: Detections) -> bool:
    """Whether the points of the main face are in order, and in its box."""
    if found.landmarks is None:
        return False
    (right, left, nose, *mouth), (x1, y1, x2, y2) = found.landmarks[0], found.boxes[0]
    inside = all(x1 <= x <= x2 and y1 <= y <= y2 for x, y in found.landmarks[0])
    upright = max(right[1], left[1]) < nose[1] < min(mouth[0][1], mouth[1][1])
    return bool(inside and upright and right[0] < nose[0] < left[0])


def _photographed_face() -> Faces:
    """A photo of one face that an installed package carries, and where mien's own detector finds it."""
    path = weights.package_path(_PHOTO)
    try:
        pixels = decode(path.read_bytes(), max_megapixels=1).pixels
    except OSError as error:
        raise WeightsError(
            f"the network cannot be tried: {path} is missing, pip install --force-reinstall --no-deps matplotlib"
        ) from error
    photo = Photo(Origin(path.name), pixels, pixels.shape[1], pixels.shape[0])
    (faces,) = Detect(resolve("auto"))([photo])
    if not isinstance(faces, Faces):
        raise WeightsError(f"the network cannot be tried: {path} shows no face")
    return faces


def _background(faces: Faces, size: int) -> Pixels:
    """The lower left corner of the photo, a square as high as the face, at the size of a crop."""
    pixels = faces.photo.pixels
    height, width = pixels.shape[:2]
    side = int(faces.boxes[0, 3] - faces.boxes[0, 1])
    rows = np.linspace(height - side, height - 1, size).astype(int)
    return np.asarray(pixels[np.ix_(rows, np.linspace(0, min(side, width) - 1, size).astype(int))], np.uint8)


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
