"""What cleaning is worth: photos put into wrong folders, `mien check`, `clean`, `train`, and accuracy on clean photos.

MIEN_DATA=... .venv/bin/python benchmarks/curation_clean.py [--shares 0.05 0.1 0.2] [--seeds 3] [--json FILE]

Of the closed set of 20 people of LFW, a share of the photos to learn from is put into another person's folder. Measured
on the photos to test on, which stay as they are, is a head trained on the folders before that (`right`), after it
(`wrong`), after `mien clean` has followed what `mien check` proposes (`cleaned`), by `mien train --verdicts` with no
file touched (`verdicts`), and after a person who knows them all has moved the photos back (`known`). In brackets stands
what `mien train` said of itself, on photos of the same folders that it kept back, wrong ones among them.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

MIEN = [sys.executable, "-c", "from mien.cli import main; main()"]
WAYS = ("right", "wrong", "cleaned", "verdicts", "known")
HEAD = ["path", "verdict", "to"]


def laid_out(identity: Path, folder: Path) -> None:
    """The closed set as folders: `train/NAME` and `test/NAME` in a folder."""
    with (identity / "lfw_closed_set.csv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            target = folder / row["split"] / row["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(identity / "lfw" / row["path"], target)


def planted(folder: Path, share: float, seed: int) -> dict[str, str]:
    """Put a share of the photos of label folders into another label's -> where they lie now, and where they belong.

    Their names are made to tell nothing.
    """
    draw = random.Random(f"{seed}, {share}")
    photos = sorted(folder.glob("*/*.jpg"))
    labels = sorted({photo.parent.name for photo in photos})
    moved: dict[str, str] = {}
    for i, photo in enumerate(draw.sample(photos, round(share * len(photos)))):
        right = photo.parent.name
        key = f"{draw.choice([label for label in labels if label != right])}/moved-{i:03d}.jpg"
        photo.rename(folder / key)
        moved[key] = right
    return moved


def mien(home: Path, *arguments: object) -> dict[str, Any]:
    """Run a verb -> the last line that it prints."""
    command = [*MIEN, *map(str, arguments), "--json", "--quiet"]
    environment = {**os.environ, "MIEN_HOME": str(home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[3:])}\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def written(table: Path, moved: Mapping[str, str]) -> Path:
    """Verdicts of somebody who knows where each photo belongs."""
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEAD, *([key, "move", label] for key, label in moved.items())])
    return table


def hits(table: Path, moved: Mapping[str, str]) -> dict[str, float]:
    """A table of verdicts -> how many of the photos in wrong folders it moves back and drops, and others it changes."""
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["verdict"] in ("drop", "move", "face")]
    back = {row["path"] for row in rows if row["to"] and moved.get(row["path"]) == row["to"]}
    dropped = {row["path"] for row in rows if row["verdict"] == "drop" and row["path"] in moved} - back
    others = {row["path"] for row in rows} - set(moved)
    return {"planted": len(moved), "back": len(back), "dropped": len(dropped), "others": len(others)}


def measured(photos: Path, share: float, seed: int, home: Path) -> dict[str, Any]:
    """One planting -> accuracy by way, and what the proposals hit."""
    with tempfile.TemporaryDirectory() as name:
        folder, bundle, table = Path(name) / "train", Path(name) / "x.mien", Path(name) / "verdicts.csv"

        def accuracy(data: Path, *options: object) -> tuple[float, float]:
            trained = mien(home, "train", data, "--out", bundle, "--seed", seed, *options)
            found = mien(home, "evaluate", bundle, photos / "test")
            return found["accuracy_all"], trained["validation"]["accuracy_all"]

        result: dict[str, Any] = {"share": share, "seed": seed, "right": accuracy(photos / "train")}
        shutil.copytree(photos / "train", folder)
        moved = planted(folder, share, seed)
        result["wrong"] = accuracy(folder)
        mien(home, "check", folder, "--verdicts", table)
        result |= hits(table, moved)
        result["verdicts"] = accuracy(folder, "--verdicts", table)
        done = mien(home, "clean", folder, "--verdicts", table)
        result |= {"filed": done["done"], "cleaned": accuracy(folder)}
        mien(home, "undo", done["journal"])
        mien(home, "clean", folder, "--verdicts", written(table, moved))
        result["known"] = accuracy(folder)
    return result


def _cell(pairs: Sequence[tuple[float, float]]) -> str:
    tested, said = (mean(values) for values in zip(*pairs, strict=True))
    return f"{tested:.1%} ({said:.1%})"


def main() -> None:
    """Plant, clean and measure; print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.05, 0.1, 0.2])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as name:
        photos, home = Path(name) / "photos", Path(name) / "home"
        laid_out(Path(os.environ["MIEN_DATA"]) / "identity", photos)
        for share in options.shares:
            results += [measured(photos, share, seed, home) for seed in range(options.seeds)]
    table = Table("share", "planted", "moved back", "dropped", "others changed", *WAYS)
    for share in options.shares:
        some = [result for result in results if result["share"] == share]
        counts = (f"{sum(result[field] for result in some)}" for field in ("planted", "back", "dropped", "others"))
        table.add_row(f"{share:.0%}", *counts, *(_cell([result[way] for result in some]) for way in WAYS))
    Console(width=150).print(table)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
