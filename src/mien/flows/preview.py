"""One face, and what each method makes of it, on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mien import fileio
from mien.augment.methods import METHODS
from mien.augment.policy import Policy, Step
from mien.augment.stage import plain, seed_of
from mien.errors import DataError
from mien.flows.augment import AugmentOptions, faces, nothing
from mien.images import captioned_sheet, encode
from mien.pipeline.spec import PipelineSpec
from mien.run.local import stream
from mien.types import Crop, PhotoRef, Pixels

_COLUMNS = 4
_SIDE = 192
_TELLING = 5
"""A seed that stretches the face clearly where zoom is drawn, and hides an eye where a part is erased."""


def preview(refs: Sequence[PhotoRef], spec: PipelineSpec, options: AugmentOptions, file: Path) -> None:
    """Photos -> a sheet of the first face in them, at `file`: as it is, by each method alone, and by the whole policy.

    A method of the policy goes as far as the policy lets it, and the others as far as is telling.

    Raises:
        DataError: no photo shows a face, or `file` is no PNG or JPEG or cannot be written.
        WeightsError: weights are missing. MissingExtra: torch is not installed.
    """
    suffix = file.suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg"):
        raise DataError(f"--preview {file}: give a file that ends in .png or .jpg")
    fileio.check_writable(file)
    options.policy.ready()
    if spec.faces == "find":
        spec.ready()
    face = _first(refs, spec, options)
    fileio.write(file, encode(_sheet(face, options), "png" if suffix == ".png" else "jpeg"))


def alone(policy: Policy, method: str) -> Policy:
    """A policy of one method only, as far as `policy` lets it go, or as is telling where it has it not."""
    step = next((step for step in policy.steps if step.method == method), Step(method, *METHODS[method].usual))
    far = METHODS[method].strongest(step.low, step.high)
    # As far as it goes in both directions, zoom would look like scale: it is drawn instead.
    ends = (step.low, step.high) if method == "zoom" else (far, far)
    return replace(policy, name=method, steps=(Step(method, *ends),))


def _first(refs: Sequence[PhotoRef], spec: PipelineSpec, options: AugmentOptions) -> Pixels:
    rejected = []
    for found in stream(faces(spec, options), refs, keep_going=True):
        if isinstance(found, Crop):
            return plain(found.pixels)
        rejected.append(found)
    raise DataError(nothing("shown", len(refs), rejected, spec))


def _sheet(face: Pixels, options: AugmentOptions) -> Pixels:
    policy = options.policy
    pictures, captions = [face], [("as it is", "")]
    for method in METHODS:
        pictures.append(alone(policy, method).pictures(face, [_TELLING])[0])
        captions.append((method, _note(policy, method)))
    pictures.append(policy.pictures(face, [seed_of(options.seed, "preview", 0)])[0])
    captions.append((f"policy {policy.name}", "all that it holds"))
    return captioned_sheet(pictures, captions, _COLUMNS, _SIDE)


def _note(policy: Policy, method: str) -> str:
    step = next((step for step in policy.steps if step.method == method), None)
    if step is None:
        return f"not in {policy.name}"
    span = f"{step.low:g} to {step.high:g}" if METHODS[method].limits else ""
    often = f"{step.probability:.0%} of variants" if step.probability < 1 else ""
    return ", ".join(part for part in (span, often) if part) or "always"
