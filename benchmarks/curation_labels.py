"""Whether wrong labels are found: photos of real data filed wrongly on purpose, and what `mien check` makes of them.

MIEN_DATA=... python benchmarks/curation_labels.py [--only NAME ...] [--seeds 5] [--train] [--json FILE]

Of people, one photo in twenty is put into another's folder; of expressions and masks, one label in ten is another one.
Reported are mean and worst over the seeds: recall, precision (every finding of the kind that would change a label
counts), and for how many of those found the right label is proposed. A person's photos are also filed under two names,
and photos of two people are pasted side by side. Beside the suspects of expressions stands cleanlab on the same
out-of-fold probabilities, where it is installed: `make bench`, then .bench-venv/bin/python.

With --train a head is trained on the photos to learn from: as they were, with wrong labels, and after following all
that is proposed; its accuracy is that on clean photos kept back.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from mien.curation.features import ImageFeatures
from mien.curation.findings import DROP, KEEP, Finding, Kind
from mien.curation.identity import identity_findings
from mien.curation.label_errors import assign_folds, label_error_findings, out_of_fold
from mien.data import DataOptions, open_data
from mien.images import decode, encode
from mien.models import IDENTITY_EMBEDDER
from mien.pipeline.execute import RunOptions
from mien.pipeline.extract_features import check_spec, extract_features
from mien.training.head import fit_head
from mien.types import Origin, PhotoRef

Step = Callable[[Sequence[ImageFeatures]], list[Finding]]

FIRST = 100
"""So many suspects somebody is ready to look at."""


@dataclass(frozen=True, slots=True)
class Task:
    """Labelled photos, what is asked about them, and the share of them that is filed wrongly."""

    path: str
    kind: Kind
    share: float
    faces: str = "find"
    least: int = 2
    table: str | None = None


TASKS = {
    "closed set of 20": Task("identity/lfw", Kind.WRONG_PERSON, 0.05, table="identity/lfw_closed_set.csv"),
    "LFW, 5 photos or more": Task("identity/lfw", Kind.WRONG_PERSON, 0.05, least=5),
    "LFW, 2 photos or more": Task("identity/lfw", Kind.WRONG_PERSON, 0.05),
    "five web albums": Task("identity/celeb5", Kind.WRONG_PERSON, 0.05),
    "ORL": Task("identity/orl", Kind.WRONG_PERSON, 0.05),
    "expressions": Task("expression/fer2013_train", Kind.LABEL_SUSPECT, 0.1, "cut"),
    "masks, web": Task("pools/mask.parquet", Kind.LABEL_SUSPECT, 0.1),
}


def looked(refs: Sequence[PhotoRef], faces: str, whole: bool = False) -> list[ImageFeatures]:
    """Photos -> what those show that show a face; with `whole`, one in which none is found is taken for a face."""
    shown = {
        each.key: each
        for each in extract_features(refs, check_spec("auto", faces), RunOptions())
        if isinstance(each, ImageFeatures)
    }
    blank = [ref for ref in refs if ref.key in shown and not len(shown[ref.key])]
    if whole and blank:
        shown |= {
            each.key: each
            for each in extract_features(blank, check_spec("auto", "cut"), RunOptions())
            if isinstance(each, ImageFeatures)
        }
    return [each for each in shown.values() if len(each)]


def refs_of(data: Path, task: Task) -> list[PhotoRef]:
    """The photos of a task: of labels with photos enough, of the web where the table says so, of its list."""
    refs = list(open_data(data / task.path, DataOptions()).refs)
    if task.path.endswith(".parquet"):
        import pyarrow.parquet as pq

        sources = pq.read_table(data / task.path, columns=["source"])["source"].to_pylist()
        refs = [ref for ref, source in zip(refs, sources, strict=True) if source == "web"]
    if task.table is not None:
        named = {line.split(",")[0]: line.split(",")[2] for line in (data / task.table).read_text().split()[1:]}
        keys = {ref.key: "/".join(Path(ref.key).parts[-2:]) for ref in refs}
        refs = [replace(r, origin=replace(r.origin, split=named[keys[r.key]])) for r in refs if keys[r.key] in named]
    counts = Counter(ref.origin.label for ref in refs)
    return [ref for ref in refs if counts[ref.origin.label] >= task.least]


def labelled(shown: ImageFeatures, label: str | None) -> ImageFeatures:
    return replace(shown, origin=replace(shown.origin, label=label))


def planted(shown: Sequence[ImageFeatures], share: float, seed: int) -> tuple[list[ImageFeatures], dict[str, str]]:
    """A share of the photos under another label, drawn evenly, and the right label of each by its key."""
    rng = np.random.default_rng(seed)
    labels = sorted({each.origin.label or "" for each in shown})
    wrong = set(rng.choice(len(shown), max(1, round(share * len(shown))), replace=False).tolist())
    made, right = [], {}
    for i, each in enumerate(shown):
        if i in wrong:
            right[each.key] = each.origin.label or ""
            others = [label for label in labels if label != each.origin.label]
            each = labelled(each, others[int(rng.integers(len(others)))])  # noqa: PLW2901
        made.append(each)
    return made, right


def score(findings: Sequence[Finding], kind: Kind, right: Mapping[str, str]) -> dict[str, float]:
    """Findings beside what was planted: of those of a kind that change a label, and of the first hundred of it."""
    ranked = sorted((one for one in findings if one.kind is kind), key=lambda one: -one.confidence)
    acting = [one for one in ranked if one.proposed != KEEP]
    hit = [one for one in acting if one.path in right]
    proposed = sum(one.proposed == right[one.path or ""] for one in hit)
    return {
        "recall": len(hit) / len(right),
        "precision": len(hit) / max(1, len(acting)),
        "proposed": proposed / max(1, len(hit)),
        "first": sum(one.path in right for one in ranked[:FIRST]) / FIRST,
        "listed": len(ranked),
    }


def halved(shown: Sequence[ImageFeatures], seed: int) -> tuple[list[ImageFeatures], set[str]]:
    """Every tenth person of four photos or more under two names."""
    rng = np.random.default_rng(seed)
    counts = Counter(each.origin.label or "" for each in shown)
    large = sorted(label for label in counts if counts[label] >= 4)
    chosen = set(rng.choice(large, max(1, len(large) // 10), replace=False).tolist())
    turn: Counter[str] = Counter()
    made = []
    for each in shown:
        label = each.origin.label or ""
        turn[label] += 1
        made.append(labelled(each, f"{label} 2") if label in chosen and turn[label] % 2 else each)
    return made, chosen


def doubles(shown: Sequence[ImageFeatures], seed: int) -> dict[str, float]:
    made, chosen = halved(shown, seed)
    found = [{one.label or "", one.other or ""} for one in identity_findings(made) if one.kind is Kind.SAME_PERSON]
    hit = sum({label, f"{label} 2"} in found for label in chosen)
    return {"recall": hit / len(chosen), "precision": hit / max(1, len(found))}


def beside(refs: Sequence[PhotoRef], seed: int, count: int = 40) -> list[tuple[PhotoRef, int]]:
    """Photos of two people side by side in the folder of one of them, and the side on which that one stands."""
    rng = np.random.default_rng(seed)
    made: list[tuple[PhotoRef, int]] = []
    while len(made) < count:
        one, other = (refs[int(i)] for i in rng.integers(len(refs), size=2))
        if one.origin.label == other.origin.label:
            continue
        side = int(rng.integers(2))
        pixels = [
            decode((ref.path or Path()).read_bytes(), max_megapixels=10).pixels
            for ref in ((one, other), (other, one))[side]
        ]
        height = min(each.shape[0] for each in pixels)
        joined = np.concatenate([each[:height] for each in pixels], axis=1)
        origin = Origin(f"beside-{len(made)}.png", one.origin.label)
        made.append((PhotoRef(origin, data=encode(joined, "png")), side))
    return made


def groups(shown: Sequence[ImageFeatures], refs: Sequence[PhotoRef], seed: int) -> dict[str, float]:
    """Whether the face that is meant is named, of photos that show two people."""
    pasted = beside(refs, seed)
    added = looked([ref for ref, _ in pasted], "find")
    both = {each.key: each for each in added if len(each) > 1}
    found = {one.path: one for one in identity_findings([*shown, *added]) if one.kind is Kind.MANY_FACES}
    right = 0
    for ref, side in pasted:
        one = found.get(ref.key)
        if ref.key in both and one is not None and one.box is not None:
            right += int((one.box[0] + one.box[2]) / 2 > both[ref.key].width / 2) == side
    return {"photos": len(pasted), "both faces found": len(both), "right face": right / max(1, len(both))}


def cleanlab_first(shown: Sequence[ImageFeatures], right: Mapping[str, str], seed: int) -> dict[str, float] | None:
    """How many of cleanlab's first hundred suspects are planted, by each of its scores; None where it is missing."""
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError:
        return None
    vectors, labels = stacked(shown, sorted(shown[0].vectors)), np.array([each.origin.label for each in shown])
    y = np.unique(labels, return_inverse=True)[1]
    units = np.arange(len(y))
    deals = [out_of_fold(vectors, y, assign_folds(y, units, seed + i), np.ones(len(y), bool)) for i in range(3)]
    bad = np.array([each.key in right for each in shown])
    found = {}
    for name, probabilities in (("one deal", deals[0]), ("three deals", np.mean(deals, axis=0))):
        for method in ("self_confidence", "normalized_margin", "confidence_weighted_entropy"):
            scores = get_label_quality_scores(y, probabilities, method=method)
            found[f"{method}, {name}"] = float(bad[np.argsort(scores, kind="stable")[:FIRST]].mean())
    return found


def stacked(shown: Sequence[ImageFeatures], names: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.stack([np.concatenate([each.vectors[name][0] for name in names]) for each in shown])


def acted(shown: Sequence[ImageFeatures], findings: Iterable[Finding]) -> list[ImageFeatures]:
    """The photos after following what is proposed of whole photos."""
    word = {one.path: one.proposed for one in findings if one.path is not None and not one.proposed.startswith("face ")}
    kept = [each for each in shown if word.get(each.key) != DROP]
    return [labelled(each, word[each.key]) if word.get(each.key, KEEP) != KEEP else each for each in kept]


def accuracy(learnt: Sequence[ImageFeatures], tested: Sequence[ImageFeatures], kind: Kind) -> float:
    names = [IDENTITY_EMBEDDER] if kind is Kind.WRONG_PERSON else sorted(learnt[0].vectors)
    head = fit_head(stacked(learnt, names), [each.origin.label or "" for each in learnt]).head
    answers = head.answer(stacked(tested, names))[0].argmax(axis=1)
    return float(np.mean([head.labels[j] == each.origin.label for j, each in zip(answers, tested, strict=True)]))


def trained(shown: Sequence[ImageFeatures], task: Task, step: Step, seed: int) -> dict[str, float]:
    """Accuracy on clean photos of heads that learnt from right labels, wrong ones, and those put right."""
    if any(each.origin.split == "test" for each in shown):
        tested = [each for each in shown if each.origin.split == "test"]
    else:
        fold = np.random.default_rng(seed).random(len(shown)) < 0.3
        tested = [each for each, out in zip(shown, fold, strict=True) if out]
    keys = {each.key for each in tested}
    learnt = [each for each in shown if each.key not in keys]
    wrong, _ = planted(learnt, task.share, seed)
    known = {each.origin.label for each in wrong}
    better = acted(wrong, (one for one in step(wrong) if one.kind is task.kind and one.proposed in known | {DROP}))
    return {
        name: accuracy(each, tested, task.kind)
        for name, each in (("right", learnt), ("wrong", wrong), ("clean", better))
    }


def summary(rows: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {
        name: {"mean": float(np.mean([row[name] for row in rows])), "worst": float(min(row[name] for row in rows))}
        for name in rows[0]
    }


def measured(name: str, data: Path, seeds: int, train: bool) -> dict[str, Any]:
    """All figures of one task."""
    task = TASKS[name]
    refs = refs_of(data, task)
    shown = looked(refs, task.faces, whole=task.kind is Kind.LABEL_SUSPECT)
    step: Step = identity_findings if task.kind is Kind.WRONG_PERSON else label_error_findings
    as_is = [one for one in step(shown) if one.kind is task.kind and one.proposed != KEEP]
    made = [planted(shown, task.share, seed) for seed in range(seeds)]
    found: dict[str, Any] = {
        "photos": len(shown),
        "labels": len({each.origin.label for each in shown}),
        "found before planting": {one.path: f"{one.label} -> {one.proposed}: {one.detail}" for one in as_is},
        "planted": summary([score(step(wrong), task.kind, right) for wrong, right in made]),
    }
    if task.kind is Kind.WRONG_PERSON:
        found["two names"] = summary([doubles(shown, seed) for seed in range(seeds)])
    if name == "closed set of 20":
        found["side by side"] = groups(shown, refs, 0)
    if name == "expressions":
        rivals = [cleanlab_first(wrong, right, seed) for seed, (wrong, right) in enumerate(made)]
        known = [rival for rival in rivals if rival is not None]
        found["cleanlab"] = summary(known) if known else None
    if train:
        found["trained"] = summary([trained(shown, task, step, seed) for seed in range(seeds)])
    return found


def shown_of(results: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    table = Table("task", "photos", "labels", "recall", "precision", "right one", f"first {FIRST}", "two names")
    for name, found in results.items():
        cells = [_both(found["planted"][part]) for part in ("recall", "precision", "proposed", "first")]
        table.add_row(name, str(found["photos"]), str(found["labels"]), *cells, _double(found.get("two names")))
    console.print(table)
    for name, found in results.items():
        if "side by side" in found:
            console.print(f"{name}, side by side: {found['side by side']}")
        if "cleanlab" in found:
            console.print(f"{name}: first {FIRST} of cleanlab: {_rivals(found['cleanlab'])}")
        if "trained" in found:
            told = ", ".join(f"{part} {_both(value)}" for part, value in found["trained"].items())
            console.print(f"{name}: accuracy of a head on clean photos: {told}")


def _both(value: Mapping[str, float]) -> str:
    return f"{value['mean']:.1%} ({value['worst']:.1%})"


def _double(value: Mapping[str, Mapping[str, float]] | None) -> str:
    return "" if value is None else f"{_both(value['recall'])} at {_both(value['precision'])}"


def _rivals(value: Mapping[str, Mapping[str, float]] | None) -> str:
    if value is None:
        return "not measured, for it is not installed here (pip install cleanlab)"
    return ", ".join(f"{name} {_both(each)}" for name, each in value.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=TASKS, default=list(TASKS), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data = Path(os.environ["MIEN_DATA"])
    results = {name: measured(name, data, options.seeds, options.train) for name in options.only}
    shown_of(results, Console())
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
