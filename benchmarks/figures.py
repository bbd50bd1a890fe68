"""The figures that the README states besides speed: accuracy, start-up, memory; printed as one table.

MIEN_DATA=... .venv/bin/python benchmarks/figures.py           (--memory adds 10,000 photos, minutes)
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

MIEN = [sys.executable, "-c", "from mien.cli import main; main()"]


def mien(*arguments: object) -> dict[str, Any]:
    command = [*MIEN, *map(str, arguments), "--json", "--quiet"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def pairs(data: Path) -> Iterator[tuple[str, str]]:
    for embedder in ("dlib-resnet", "dlib-resnet-int8"):
        lfw = data / "identity"
        options = ("--embedder", embedder)
        found = mien("benchmark", "pairs", lfw / "lfw_pairs.csv", "--images", lfw / "lfw", *options)
        shown = (
            f"{found['accuracy']:.2%} over {found['pairs']} pairs, AUC {found['auc']:.5f}, {found['rejected']} rejected"
        )
        yield f"LFW pairs, {embedder}", shown


def closed_set(data: Path, folder: Path) -> Iterator[tuple[str, str]]:
    lfw, bundle = data / "identity", folder / "people.mien"
    table = (lfw / "lfw_closed_set.csv", "--images", lfw / "lfw", "--target", "person")
    trained = mien("train", *table, "--out", bundle)
    tested = mien("evaluate", bundle, *table, "--split", "test")
    unknown = mien("evaluate", bundle, lfw / "lfw")["unknown"]
    yield "closed set of 20 people: accuracy_all", f"{tested['accuracy_all']:.2%} of {tested['n']} ({trained['head']})"
    named, accepted = unknown["known_named"], unknown["false_accepts"]
    yield (
        "strangers at a stated 1 %",
        f"{accepted:.2%} of {unknown['strangers']} taken for known; {named:.2%} of the known named",
    )


def orl(data: Path, folder: Path) -> Iterator[tuple[str, str]]:
    for person in sorted((data / "identity" / "orl").iterdir()):
        for i, photo in enumerate(sorted(person.iterdir())):
            target = folder / ("train" if i < 5 else "test") / person.name
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(photo, target)
    trained = mien("train", folder / "train", "--out", folder / "orl.mien")
    tested = mien("evaluate", folder / "orl.mien", folder / "test")
    missed = trained["rejected"] + tested["rejected"]
    yield (
        "ORL, 5 photos to learn and 5 to test",
        f"{tested['accuracy_all']:.2%} of {tested['n']}, {missed} faces missed",
    )


def start_up() -> Iterator[tuple[str, str]]:
    for name, code in (("import mien", ["-c", "import mien"]), ("mien --help", [*MIEN[1:], "--help"])):
        times = []
        for _ in range(15):
            start = time.perf_counter()
            subprocess.run([sys.executable, *code], check=True, capture_output=True)
            times.append((time.perf_counter() - start) * 1e3)
        yield name, f"{statistics.median(times):.0f} ms (fastest {min(times):.0f})"


def memory(data: Path, folder: Path) -> Iterator[tuple[str, str]]:
    photos = sorted((data / "identity" / "lfw").glob("*/*.jpg"))
    (folder / "many").mkdir()
    for i in range(10_000):
        (folder / "many" / f"{i:05d}.jpg").symlink_to(photos[i % len(photos)])
    script = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    command = [*MIEN, "embed", str(folder / "many"), str(folder / "x.npz"), "--no-cache", "--quiet"]
    done = subprocess.run([sys.executable, "-c", script, *command], check=True, capture_output=True, text=True)
    yield "peak memory, 10,000 photos", f"{float(done.stdout):.0f} MB"


def main() -> None:
    data = Path(os.environ["MIEN_DATA"])
    table = Table("figure", "measured")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        parts = [start_up(), pairs(data), closed_set(data, folder), orl(data, folder)]
        if "--memory" in sys.argv:
            parts.append(memory(data, folder))
        for part in parts:
            for row in part:
                table.add_row(*row)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
