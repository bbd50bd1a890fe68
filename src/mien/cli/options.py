"""Options that several verbs share, so that a word means one thing everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.")]
Workers: TypeAlias = Annotated[
    int | None, typer.Option("--workers", min=1, max=256, help="Threads; as many as cores by default.")
]
KeepGoing: TypeAlias = Annotated[bool, typer.Option("--keep-going", help="A failure costs only its photo.")]
NoCache: TypeAlias = Annotated[bool, typer.Option("--no-cache", help="Neither look vectors up nor remember them.")]
Detector: TypeAlias = Annotated[
    str, typer.Option("--detector", help="auto, mtcnn, hog, haar, yunet or scrfd; auto is yunet where it is present.")
]
Embedder: TypeAlias = Annotated[str, typer.Option("--embedder", help="auto, or a name from 'mien models list'.")]
Faces: TypeAlias = Annotated[
    str, typer.Option("--faces", help="find: look for the face; cut: each picture is a face already cut.")
]
OtherFaces: TypeAlias = Annotated[
    str | None,
    typer.Option("--faces", help="find or cut: prepare faces otherwise than the bundle's own, in training."),
]
AllFaces: TypeAlias = Annotated[bool, typer.Option("--all-faces", help="Every face of a photo, not the main one only.")]
MinFace: TypeAlias = Annotated[int, typer.Option("--min-face", min=12, help="Smallest face, in pixels of the photo.")]
Images: TypeAlias = Annotated[
    Path | None, typer.Option("--images", help="Folder that the file names of a table start from.")
]
Target: TypeAlias = Annotated[str | None, typer.Option("--target", help="Column of a table that holds the label.")]
Labels: TypeAlias = Annotated[Path | None, typer.Option("--labels", help="CSV that labels the photos of a folder.")]
Verdicts: TypeAlias = Annotated[
    Path | None, typer.Option("--verdicts", help="Table of what you decided about findings of 'mien check'.")
]
Data: TypeAlias = Annotated[
    Path, typer.Argument(help="Folder of label folders, CSV, Parquet, fer2013.csv, or a folder with metadata.csv.")
]
BundleArgument: TypeAlias = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="What 'mien train' left, or a built-in trait: see 'mien models list'.")
]
Traits: TypeAlias = Annotated[
    str | None, typer.Option("--traits", help="all, none, or names with commas between, such as mask,glasses.")
]
Photos: TypeAlias = Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photos, or folders of photos.")]


def grey(colour: str | None) -> bool | None:
    """What --colour says: whether crops are grey; None where nothing is said.

    Raises:
        DataError: it says something else.
    """
    from mien.errors import DataError

    if colour not in (None, "rgb", "grey"):
        raise DataError(f"--colour {colour}: use rgb or grey")
    return None if colour is None else colour == "grey"
