"""Photos in, the labels of their faces out, by a bundle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import overload

from mien.data.sources import ImageSource, ImageSources, is_single
from mien.pipeline.classifier import Classifier, load, one_picture
from mien.pipeline.progress import Progress
from mien.types import Prediction, Rejected


@overload
def classify(bundle: str | Path | Classifier, images: ImageSource, *, faces: str | None = ..., workers: int | None = ..., keep_going: bool = ..., cache: bool = ..., progress: bool | Progress = ...) -> list[Prediction]: ...  # type: ignore[overload-overlap]  # fmt: skip  # noqa: E501
@overload
def classify(bundle: str | Path | Classifier, images: Iterable[ImageSource], *, faces: str | None = ..., workers: int | None = ..., keep_going: bool = ..., cache: bool = ..., progress: bool | Progress = ...) -> Iterator[Prediction | Rejected]: ...  # fmt: skip  # noqa: E501
def classify(
    bundle: str | Path | Classifier,
    images: ImageSources,
    *,
    faces: str | None = None,
    workers: int | None = None,
    keep_going: bool = False,
    cache: bool = True,
    progress: bool | Progress = False,
) -> list[Prediction] | Iterator[Prediction | Rejected]:
    """Name every face: the best labels with their probabilities, or "unknown".

    Args:
        bundle: A bundle written by `train`, the name of a built-in trait such as "mask", or what `load` opened.
        images: One picture (a path, bytes, an RGB array or a PIL image), a folder, or several of these.
        faces: "find" or "cut", to override how the bundle prepares faces.
        workers: Threads, by default as many as there are cores.
        keep_going: An unexpected failure costs only its photo.
        cache: Whether embeddings are looked up and stored.
        progress: Show a bar.

    Returns:
        For one picture a list with a prediction for each face; for a folder or several pictures an iterator over
        predictions, and over what was rejected.

    Raises:
        BundleError: The bundle cannot be used here.
        DataError: One picture cannot be read, or there are no pictures.
        WeightsError: Weights are missing.
    """
    classifier = bundle.with_faces(faces) if isinstance(bundle, Classifier) else load(bundle, faces=faces)
    results = classifier.predict(images, workers=workers, keep_going=keep_going, cache=cache, progress=progress)
    return one_picture(results) if is_single(images) else results
