"""How good a classifier is on labelled photos."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from mien import fileio
from mien.data import DataSource, open_data
from mien.evaluation import Report
from mien.pipeline.classifier import Classifier, load
from mien.pipeline.evaluation import data_name, evaluate_classifier
from mien.pipeline.execute import RunOptions
from mien.pipeline.progress import Progress


def evaluate(
    bundle: str | Path | Classifier,
    data: DataSource,
    *,
    report: str | PathLike[str] | None = None,
    labels: str | Path | None = None,
    images: str | Path | None = None,
    target: str | None = None,
    split: str | None = None,
    faces: str | None = None,
    workers: int | None = None,
    keep_going: bool = False,
    cache: bool = True,
    progress: bool | Progress = False,
) -> Report:
    """Measure a classifier by the main face of each photo; labels that it does not know count as strangers.

    Args:
        bundle: What `train` wrote, the name of a built-in trait such as "mask", or what `load` opened.
        data: Folder of label folders, CSV, Parquet, fer2013.csv, a folder with metadata.csv, or a `DataSet`.
        report: Where to write a page with figures, charts and mistakes.
        labels: CSV with labels for the photos of a folder.
        images: Folder that the file names of a table are relative to.
        target: Column of a table that holds the label.
        split: "train", "val", "test" or "all"; by default the held-out split, if the data defines one.
        faces: "find" or "cut", to override how the bundle prepares faces.
        workers: Threads, by default as many as there are cores.
        keep_going: An unexpected failure costs only its photo.
        cache: Whether embeddings are looked up and stored.
        progress: Show a bar.

    Returns:
        The figures, with intervals; in a notebook they show themselves.

    Raises:
        BundleError: The bundle cannot be used here.
        DataError: Nothing is labelled, there is no such split, or `report` cannot be written.
        WeightsError: Weights are missing.
    """
    if report is not None:
        fileio.check_writable(Path(report))
    classifier = bundle.with_faces(faces) if isinstance(bundle, Classifier) else load(bundle, faces=faces)
    photos = open_data(data, labels=labels, images=images, target=target)
    run = RunOptions.build(workers, keep_going, cache, progress)
    figures = evaluate_classifier(classifier, photos, data_name(data), split, run)
    if report is not None:
        figures.to_html(report)
    return figures
