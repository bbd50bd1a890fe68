"""The card of each built-in trait: what it is, from what, how good, for whom worse, and what it is not for.

    python -m recipes.traits.cards FIGURES.json

FIGURES.json is what `benchmarks/traits.py --json` wrote; the cards in the package are written anew with it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mien import atomic
from mien.models import shipped

_CLEAN = (
    "Apache-2.0. The network was begun with the weights of EfficientNet-Lite0, which its authors publish under"
    " Apache-2.0 and trained on ImageNet, whose photos were collected for research; it was trained on FairFace"
    " (CC BY 4.0, photos of YFCC100M by their photographers) and on street photos (CC0-1.0)."
)
_PERSON = (
    "deciding about anybody: hiring, insurance, policing, access, ranking or pricing",
    "telling who somebody is, or what somebody feels, believes or belongs to",
    "watching people who were not told",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a trait before anything is measured."""

    says: str
    data: str
    licence: str
    commercial: str
    recipe: str
    never: tuple[str, ...]
    limits: str


_RECIPE = "`python -m recipes.traits.train DATA --out OUT`, then `python -m recipes.traits.finish DATA --trained OUT`"
FACTS: Mapping[str, Facts] = {
    "expression": Facts(
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
    "mask": Facts(
        "whether a mask is worn (`with_mask`), worn so that nose or mouth are bare (`incorrect`), or not there.",
        "FairFace with masks drawn along the landmarks in fifteen colours and many patterns, worn properly, under the"
        " nose or under the mouth; three quarters of 225 street photos with boxes.",
        _CLEAN,
        "yes",
        _RECIPE,
        ("deciding about access without a person who looks, too", "saying anything about somebody's health"),
        "Real masks that are worn wrongly are few: 67 boxes, many of them small. The street photos were looked at while"
        " the drawings were made, to make them alike. Scarves, hands and beards were drawn as `without_mask`, and some"
        " are taken for masks all the same.",
    ),
    "age": Facts(
        "which of nine age groups a face would be put in by people who see this one picture.",
        "FairFace: photos labelled by people who did not know the age.",
        _CLEAN,
        "yes",
        _RECIPE,
        ("checking anybody's age for goods, sites or places", *_PERSON),
        "Neighbouring groups are often taken for each other. Above 60 there were few photos to learn from.",
    ),
    "gender": Facts(
        "which of two words, Female or Male, annotators would have put to a face. It is a perception, not somebody's"
        " gender. Nothing is said of faces whose likeliest age group is 0-2.",
        "FairFace: photos labelled by people who did not know the person.",
        _CLEAN,
        "yes",
        _RECIPE,
        ("addressing, sorting or admitting people by it", *_PERSON),
        "Children, and faces in the dark, from the side or half covered, are worse.",
    ),
    "glasses": Facts(
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


def page(trait: str, figures: Mapping[str, tuple[float, float, float, int]] | None = None) -> str:
    """The card of a trait as Markdown; with figures, name -> share right, its interval, and of how many faces."""
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
        parts += ["## Measured", _table(figures)]
    return "\n\n".join(parts) + "\n"


def _table(figures: Mapping[str, tuple[float, float, float, int]]) -> str:
    rows = [
        f"| {name} | {share:.1%} ({low:.1%} to {high:.1%}) | {n} |" for name, (share, low, high, n) in figures.items()
    ]
    head = ["On faces that were not learnt from; in brackets the interval of 95 %.", "", "| what | right | faces |"]
    return "\n".join([*head, "| --- | --- | --- |", *rows])


def main() -> None:
    """Write the cards in the package anew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures", type=Path)
    figures = json.loads(parser.parse_args().figures.read_text("utf-8"))
    for trait in FACTS:
        atomic.write(shipped.FOLDER / f"{trait}.mien" / "card.md", page(trait, figures["cards"][trait]).encode())


if __name__ == "__main__":
    main()
