"""The benchmark of wrong labels plants, pastes, follows and counts what it says."""

from __future__ import annotations

import builtins
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mien.curate.finding import DROP, KEEP, Finding, Kind
from mien.curate.people import people
from mien.images import decode
from mien.types import Origin, PhotoRef
from tests.curate.shows import album

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("curation_labels", BENCHMARKS / "curation_labels.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "curation_labels", module)  # its dataclasses look there for their annotations
    spec.loader.exec_module(module)
    return module


def test_a_share_of_the_photos_gets_another_label(benchmark: ModuleType) -> None:
    photos = album(10, 6)
    made, right = benchmark.planted(photos, 0.1, 3)
    changed = {a.key: a.origin.label for a, b in zip(photos, made, strict=True) if a.origin.label != b.origin.label}
    assert changed == right
    assert len(right) == 6
    assert benchmark.planted(photos, 0.1, 3)[1] == right
    assert benchmark.planted(photos, 0.1, 4)[1] != right


def test_what_is_planted_is_found_and_what_is_followed_puts_it_right(benchmark: ModuleType) -> None:
    photos = album(10, 6)
    made, right = benchmark.planted(photos, 0.05, 3)
    found = people(made)
    told = benchmark.score(found, Kind.WRONG_PERSON, right)
    assert (told["recall"], told["precision"], told["proposed"]) == (1, 1, 1)
    assert [each.origin for each in benchmark.acted(made, found)] == [each.origin for each in photos]


def test_only_what_changes_a_label_counts_as_found(benchmark: ModuleType) -> None:
    def one(path: str, proposed: str, confidence: float) -> Finding:
        return Finding(Kind.LABEL_SUSPECT, path, "a", proposed, confidence, "")

    right = {"1": "b", "2": "b", "3": "c", "4": "c"}
    findings = [one("1", "b", 0.9), one("2", "c", 0.8), one("3", KEEP, 0.4), one("9", DROP, 0.7)]
    told = benchmark.score(findings, Kind.LABEL_SUSPECT, right)
    assert (told["recall"], told["precision"], told["proposed"]) == (0.5, 2 / 3, 0.5)
    assert (told["first"], told["listed"]) == (0.03, 4)


def test_every_tenth_person_is_filed_under_two_names(benchmark: ModuleType) -> None:
    made, chosen = benchmark.halved(album(20, 6), 0)
    labels = [each.origin.label for each in made]
    assert len(chosen) == 2
    assert all(labels.count(label) == labels.count(f"{label} 2") == 3 for label in chosen)
    assert benchmark.doubles(album(20, 6), 0) == {"recall": 1, "precision": 1}


def test_two_people_stand_side_by_side_in_the_folder_of_one(benchmark: ModuleType, album: Path) -> None:
    files = sorted((album / "photos").glob("*/*"))
    refs = [PhotoRef(Origin(str(file), file.parent.name), file) for file in files]
    pasted = benchmark.beside(refs, 0, count=3)
    assert len(pasted) == 3
    for ref, side in pasted:
        pixels = decode(ref.data, max_megapixels=50).pixels
        own = [file for file in files if file.parent.name == ref.origin.label]
        halves = [decode(file.read_bytes(), max_megapixels=50).pixels for file in own]
        assert any(_ends_with(pixels, half, side) for half in halves)


def _ends_with(pixels: np.ndarray[Any, Any], half: np.ndarray[Any, Any], side: int) -> bool:
    height, width = min(len(pixels), len(half)), half.shape[1]
    part = pixels[:height, -width:] if side else pixels[:height, :width]
    return np.array_equal(part, half[:height])


def test_without_cleanlab_the_comparison_is_left_out_with_a_sentence(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("cleanlab"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert benchmark.cleanlab_first(album(3, 6), {}, 0) is None
    assert "not installed" in benchmark._rivals(None)


def test_a_head_is_better_for_labels_put_right(benchmark: ModuleType) -> None:
    task = benchmark.Task("", Kind.WRONG_PERSON, 0.2)
    found: Mapping[str, float] = benchmark.trained(album(6, 10), task, people, 0)
    assert set(found) == {"right", "wrong", "clean"}
    assert found["clean"] >= found["wrong"]
