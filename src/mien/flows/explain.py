"""Photos in, the way of each to its answer out: as values, as lines, and as one page of pictures."""

from __future__ import annotations

import tomllib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from markupsafe import Markup

from mien import fileio
from mien.data.sources import ImageSources, photo_refs
from mien.detection import resolve
from mien.errors import DataError, MissingExtra
from mien.evaluation.templating import environment, printable
from mien.images import encode, thumbnail, tint
from mien.pipeline.classifier import load
from mien.pipeline.execute import RunOptions, execute
from mien.pipeline.explain import ExplainedPhoto, Explainer, Picture
from mien.pipeline.identify import namer_for_look
from mien.pipeline.progress import NoProgress, Progress
from mien.pipeline.spec import build_spec
from mien.pipeline.traits import NO_TRAITS, open_traits
from mien.text import wording
from mien.types import PhotoRef, Rejected

PAGE = "explain.html"
LANGUAGES = ("en", "ko")
_SIDE = 640  # of a photo on the page, at most
_CELL = 8  # side of the squares that HOG sums up gradients in
_MOST_PHOTOS = 100  # a page with more pictures would open in no browser


@dataclass(frozen=True, slots=True)
class Explanation(Sequence["ExplainedPhoto | Rejected"]):
    """The ways of photos to their answers, in order, and the page on which they are shown, if it was written."""

    photos: tuple[ExplainedPhoto | Rejected, ...]
    page: Path | None = None

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: Any) -> Any:
        return self.photos[index]

    def as_json(self) -> list[dict[str, Any]]:
        """The lines that `mien explain` prints."""
        page = {} if self.page is None else {"page": str(self.page)}
        return [{**(item.line() if isinstance(item, Rejected) else item.as_json()), **page} for item in self.photos]

    def to_html(self, path: str | Path, language: str = "en") -> Path:
        """Write the page, which needs nothing else, and opens in "en" or "ko": it holds both.

        Raises:
            DataError: it cannot be written.
        """
        fileio.write(Path(path), self.html(language).encode())
        return Path(path)

    def html(self, language: str = "en") -> str:
        """The page that `to_html` writes."""
        style = Markup(template_text("explain.css"))  # noqa: S704  (a file of our own)
        return self._render("explain.html", Words(LANGUAGES), language=language, style=style)

    def fragment(self, language: str) -> str:
        """The steps alone, in one language, for a page with its own style."""
        return self._render("explained.html", Words((language,)))

    def _repr_html_(self) -> str:
        return f"<style>{template_text('explain.css')}</style>{self.fragment('en')}"

    def _render(self, template: str, words: Words, **values: Any) -> str:
        room = environment(printable, data=_data_uri, steps=_steps)
        return room.get_template(template).render(photos=self.photos, t=words, legends=_legends(), **values)


def explain(
    images: ImageSources,
    *,
    out: str | Path | None = None,
    bundle: str | Path | None = None,
    traits: str | None = None,
    detector: str = "auto",
    min_face: int | None = None,
    language: str = "en",
    workers: int | None = None,
    keep_going: bool = False,
    progress: bool | Progress = False,
) -> Explanation:
    """Show the way of each photo to its answer in pictures, and what in the face the answer hangs on.

    Args:
        images: One picture (a path, bytes, an RGB array or a PIL image), a folder, or several of these.
        out: Folder for the page, `explain.html`.
        bundle: A bundle written by `train`, or the name of a built-in trait, whose answer to explain.
        traits: "all", "none", or names separated by commas; by default all, and none beside a bundle.
        detector: "auto", or a name of `mien.detection.DETECTORS`; by default a bundle's own.
        min_face: Side of the smallest face, in pixels of the photo.
        language: "en" or "ko", in which the page opens.
        workers: Threads, by default as many as there are cores.
        keep_going: An unexpected failure costs only its photo.
        progress: Show a bar.

    Returns:
        The photos with their steps, and why others have none.

    Raises:
        BundleError: The bundle cannot be used here.
        DataError: There are no pictures, or too many, or `out` cannot be written.
        MissingExtra: The gradients of HOG are to be drawn, and scikit-image is not installed.
        UnknownName: There is no such detector or trait.
        WeightsError: Weights are missing.
    """
    if language not in LANGUAGES:
        raise DataError(f"--language {language}: use 'en' or 'ko'")
    run = RunOptions.build(workers, keep_going, progress=progress)
    refs, page = photo_refs(images), None if out is None else Path(out) / PAGE
    if len(refs) > _MOST_PHOTOS:
        raise DataError(f"{len(refs)} photos are too many for one page: explain {_MOST_PHOTOS} at most at a time")
    if page is not None:
        fileio.check_writable(page)
    classifier = None if bundle is None else load(bundle)
    if classifier is not None and detector == "auto":
        detector = classifier.spec.detector
    with namer_for_look(detector) as (namer, why_not):
        if classifier is None:
            spec = build_spec(namer.spec.detector if namer else detector, which="all", min_face=min_face)
        else:
            spec = replace(classifier.spec.all_faces(), detector=resolve(detector))
            spec = spec if min_face is None else replace(spec, min_face=min_face)
        opened = None if bundle is not None and traits is None else open_traits(traits)
        for note in (*(opened.notes if opened else ()), *([why_not] if why_not else [])):
            run.note(note)
        name = None if bundle is None else Path(bundle).stem
        found = opened.traits if opened else NO_TRAITS
        explainer = Explainer(spec, found, namer, name, classifier)
        result = Explanation(tuple(explain_photos(explainer, refs, run)), page)
    if page is not None:
        result.to_html(page, language)
    return result


def explain_photos(
    explainer: Explainer, refs: Sequence[PhotoRef], run: RunOptions
) -> Iterator[ExplainedPhoto | Rejected]:
    """Photos -> their ways, in order; raises MissingExtra and WeightsError as `explain`."""
    if explainer.spec.detector == "hog" and find_spec("skimage") is None:
        raise MissingExtra("the gradients that hog sees are drawn by scikit-image: pip install 'mien[demo]'")
    explainer.spec.ready()
    # The bar counts photos, or what there is to do for a single one.
    explainer = replace(explainer, max_faces=run.max_faces, progress=run.progress if len(refs) == 1 else NoProgress())
    return execute([explainer.spec.detect_stages()[0], explainer], refs, len(refs), "photos", run)


class Words:
    """The texts of the page for its templates, in one language or in several at once, of which it hides all but one."""

    def __init__(self, languages: Sequence[str]) -> None:
        self._languages = languages

    def __call__(self, key: str, **values: Any) -> Markup:
        return self._said(_texts()[key], values)

    def name(self, group: str, name: str) -> Markup:
        """A label, trait or reason as the reader says it; those of a user's own bundle stay as they are."""
        return self._said(wording()[group].get(name, ("{name}", "{name}")), {"name": name})

    def plain(self, key: str, **values: Any) -> str:
        """The same as `__call__` without markup, for attributes."""
        return " · ".join(_texts()[key][LANGUAGES.index(language)].format(**values) for language in self._languages)

    def _said(self, texts: Sequence[str], values: Mapping[str, Any]) -> Markup:
        safe = {name: printable(value) for name, value in values.items()}
        said = {language: Markup(texts[LANGUAGES.index(language)]).format(**safe) for language in self._languages}  # noqa: S704
        if len(set(said.values())) == 1:
            return next(iter(said.values()))
        return Markup("").join(_IN_LANGUAGE.format(language, text) for language, text in said.items())


_IN_LANGUAGE = Markup('<span class="said" lang="{}">{}</span>')


@cache
def _texts() -> Mapping[str, tuple[str, str]]:
    return tomllib.loads(template_text("explain.toml"))


def _steps(photo: ExplainedPhoto) -> Iterator[Picture]:
    """A photo -> what it looks like on its way to the detector."""
    yield Picture("upright", thumbnail(photo.upright, _SIDE))
    grey = np.asarray(cv2.cvtColor(photo.upright, cv2.COLOR_RGB2GRAY), np.uint8)
    yield Picture("grey", thumbnail(grey, _SIDE))
    if photo.detector == "hog" and min(grey.shape) >= _CELL:
        from skimage.feature import hog

        lines = hog(grey, pixels_per_cell=(_CELL, _CELL), cells_per_block=(1, 1), visualize=True)[1]
        bright = np.clip(lines * (255 / max(float(np.percentile(lines, 99)), 1e-6)), 0, 255)
        yield Picture("gradients", encode(bright.astype(np.uint8), "jpeg", 85))


@cache
def _legends() -> Mapping[int, bytes]:
    """The colours of a map from 0 or -1 on the left to 1, as PNG."""
    grey = np.full((1, 1), 170, np.uint8)
    scales = {low: np.linspace(low, 1, 128, dtype=np.float32)[None].repeat(8, axis=0) for low in (-1, 0)}
    return {low: encode(tint(grey, values), "png") for low, values in scales.items()}


def template_text(name: str) -> str:
    """A file beside the templates, as it is."""
    return files("mien.evaluation").joinpath("templates", name).read_text("utf-8")


def _data_uri(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{b64encode(picture).decode()}"
