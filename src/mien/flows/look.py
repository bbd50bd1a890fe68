"""Photos in, everything that can be seen of their faces out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import overload

from mien.data.sources import ImageSource, ImageSources, is_single, photo_refs
from mien.pipeline.annotate import Face, FaceAnnotator, PhotoReport
from mien.pipeline.classifier import one_picture
from mien.pipeline.execute import RunOptions
from mien.pipeline.identify import namer_for_look
from mien.pipeline.progress import Progress
from mien.pipeline.spec import build_spec
from mien.pipeline.traits import open_traits
from mien.types import PhotoRef, Rejected


class FaceList(list[Face]):
    """The faces of one picture, which a notebook shows in it."""

    def __init__(self, report: PhotoReport | None) -> None:
        super().__init__(report.faces if report else ())
        self.report = report

    def _repr_html_(self) -> str:
        return self.report._repr_html_() if self.report else "<p>no face was found</p>"


@overload
def look(images: ImageSource, *, draw: str | Path | None = ..., traits: str | None = ..., detector: str = ..., min_face: int | None = ..., workers: int | None = ..., keep_going: bool = ..., progress: bool | Progress = ...) -> FaceList: ...  # type: ignore[overload-overlap]  # fmt: skip  # noqa: E501
@overload
def look(images: Iterable[ImageSource], *, draw: str | Path | None = ..., traits: str | None = ..., detector: str = ..., min_face: int | None = ..., workers: int | None = ..., keep_going: bool = ..., progress: bool | Progress = ...) -> Iterator[PhotoReport | Rejected]: ...  # fmt: skip  # noqa: E501
def look(
    images: ImageSources,
    *,
    draw: str | Path | None = None,
    traits: str | None = None,
    detector: str = "auto",
    min_face: int | None = None,
    workers: int | None = None,
    keep_going: bool = False,
    progress: bool | Progress = False,
) -> FaceList | Iterator[PhotoReport | Rejected]:
    """Find every face, with landmarks, quality, built-in traits, and who it is of those who are enrolled.

    Args:
        images: One picture (a path, bytes, an RGB array or a PIL image), a folder, or several of these.
        draw: Folder for annotated copies of the photos with faces.
        traits: "all", "none", or names separated by commas, such as "mask,glasses".
        detector: "auto", or a name of `mien.detection.DETECTORS`.
        min_face: Side of the smallest face, in pixels of the photo.
        workers: Threads, by default as many as there are cores.
        keep_going: An unexpected failure costs only its photo.
        progress: Show a bar.

    Returns:
        For one picture a list of its faces, empty where there is none; for a folder or several pictures an iterator
        over their reports, and over what was rejected.

    Raises:
        DataError: One picture cannot be read, there are no pictures, or `draw` cannot be written.
        UnknownName: There is no such detector or trait.
        WeightsError: Weights are missing.
    """
    run = RunOptions.build(workers, keep_going, progress=progress)
    refs, single = photo_refs(images), is_single(images)
    reports = _reports(refs, run, None if draw is None else Path(draw), traits, detector, min_face, pictures=single)
    if not single:
        return reports
    found = one_picture(reports)
    return FaceList(found[0] if found else None)


def _reports(
    refs: list[PhotoRef],
    run: RunOptions,
    draw: Path | None,
    traits: str | None,
    detector: str,
    min_face: int | None,
    *,
    pictures: bool,
) -> Iterator[PhotoReport | Rejected]:
    with namer_for_look(detector) as (namer, why_not):
        spec = build_spec(namer.spec.detector if namer else detector, which="all", min_face=min_face)
        opened = open_traits(traits)
        for note in (*opened.notes, *([why_not] if why_not else [])):
            run.note(note)
        yield from FaceAnnotator(spec, opened.traits, namer).reports(refs, run, draw, pictures=pictures)
