"""Asking a built-in trait about labelled faces, by the command and face by face; knows no data set."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mien.data import DataOptions, open_data
from mien.evaluation import Share
from mien.pipeline.classifier import load
from mien.pipeline.classify import Classify
from mien.pipeline.execute import RunOptions, prepare_photos
from mien.run.runners import run_stages
from mien.types import UNCERTAIN, Prediction

MIEN = [sys.executable, "-c", "from mien.cli import main; main()"]

Rows: TypeAlias = Iterable[tuple[str, str, bytes]]
"""Pictures: a file's name, the label, and the encoded bytes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a face was taken for, whether or not it was certain."""

    key: str
    truth: str
    likeliest: str
    certain: bool

    @property
    def right(self) -> bool:
        return self.likeliest == self.truth


def lines(*arguments: object) -> list[dict[str, Any]]:
    """What a command prints with --json."""
    command = [*MIEN, *map(str, arguments), "--json", "--quiet"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def evaluated(trait: str, data: Path, faces: str, *options: object) -> dict[str, Any]:
    """The figures of `mien evaluate`, without the curves of strangers, of whom there are none here."""
    found = lines("evaluate", trait, data, "--faces", faces, *options)[-1]
    return {name: value for name, value in found.items() if name not in ("unknown", "strangers", "unlabelled")}


def answers(trait: str, data: Path, faces: str, images: Path | None = None) -> list[Answer]:
    """The answer for each labelled photo that has one, as `mien evaluate` comes to it."""
    refs = open_data(data, DataOptions(images=images)).refs
    recogniser = load(trait, faces=faces)
    naming = Classify(recogniser.head, recogniser.abstention, list_all=True)
    told = run_stages([naming], prepare_photos(recogniser.spec, refs, RunOptions()), keep_going=False)
    return [
        Answer(one.key, one.origin.label or "", one.top[0][0], one.label != UNCERTAIN)
        for one in told
        if isinstance(one, Prediction)
    ]


def labelled(folder: Path, rows: Rows) -> Path:
    """Write pictures into label folders."""
    for name, label, data in rows:
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / name).write_bytes(data)
    return folder


def share(right: Sequence[bool]) -> dict[str, Any]:
    """How many of them, with the interval of 95 %."""
    found = Share.count(sum(right), len(right))
    if found.value is None or found.interval is None:
        return {"n": 0, "value": None, "interval": None, "text": "none"}
    low, high = found.interval
    text = f"{found.value:.1%} ({low:.1%} to {high:.1%}) of {found.of}"
    return {"n": found.of, "value": found.value, "interval": [low, high], "text": text}


def shown(found: dict[str, Any]) -> str:
    """The figures of `mien evaluate` in a line, and each class in another."""
    if found["accuracy"] is None:
        return f"no result for any of {found['n']}"
    low, high = found["accuracy_interval"]
    parts = [f"{found['accuracy']:.2%} ({low:.2%} to {high:.2%}) of {found['n']}"]
    if found["rejected"]:
        parts.append(f"{found['rejected']} rejected, {found['accuracy_all']:.2%} with these as errors")
    parts.append(f"macro-F1 {found['macro_f1']:.3f}, ece {found['ece']:.3f}, uncertain {found['uncertain']:.1%}")
    if found["accuracy_certain"] is not None:
        parts.append(f"{found['accuracy_certain']:.2%} where certain")
    classes = [
        f"{label} {score['recall']:.0%} of {score['n']} (F1 {score['f1']:.2f})"
        for label, score in found["per_class"].items()
        if score["n"] > score["rejected"]
    ]
    return ", ".join(parts) + "\n  " + ", ".join(classes)
