"""How good a classifier is on labelled photos, and how good an embedder is on pairs."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from mien import fileio
from mien.data import DataSource, open_data
from mien.errors import DataError
from mien.evaluation import PairsResult, Report, read_pairs, score_pairs
from mien.pipeline.classifier import Classifier, load
from mien.pipeline.evaluation import data_name, evaluate_classifier
from mien.pipeline.execute import RunOptions, embed_photos
from mien.pipeline.progress import Progress
from mien.pipeline.spec import build_spec
from mien.types import Embedding, Origin, PhotoRef


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


def benchmark_pairs(
    csv: str | Path,
    *,
    images: str | Path,
    detector: str = "auto",
    embedder: str = "auto",
    faces: str = "find",
    workers: int | None = None,
    cache: bool = True,
    progress: bool | Progress = False,
) -> PairsResult:
    """Same person or not, over pairs of photos: the threshold of each fold is chosen on the other folds (LFW).

    A pair with a photo without a face counts as an error.

    Args:
        csv: Table with the columns a, b, same and optionally fold; or LFW's own pairs.txt.
        images: Folder that the paths are relative to.
        detector: "auto", or a name from `mien models list`.
        embedder: "auto", or a name from `mien models list`.
        faces: "find" looks for the face, "cut" takes each picture as a face already cut.
        workers: Threads, by default as many as there are cores.
        cache: Whether embeddings are looked up and stored.
        progress: Show a bar.

    Raises:
        DataError: The table cannot be read, or none of its photos shows a face.
        WeightsError: Weights are missing.
    """
    spec = build_spec(detector, embedder, faces)
    pairs = read_pairs(Path(csv))
    keys = sorted({key for pair in pairs for key in (pair.a, pair.b)})
    refs = [PhotoRef(Origin(key), Path(images) / key) for key in keys]
    run = RunOptions.build(workers, cache=cache, progress=progress)
    vectors = {r.key: r.vector for r in embed_photos(spec, refs, run) if isinstance(r, Embedding)}
    if not vectors:
        raise DataError(f"none of the {len(refs)} photos that {csv} names shows a face: check --images")
    distances = [
        float(np.linalg.norm(vectors[pair.a] - vectors[pair.b]))
        if pair.a in vectors and pair.b in vectors
        else float("nan")
        for pair in pairs
    ]
    result = score_pairs(distances, [pair.same for pair in pairs], [pair.fold for pair in pairs])
    return replace(result, detector=spec.detector, embedder=spec.embedder)
