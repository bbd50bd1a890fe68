"""The card of each built-in trait: what it is, from what, how good, for whom worse, and what it is not for.

    python -m recipes.traits.cards FIGURES.json

FIGURES.json is what `benchmarks/traits.py --json` wrote; the cards in the package are written anew with it, and the
first of a trait's figures goes into its bundle.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien import fileio
from mien.models import builtin_traits

_CLEAN = (
    "Apache-2.0. Its first layers are those of dlib's face recognition network (CC0-1.0; its author trained it on"
    " FaceScrub, VGG Face and photos from the web). What stands on them was trained on FairFace (CC BY 4.0, photos of"
    " YFCC100M by their photographers) and on street photos (CC0-1.0), and taught by an earlier network of mien, which"
    " was begun with the weights of EfficientNet-Lite0 (Apache-2.0; its authors trained it on ImageNet, whose"
    " photos were collected for research) and trained on the same photos."
)
_PERSON = (
    "deciding about anybody: hiring, insurance, policing, access, ranking or pricing",
    "telling who somebody is, or what somebody feels, believes or belongs to",
    "watching people who were not told",
)


@dataclass(frozen=True, slots=True)
class TraitFacts:
    """What is known of a trait before anything is measured."""

    says: str
    data: str
    licence: str
    commercial: str
    recipe: str
    never: tuple[str, ...]
    limits: str


_RECIPE = (
    "`python -m recipes.traits.train DATA --out FIRST` (the weights are those after eleven), then the same"
    " with `--begin FIRST --teacher EARLIER --seed 11 --variety 5 --epochs 10 --rate 2e-4 --out OUT`, where EARLIER is"
    " `src/mien/models/shipped` of commit 71d1244, then `python -m recipes.traits.finish DATA --trained OUT`"
)
FACTS: Mapping[str, TraitFacts] = {
    "expression": TraitFacts(
        "what a face seems to express in one picture, as people who labelled photos called it: angry, disgust, fear,"
        " happy, neutral, sad or surprise. It is not what the person feels.",
        "FER2013, Training: 28,283 grey photos of 48 pixels from a web search, labelled by people who agree with each"
        " other in about two cases of three.",
        "FER2013 is for research only, and so is what was trained on it.",
        "no",
        "`mien train FER2013 --faces cut --recipe resnet-small --out E`, then"
        " `python -m recipes.traits.expression FER2013 --trained E`",
        (
            "inferring emotions at work or at school (forbidden in the European Union since February 2025)",
            *_PERSON,
        ),
        "Fear is taken for sadness or surprise, disgust is rare in the data, and a calm face with a mouth that points"
        " down is often called sad. Small, dark, turned or covered faces are worse.",
    ),
    "mask": TraitFacts(
        "whether a mask is worn (`with_mask`), worn so that nose or mouth are bare (`incorrect`), or not there.",
        "FairFace with masks drawn along the landmarks in fifteen colours and many patterns, worn properly, under the"
        " nose or under the mouth; three quarters of 225 street photos with boxes.",
        _CLEAN,
        "yes",
        _RECIPE,
        ("deciding about access without a person who looks, too", "saying anything about somebody's health"),
        "Real masks that are worn wrongly are few: 37 boxes, many of them small. The street photos were looked at while"
        " the drawings were made, to make them alike. Scarves, hands and beards were drawn as `without_mask`, and some"
        " are taken for masks all the same. A head fitted to photos under restrictive licences as well (4,325,"
        " from the web and synthetic) is no better on street photos: 95.4 % of 802 cuts right, against 95.6 %"
        " (`restricted_photos.py`).",
    ),
    "age": TraitFacts(
        "which of nine age groups a face would be put in by people who see this one picture.",
        "FairFace: photos labelled by people who did not know the age.",
        _CLEAN,
        "yes",
        _RECIPE,
        ("checking anybody's age for goods, sites or places", *_PERSON),
        "Neighbouring groups are often taken for each other. Above 60 there were few photos to learn from.",
    ),
    "gender": TraitFacts(
        "which of two words, Female or Male, annotators would have put to a face. It is a perception, not somebody's"
        " gender. Nothing is said of faces whose likeliest age group is 0-2.",
        "FairFace: photos labelled by people who did not know the person.",
        _CLEAN,
        "yes",
        _RECIPE,
        ("addressing, sorting or admitting people by it", *_PERSON),
        "Children, and faces in the dark, from the side or half covered, are worse.",
    ),
    "glasses": TraitFacts(
        "whether glasses or sunglasses are worn.",
        "FairFace, of which 1,880 photos were labelled by eye for this (`recipes/traits/glasses.csv`), and glasses"
        " drawn on others.",
        _CLEAN,
        "yes",
        _RECIPE,
        ("saying anything about somebody's sight",),
        "Rimless glasses on small faces are missed; tinted ones are called either way. Glasses in the hair are none.",
    ),
}


Row = tuple[float, float, float, int]
"""A share that is right, its interval, and of how many faces."""


def page(trait: str, figures: Mapping[str, Row] | None = None) -> str:
    """The card of a trait as Markdown; with figures, what each is of and the row."""
    facts = FACTS[trait]
    made = [
        f"- Trained on: {facts.data}",
        f"- Licence: {facts.licence}",
        f"- Commercial use: {facts.commercial}",
        f"- Made by: {facts.recipe}",
    ]
    parts = [
        f"# {trait}",
        f"Says {facts.says}",
        "\n".join(made),
        "## Not for",
        "\n".join(f"- {use}" for use in facts.never),
        "## Where it errs",
        facts.limits,
    ]
    if figures is not None:
        parts += ["## Measured", _MEASURED, _table(figures)]
    return "\n\n".join(parts) + "\n"


_MEASURED = (
    "Right, of faces that the network did not learn from; in brackets the interval of 95 %. Groups are as FairFace"
    " labels them, and serve to see for whom it is worse; mien predicts no race."
)


def _table(figures: Mapping[str, Row]) -> str:
    rows = [
        f"| {name} | {share:.1%} ({low:.1%} to {high:.1%}) | {n} |" for name, (share, low, high, n) in figures.items()
    ]
    return "\n".join(["| what | right | faces |", "| --- | --- | --- |", *rows])


def figure_rows(trait: str, found: Mapping[str, Any]) -> dict[str, Row]:
    """What the benchmark wrote -> the rows of a trait's card."""
    rows: dict[str, Row] = {}
    for name, figures in _wholes(trait, found).items():
        rows[name] = (figures["accuracy"], *figures["accuracy_interval"], figures["n"])
        if trait in ("age", "expression") and name == next(iter(rows)):
            rows[f"{name}, where it is not uncertain"] = (
                figures["accuracy_certain"],
                *figures["accuracy_certain_interval"],
                round(figures["n"] * (1 - figures["uncertain"])),
            )
    if trait == "mask":
        for colour, share in found["mask"]["colours"]["0.0"].items():
            rows[f"masks by colour: {colour}"] = _row(share["right"])
    if trait == "glasses":
        rows |= {name: _row(share) for name, share in found["glasses"].items() if "value" in share}
    for kind, groups in found["groups"].get(trait, {}).items():
        for name, group in groups["groups"].items():
            of = "bare faces, by" if trait == "mask" else "by"
            rows[f"{of} {_KINDS[kind]}: {name}"] = (group["accuracy"], *group["interval"], group["n"])
    return rows


_KINDS = {"gender": "gender", "age": "age", "race": "FairFace's race label"}


def _wholes(trait: str, found: Mapping[str, Any]) -> dict[str, Any]:
    if trait == "expression":
        figures = found["expression"]
        return {"FER2013, PublicTest": figures["fer2013"], "CK+, six of the classes, never trained on": figures["ck48"]}
    if trait == "mask":
        boxes, pool = found["mask"]["boxes"], found["mask"]["pool"]
        return {
            "street photos kept apart, boxes of 24 pixels and more": boxes["street, held out, margin 0.0"],
            "the same cut wider by 30 %": boxes["street, held out, margin 0.3"],
            "web photos, never trained on": pool["web, cut"],
        }
    if trait == "glasses":
        return {"FairFace, photos kept apart": found["glasses"]["fairface"]}
    return {
        "FairFace, 600 others, as they are": found["fairface"][f"{trait}, cut"],
        "the same, faces found first": found["fairface"][f"{trait}, find"],
    }


def _row(share: Mapping[str, Any]) -> Row:
    low, high = share["interval"]
    return share["value"], low, high, share["n"]


def main() -> None:
    """Write the cards in the package anew, and the figures into the bundles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures", type=Path)
    found = json.loads(parser.parse_args().figures.read_text("utf-8"))
    for trait in FACTS:
        folder = builtin_traits.FOLDER / f"{trait}.mien"
        fileio.write(folder / "card.md", page(trait, figure_rows(trait, found)).encode())
        figures = {
            name: each for name, each in next(iter(_wholes(trait, found).values())).items() if name != "confusion"
        }
        manifest = {**json.loads((folder / builtin_traits.MANIFEST).read_bytes()), "measured": figures}
        fileio.write(folder / builtin_traits.MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False).encode())


if __name__ == "__main__":
    main()
