"""`mien study` as a person or a program types it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import Mien

FIELDS = {
    "variant",
    "accuracy_mean",
    "accuracy_std",
    "train_seconds",
    "epochs",
    "gap",
    "macro_f1_mean",
    "n",
    "interval",
}


@pytest.mark.slow
def test_a_program_gets_a_line_a_variant_and_the_comparisons_last(mien: Mien, album: Path) -> None:
    words = ["--over", "size", "--variants", "20,24", "--recipe", "fer-cnn", "--epochs", 1, "--json"]
    ran = mien("study", album / "photos", *words)
    assert ran.code == 0, ran.err
    small, large, last = ran.lines
    assert (small["variant"], large["variant"]) == ("20", "24")
    assert small.keys() >= FIELDS
    assert (small["epochs"], small["trials"]) == (1.0, 3)
    (pair,) = last["comparisons"]
    assert {pair["a"], pair["b"]} == {"20", "24"}
    assert pair.keys() == {"a", "b", "difference", "interval", "p", "real"}
    assert isinstance(pair["real"], bool)
    assert (last["over"], last["photos"], last["rejected"]) == ("size", 24, 0)


def test_a_person_gets_a_table_a_page_and_is_told_what_was_remembered(mien: Mien, album: Path, tmp_path: Path) -> None:
    words = ["study", album / "photos", "--over", "recipe", "--variants", "head"]
    first = mien(*words)
    assert first.out.splitlines()[0].split() == ["accuracy", "gap", "macro-F1", "epochs", "seconds"]
    assert first.out.splitlines()[1].startswith("head ")
    again = mien(*words, "--report", tmp_path / "study.html")
    assert "3 trainings finished by an earlier run" in again.err
    assert f"report: {tmp_path / 'study.html'}" in again.out
    assert (tmp_path / "study.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_one_class_is_refused_in_one_sentence(mien: Mien, album: Path, tmp_path: Path) -> None:
    shutil.copytree(album / "photos" / "Grace Hopper", tmp_path / "photos" / "Grace Hopper")
    ran = mien("study", tmp_path / "photos", "--over", "recipe", "--variants", "head", "--quiet")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "only one class" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--over", "luck"], "--over 'luck' is unknown"),
        (["--over", "recipe", "--variants", "magic"], "magic"),
        (["--over", "size", "--recipe", "head"], "needs a recipe that is trained on pictures"),
        (["--over", "hierarchy"], "does not fit the data"),
        (["--over", "recipe", "--variants", "head", "--faces", "guess"], "use 'find' or 'cut'"),
    ],
)
def test_what_cannot_be_studied_is_refused_in_one_sentence(
    mien: Mien, album: Path, words: list[str], said: str
) -> None:
    ran = mien("study", album / "photos", "--quiet", *words)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert said in ran.err


@pytest.mark.parametrize("words", [[], ["--over", "size", "--seeds", "2"], ["--over", "size", "--folds", "6"]])
def test_wrong_usage_is_told_before_anything_is_read(mien: Mien, words: list[str]) -> None:
    assert mien("study", "nowhere", *words).code == 2
