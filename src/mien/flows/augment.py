"""Faces in, variants of them out, and contact sheets; what is there already is not made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mien import fileio
from mien.alignment.views import AUTO, ViewOptions, resolve_view
from mien.alignment.views import view as view_of
from mien.augmentation.policy import METHODS, Policy, Step, load_policy
from mien.augmentation.stage import drop_equal_channels, variant_seed
from mien.data import photos
from mien.errors import DataError
from mien.flows.augment_folder import MARKS, AugmentOptions, AugmentResult, augment_folder, face_stages, no_face
from mien.images import captioned_sheet, encode
from mien.pipeline.execute import RunOptions
from mien.pipeline.progress import Progress
from mien.pipeline.spec import PipelineSpec, build_spec
from mien.run.runners import run_stages
from mien.types import Crop, PhotoRef, Pixels


def augment(
    src: str | Path,
    dst: str | Path | None = None,
    *,
    variants: int = 64,
    policy: str = "gentle",
    grid: bool = False,
    preview: str | Path | None = None,
    faces: str | None = None,
    view: str | None = None,
    size: int | None = None,
    format: str = "jpeg",
    seed: int = 0,
    all_faces: bool = False,
    detector: str = "auto",
    min_face: int | None = None,
    workers: int | None = None,
    keep_going: bool = False,
    progress: bool | Progress = False,
) -> AugmentResult:
    """Make variants of every face by a policy: `a/x~00.jpg`, `a/x~01.jpg` ... of `a/x.png`, and `dst/rejected.csv`.

    With `grid` they go to `dst/grid_after`, and a sheet of each face to `dst/grid`. A run that was interrupted
    continues where it stopped, and no file is replaced that was not written here by an earlier run.

    Args:
        src: Folder of photos, or one photo; its folders are kept.
        dst: Folder for the variants.
        variants: How many of each face, the unchanged face included.
        policy: A policy's name, or a TOML file.
        grid: A contact sheet of each face, too.
        preview: PNG or JPEG file that shows what each method makes of the first face.
        faces: "find" looks for the face, "cut" takes each picture as a face already cut; by default "cut" for folders
            that `align` or `augment` wrote.
        view: How faces are cut: "openface", "dlib", "arcface", "fer" or "box"; by default "openface" where dlib is
            installed, else "dlib".
        size: Side of a variant in pixels.
        format: "jpeg" or "png".
        seed: Seed of everything that is random.
        all_faces: Every face of a photo, not only the main one.
        detector: "auto", or a name from `mien models list`.
        min_face: Side of the smallest face, in pixels of the photo.
        workers: Threads, by default as many as there are cores.
        keep_going: An unexpected failure costs only its photo.
        progress: Show a bar.

    Raises:
        DataError: No such folder or format, `dst` is `src`, holds variants of another kind, or cannot be written; no
            face at all.
        WeightsError: Weights are missing.
        MissingExtra: torch is not installed.
    """
    src = Path(src)
    run = RunOptions.build(workers, keep_going, progress=progress)
    if dst is None and preview is None:
        raise DataError("nothing to do: give DST for the variants, or --preview FILE.png for a sheet to look at")
    if not src.exists():
        raise DataError(f"there is no file or folder {src}")
    if faces is None and any((src / mark).is_file() for mark in MARKS):
        run.note(f"{src} holds faces cut by mien, which are taken as they are (--faces find looks for faces in them)")
        faces = "cut"
    spec = build_spec(detector, faces=faces or "find", which="all" if all_faces else "largest", min_face=min_face)
    if spec.faces == "cut" and view is not None:
        raise DataError(f"--view {view} says how to cut faces that are found: it does not go with --faces cut")
    spec = replace(spec, view=view_of(resolve_view(view or AUTO), ViewOptions(size)))
    options = AugmentOptions(load_policy(policy), variants, seed, grid, format, size if spec.faces == "cut" else None)
    result = AugmentResult(options.policy.name, spec.detector if spec.faces == "find" else "none")
    refs = photos([src])
    if preview is not None:
        write_preview(refs, spec, options, Path(preview))
        result = replace(result, preview=Path(preview))
    if dst is not None:
        result = augment_folder(src, refs, Path(dst), spec, options, run, result)
    return result


_COLUMNS = 4
_SIDE = 192
_TELLING = 5
"""A seed that stretches the face clearly where zoom is drawn, and hides an eye where a part is erased."""


def write_preview(refs: Sequence[PhotoRef], spec: PipelineSpec, options: AugmentOptions, file: Path) -> None:
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
    options.policy.ensure_installed()
    if spec.faces == "find":
        spec.ready()
    face = _first(refs, spec, options)
    fileio.write(file, encode(_sheet(face, options), "png" if suffix == ".png" else "jpeg"))


def alone(policy: Policy, method: str) -> Policy:
    """A policy of one method only, as far as `policy` lets it go, or as is telling where it has it not."""
    step = next((step for step in policy.steps if step.method == method), Step(method, *METHODS[method].typical))
    far = METHODS[method].strongest(step.low, step.high)
    # As far as it goes in both directions, zoom would look like scale: it is drawn instead.
    ends = (step.low, step.high) if method == "zoom" else (far, far)
    return replace(policy, name=method, steps=(Step(method, *ends),))


def _first(refs: Sequence[PhotoRef], spec: PipelineSpec, options: AugmentOptions) -> Pixels:
    rejected = []
    for found in run_stages(face_stages(spec, options), refs, keep_going=True):
        if isinstance(found, Crop):
            return drop_equal_channels(found.pixels)
        rejected.append(found)
    raise DataError(no_face("shown", len(refs), rejected, spec))


def _sheet(face: Pixels, options: AugmentOptions) -> Pixels:
    policy = options.policy
    pictures, captions = [face], [("as it is", "")]
    for method in METHODS:
        pictures.append(alone(policy, method).variants(face, [_TELLING])[0])
        captions.append((method, _note(policy, method)))
    pictures.append(policy.variants(face, [variant_seed(options.seed, "preview", 0)])[0])
    captions.append((f"policy {policy.name}", "all that it holds"))
    return captioned_sheet(pictures, captions, _COLUMNS, _SIDE)


def _note(policy: Policy, method: str) -> str:
    step = next((step for step in policy.steps if step.method == method), None)
    if step is None:
        return f"not in {policy.name}"
    span = f"{step.low:g} to {step.high:g}" if METHODS[method].limits else ""
    often = f"{step.probability:.0%} of variants" if step.probability < 1 else ""
    return ", ".join(part for part in (span, often) if part) or "always"
