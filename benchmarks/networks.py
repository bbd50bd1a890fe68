"""What the networks are worth: FER2013, people by their vectors, and six classes in five folds.

    MIEN_DATA=... python benchmarks/networks.py [fer-cnn] [resnet-small] [people] [six]

FER2013 takes up to an hour for each network on two cores; the others minutes. Without names, all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mien.data import DataSet, open_data
from mien.experiment.features import prepare_study
from mien.experiment.recipes import FaceOptions, TrainOptions, build_recipe
from mien.experiment.trial import run_trial
from mien.pipeline.execute import RunOptions

DATA = Path(os.environ["MIEN_DATA"])
FER = DATA / "pools" / "fer2013.parquet"


MIEN = [sys.executable, "-c", "from mien.cli import main; main()"]


def mien(*arguments: object) -> dict[str, Any]:
    """The last line of a command."""
    command = [*MIEN, *map(str, arguments), "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    last: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return last


def fer(recipe: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "fer.mien"
        trained = mien("train", FER, "--faces", "cut", "--recipe", recipe, "--out", bundle)
        found = mien("evaluate", bundle, FER)
        training = json.loads((bundle / "bundle.json").read_text())["training"]
    seen = trained["validation"]
    print(f"{recipe}, FER2013 Training -> PublicTest ({seen['n']} faces): {seen['accuracy']:.2%} {seen['interval']}")
    print(f"  evaluated again: {found['accuracy']:.2%}, macro-F1 {found['macro_f1']:.2%}, ece {found['ece']:.2%}")
    print(f"  {training['weights']:,} weights, best epoch {training['best_epoch']} of {training['epochs']},")
    print(f"  {training['images_per_second']} images/s, {trained['seconds']:.0f} s")


def people() -> None:
    table, photos = DATA / "identity" / "lfw_closed_set.csv", DATA / "identity" / "lfw"
    with tempfile.TemporaryDirectory() as folder:
        for recipe in ("head", "embedding-cnn", "finetune"):
            seen = mien("train", table, "--images", photos, "--recipe", recipe, "--out", Path(folder) / "x.mien")
            print(f"20 people, {recipe}: {seen['validation']['accuracy']:.2%} of {seen['validation']['n']}")


def six() -> None:
    data = open_data(DATA / "attributes" / "six_class")
    ways: list[tuple[str, TrainOptions, FaceOptions]] = [("head, flat", TrainOptions("head"), FaceOptions())]
    for plan in ("sex-first", "child-apart", "sex-last"):
        ways.append((f"head, {plan}", TrainOptions("head", hierarchy=plan), FaceOptions()))
    ways.append(("finetune", TrainOptions("finetune"), FaceOptions()))
    ways.append(("finetune, sex-last", TrainOptions("finetune", hierarchy="sex-last"), FaceOptions()))
    ways.append(("resnet-small", TrainOptions("resnet-small"), FaceOptions()))
    # At its own 227 pixels five folds would take a night on two cores.
    ways.append(("alexnet, 67 px", TrainOptions("alexnet", epochs=60), FaceOptions(size=67)))
    for name, training, faces in ways:
        folds = _folds(data, training, faces)
        print(f"six classes, {name}: {np.mean(folds):.1%} +- {np.std(folds, ddof=1):.1%} over five folds", flush=True)


def _folds(data: DataSet, training: TrainOptions, faces: FaceOptions) -> list[float]:
    drive = RunOptions()
    recipe = build_recipe(training, faces, drive, "benchmark")
    photos = prepare_study(data, [recipe.spec], drive, 1)
    trials = [run_trial(recipe, photos, rows, seed, fold) for seed, fold, rows in photos.tests(5)]
    return [float((trial.answers == photos.y[trial.rows]).mean()) for trial in trials]


PARTS: Mapping[str, Callable[[], None]] = {
    "people": people,
    "six": six,
    "fer-cnn": lambda: fer("fer-cnn"),
    "resnet-small": lambda: fer("resnet-small"),
}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
