"""The card of a bundle: what is known of it in, one Markdown page out; knows no bundle and no file.

After Mitchell et al. 2019, "Model cards for model reporting".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mien.evaluate.templating import environment, markdown

_LISTED = 60  # labels; beyond, their number and sizes say more than a list


def render_card(facts: Mapping[str, Any]) -> str:
    """Facts of a bundle -> Markdown.

    Needed: `name`, `date`, `labels` (label -> number of photos), `recipe`, `detector`, `view`, `embedder` (texts),
    `weights` (mappings with `name`, `licence`, `commercial`: yes, no or unknown), `measured` (what
    `Evaluation.as_json` gives) and `how` it was measured (a text that follows "Measured").
    May be there: `purpose`, `version`, `seed`, `head`, `notes` (texts, in the order in which they matter), and
    `unknown` with `threshold`, `false_accept_rate` (the rate aimed at; None where that is a guess) and `estimated`
    (how, in words).

    Raises:
        KeyError, jinja2.UndefinedError: a needed fact is missing.
    """
    labels = dict(facts["labels"])
    counts = sorted(labels.values())
    measured = facts["measured"]
    weak = sorted(
        ((label, score) for label, score in measured["per_class"].items() if score["f1"] is not None),
        key=lambda item: (item[1]["f1"], item[0]),
    )
    view = {
        "purpose": None,
        "version": None,
        "seed": None,
        "head": None,
        "notes": (),
        "unknown": None,
        **facts,
        "labels": labels if len(labels) <= _LISTED else None,
        "label_count": len(labels),
        "photo_count": sum(counts),
        "fewest": counts[0] if counts else 0,
        "most": counts[-1] if counts else 0,
        "weakest": [item for item in weak if item[1]["f1"] < 1][:5],
        "restricted": [w for w in facts["weights"] if w["commercial"] != "yes"],
    }
    return environment(markdown).get_template("card.md").render(view)
