"""What the built-in traits are worth on photos that they were not trained on, how fast they are, and how large.

    MIEN_DATA=... python benchmarks/traits.py [expression] [mask] [fairface] [glasses] [six] [speed] [groups]
                                              [--json FILE] [--float DIR]

Without names, all of them, in some minutes on two cores; what was embedded once is remembered in MIEN_HOME. `groups`
prints JSON, for the cards. --float: a folder with the networks in float32, to time beside those in int8.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from mien.data import open_data
from mien.experiment.features import prepare_study
from mien.experiment.recipes import FaceOptions, TrainOptions, build_recipe
from mien.experiment.trial import run_trial
from mien.pipeline.execute import RunOptions
from traits_asking import Answer, Rows, answers, evaluated, labelled, lines, share, shown
from traits_groups import by_group
from traits_masks import MARGINS, cuts, faces_of, matched, scored
from traits_speed import measured

DATA = Path(os.environ["MIEN_DATA"])
POOLS, FAIRFACE, SIX = DATA / "pools", DATA / "attributes" / "fairface", DATA / "attributes" / "six_class"
CK = {"anger": "angry", "sadness": "sad"} | {name: name for name in ("disgust", "fear", "happy", "surprise")}
AGES = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70")
GLASSES = Path(__file__).parents[1] / "recipes" / "traits" / "glasses.csv"
WEARS = {"glasses", "sunglasses"}


def expression(_: argparse.Namespace) -> dict[str, Any]:
    fer = evaluated("expression", POOLS / "fer2013.parquet", "cut", "--split", "val")
    print(f"expression, FER2013 PublicTest: {shown(fer)}")
    with tempfile.TemporaryDirectory() as folder:
        rows = (
            (f"{photo.stem}.png", CK[photo.parent.name], photo.read_bytes())
            for photo in sorted((DATA / "expression" / "ck48").glob("*/*.png"))
            if photo.parent.name in CK
        )
        ck = evaluated("expression", labelled(Path(folder), rows), "cut")
    print(f"expression, CK+48, six classes: {shown(ck)}")
    return {"fer2013": fer, "ck48": ck}


def mask(_: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {"boxes": {}, "colours": {}, "pool": {}}
    faces = faces_of(DATA)
    sets = {
        "street, held out": [face for face in faces if face.part == "held out"],
        "street, all": [face for face in faces if face.part != "synthetic"],
        "synthetic": [face for face in faces if face.part == "synthetic"],
    }
    with tempfile.TemporaryDirectory() as temporary:
        for name, some in sets.items():
            for margin in MARGINS:
                folder = labelled(Path(temporary) / f"{name} {margin}", cuts(DATA, some, margin))
                here = evaluated("mask", folder, "cut")
                found["boxes"][f"{name}, margin {margin}"] = here
                print(f"mask, {name}, margin {margin:.2f}: {shown(here)}")
                if name == "street, held out":
                    told = {answer.key.split("/")[1]: answer for answer in answers("mask", folder, "cut")}
                    found["colours"][str(margin)] = _colours(told, {face.name: face.colour for face in some})
    found["whole photos"] = _whole(sets)
    found["pool"] = _mask_pool()
    return found


def _colours(told: Mapping[str, Answer], colours: Mapping[str, str]) -> dict[str, Any]:
    """Of masked faces by the mask's colour: answered rightly, and not taken for a bare face."""
    found = {}
    for colour in sorted({colour for colour in colours.values() if colour}):
        some = [told[name] for name, other in colours.items() if other == colour]
        right, masked = share([a.right for a in some]), share([a.likeliest != "without_mask" for a in some])
        found[colour] = {"right": right, "masked": masked}
        print(f"  {colour}: {right['text']} right, {masked['text']} taken for masked")
    return found


def _whole(sets: Mapping[str, list[Any]]) -> dict[str, Any]:
    seen = lines("look", DATA / "mask" / "andrewmvd", "--traits", "mask")
    detector = next(line["detector"] for line in seen if "detector" in line)
    found: dict[str, Any] = {"detector": detector}
    for name in ("street, held out", "street, all"):
        pairs = matched(sets[name], seen)
        found[name] = scored(pairs, len(sets[name]))
        some = found[name]
        print(
            f"mask, {name}, from whole photos by {detector}: {some['found']['text']} of the boxes found, of these"
            f" {some['accuracy']['text']} right, macro-F1 {some['macro_f1']:.3f}, uncertain {some['uncertain']:.1%}"
        )
    return found


def _mask_pool() -> dict[str, Any]:
    found = {}
    table = pq.read_table(POOLS / "mask.parquet", columns=["image", "label", "source"]).to_pylist()
    with tempfile.TemporaryDirectory() as temporary:
        for source, ways in (("web", ("cut",)), ("maskedface-net", ("cut", "find"))):
            rows = (
                (f"{i:05d}.jpg", r["label"], r["image"]["bytes"]) for i, r in enumerate(table) if r["source"] == source
            )
            folder = labelled(Path(temporary) / source, rows)
            for way in ways:
                found[f"{source}, {way}"] = evaluated("mask", folder, way)
                print(f"mask, pool, {source}, --faces {way}: {shown(found[f'{source}, {way}'])}")
    return found


def fairface(_: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for trait in ("gender", "age"):
            table = _fairface_table(Path(temporary), trait)
            for way in ("cut", "find"):
                here = evaluated(trait, table, way, "--images", DATA)
                print(f"{trait}, FairFace, --faces {way}: {shown(here)}")
                if trait == "age":
                    told = answers("age", table, way, DATA)
                    near = [abs(AGES.index(a.likeliest) - AGES.index(a.truth)) <= 1 for a in told]
                    here["within_one"] = share(near)
                    print(f"  within one group: {here['within_one']['text']}")
                found[f"{trait}, {way}"] = here
    found["groups"] = _fairface_groups()
    for trait, groupings in found["groups"].items():
        for by, grouping in groupings.items():
            _print_groups(f"{trait} by {by}", grouping)
    return found


def groups(_: argparse.Namespace) -> dict[str, Any]:
    found = _fairface_groups()
    pool = pq.read_table(POOLS / "fairface.parquet", columns=["gender", "race"]).to_pylist()
    with tempfile.TemporaryDirectory() as temporary:
        told = answers("glasses", labelled(Path(temporary), _glasses_rows()), "cut")
        known = [pool[int(Path(answer.key).stem)] for answer in told]
        found["glasses"] = {by: by_group(told, [who[by] for who in known]) for by in ("gender", "race")}
        # No face of the 600 wears a mask: an error is a bare face taken for a masked one.
        told = answers("mask", _fairface_table(Path(temporary), "mask"), "cut", DATA)
        found["mask"] = _grouped(told)
    print(json.dumps(found, indent=1))
    return found


def _manifest() -> list[dict[str, str]]:
    with (DATA / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["path"].startswith("attributes/fairface/")]


def _fairface_table(folder: Path, trait: str) -> Path:
    table = folder / f"{trait}.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "label"])
        for row in _manifest():
            gender, age = row["label"].split("|")
            writer.writerow([row["path"], {"gender": gender, "age": age, "mask": "without_mask"}[trait]])
    return table


def _fairface_groups() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        return {
            trait: _grouped(answers(trait, _fairface_table(Path(temporary), trait), "cut", DATA))
            for trait in ("gender", "age")
        }


def _grouped(told: Iterable[Answer]) -> dict[str, Any]:
    """Race labels serve to group the errors and nothing else."""
    who = {}
    for row in _manifest():
        gender, age = row["label"].split("|")
        who[row["path"]] = {"race": row["extra"], "age": age, "gender": gender}
    told = list(told)
    return {by: by_group(told, [who[answer.key][by] for answer in told]) for by in ("race", "age", "gender")}


def _print_groups(name: str, grouping: Mapping[str, Any]) -> None:
    print(f"{name}:")
    for label, found in sorted(grouping["groups"].items(), key=lambda item: item[1]["accuracy"]):
        low, high = found["interval"]
        print(f"  {label:16} {found['accuracy']:6.1%} ({low:.1%} to {high:.1%}) of {found['n']}")
    if gap := grouping["gap"]:
        low, high = gap["interval"]
        print(
            f"  largest gap {gap['value']:.1%} ({low:.1%} to {high:.1%}), {gap['worst']} below {gap['best']};"
            f" by chance as large in {gap['chance']:.1%} of shuffles"
        )


def glasses(_: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for way in ("cut", "find"):
        told = answers("glasses", SIX, way)
        for name, some in (
            ("six_class, adults", [a for a in told if a.truth not in ("boy", "girl")]),
            ("six_class, children", [a for a in told if a.truth in ("boy", "girl")]),
        ):
            here = share([(a.likeliest in WEARS) == a.truth.startswith("glasses") for a in some])
            found[f"{name}, {way}"] = here
            print(f"glasses or not, {name}, --faces {way}: {here['text']}")
    with tempfile.TemporaryDirectory() as temporary:
        here = evaluated("glasses", labelled(Path(temporary), _glasses_rows()), "cut")
    print(f"glasses, FairFace rows that are held out: {shown(here)}")
    return {**found, "fairface": here}


def _glasses_rows() -> Rows:
    """The faces of the pool whose glasses were labelled by eye, and that the training leaves out: every sixteenth."""
    with GLASSES.open(newline="", encoding="utf-8") as file:
        known = {int(line["row"]): line["label"] for line in csv.DictReader(file)}
    column = pq.read_table(POOLS / "fairface.parquet", columns=["image"])["image"]
    for row, label in sorted(known.items()):
        if row % 16 == 0 and label in {"none", *WEARS}:
            yield f"{row:05d}.jpg", label, column[row].as_py()["bytes"]


def six(_: argparse.Namespace) -> dict[str, Any]:
    drive, found = RunOptions(), {}
    names = ("dlib-resnet", "traits", "dlib-resnet+traits")
    recipes = {name: build_recipe(TrainOptions("head"), FaceOptions(embedder=name), drive) for name in names}
    photos = prepare_study(open_data(SIX), [recipe.spec for recipe in recipes.values()], drive, 1)
    for name, recipe in recipes.items():
        trials = [run_trial(recipe, photos, rows, seed, fold) for seed, fold, rows in photos.tests(5)]
        folds = [float((trial.answers == photos.y[trial.rows]).mean()) for trial in trials]
        found[name] = {"mean": float(np.mean(folds)), "std": float(np.std(folds, ddof=1)), "folds": folds}
        found[name]["n"] = sum(len(trial.rows) for trial in trials)
        print(f"six classes, head on {name}: {np.mean(folds):.1%} +- {np.std(folds, ddof=1):.1%} over five folds")
    return found


def speed(options: argparse.Namespace) -> dict[str, Any]:
    found = measured(sorted(FAIRFACE.glob("*.jpg")), options.float)
    for name, value in found["milliseconds a face, one core"].items():
        wall, cpu, least = (value[each] for each in ("wall", "cpu", "least"))
        print(f"{name}: {wall:.3f} ms a face, of processor time {cpu:.3f}, at least {least:.3f}")
    for name, value in found["int8 beside float"].items():
        print(f"{name}: unit vectors of int8 and float lie {value['mean']:.4f} apart, {value['most']:.4f} at most")
    print(f"installed weights: {found['bytes'] / 1e6:.2f} MB")
    return found


PARTS: Mapping[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "expression": expression,
    "mask": mask,
    "fairface": fairface,
    "glasses": glasses,
    "six": six,
    "speed": speed,
    "groups": groups,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all of them by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures go there")
    parser.add_argument("--float", type=Path, metavar="DIR", help="holds NAME.onnx of the networks in float32")
    options = parser.parse_args()
    found = {}
    for part in options.parts or PARTS:
        found[part] = PARTS[part](options)
        sys.stdout.flush()
        if options.json:
            options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
