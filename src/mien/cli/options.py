"""Options that several verbs share, so that a word means one thing everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.")]
Workers: TypeAlias = Annotated[
    int | None, typer.Option("--workers", min=1, max=256, help="Number of threads (default: number of cores).")
]
KeepGoing: TypeAlias = Annotated[bool, typer.Option("--keep-going", help="Skip photos that fail unexpectedly.")]
NoCache: TypeAlias = Annotated[bool, typer.Option("--no-cache", help="Do not read or write the embedding cache.")]
Detector: TypeAlias = Annotated[
    str,
    typer.Option("--detector", help="auto (yunet), yunet, mtcnn, hog, haar, scrfd or your own."),
]
Embedder: TypeAlias = Annotated[str, typer.Option("--embedder", help="auto, or a name from 'mien models list'.")]
Faces: TypeAlias = Annotated[
    str, typer.Option("--faces", help="find: look for the face; cut: each picture is a face already cut.")
]
BundleFaces: TypeAlias = Annotated[
    str | None, typer.Option("--faces", help="find or cut: override how the bundle prepares faces.")
]
AllFaces: TypeAlias = Annotated[bool, typer.Option("--all-faces", help="Every face of a photo, not only the main one.")]
MinFace: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--min-face",
        min=12,
        help="Side of the smallest face, in pixels of the photo; by default 20, or 2 % of a large photo's longer side.",
    ),
]
Images: TypeAlias = Annotated[
    Path | None, typer.Option("--images", help="Folder that the file names in a table are relative to.")
]
Target: TypeAlias = Annotated[str | None, typer.Option("--target", help="Column of a table that holds the label.")]
Labels: TypeAlias = Annotated[Path | None, typer.Option("--labels", help="CSV that labels the photos of a folder.")]
Verdicts: TypeAlias = Annotated[
    Path | None, typer.Option("--verdicts", help="Table of your decisions about the findings of 'mien check'.")
]
Data: TypeAlias = Annotated[
    Path, typer.Argument(help="Folder of label folders, CSV, Parquet, fer2013.csv, or a folder with metadata.csv.")
]
BundleArgument: TypeAlias = Annotated[
    Path,
    typer.Argument(metavar="BUNDLE", help="A bundle made by 'mien train', or a built-in trait: 'mien models list'."),
]
Traits: TypeAlias = Annotated[
    str | None, typer.Option("--traits", help="all, none, or names separated by commas, such as mask,glasses.")
]
Photos: TypeAlias = Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photos, or folders of photos.")]
