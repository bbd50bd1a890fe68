"""Built-in traits by name wherever a bundle is taken: `mien classify`, `mien sort`, `mien evaluate`."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mien.images import encode
from mien.models.builtin_traits import TRAITS, get_trait
from tests.conftest import Mien
from tests.flows.silent import answering


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MIEN_LICENCE", "MIEN_TRAITS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", TRAITS)
def test_classify_answers_with_the_labels_of_a_trait(mien: Mien, album: Path, name: str) -> None:
    ran = mien("classify", name, album / "originals", "--json", "--top", 10)
    assert ran.code == 0
    labels = set(get_trait(name).labels)
    for line in ran.lines:
        assert {one["label"] for one in line["top"]} == labels
        assert line["label"] in labels | {"uncertain"}
        assert sum(one["score"] for one in line["top"]) == pytest.approx(1, abs=1e-3)


def test_sort_files_photos_by_a_trait(mien: Mien, album: Path, tmp_path: Path) -> None:
    ran = mien("sort", "glasses", album / "inbox", tmp_path / "sorted", "--json")
    assert ran.code == 0
    assert ran.last["done"] == ran.last["planned"] == 15
    assert set(ran.last["counts"]) <= {*get_trait("glasses").labels, "uncertain"}
    assert ran.last["rejected"] == 3


def test_evaluate_measures_a_trait_on_faces_already_cut(mien: Mien, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label in ("happy", "sad"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(0, 256, (48, 48), dtype=np.uint8)
            (tmp_path / "data" / label / f"{i}.png").write_bytes(encode(np.stack([pixels] * 3, axis=2), "png"))
    ran = mien("evaluate", "expression", tmp_path / "data", "--faces", "cut", "--json", "--report", tmp_path / "r.html")
    assert ran.code == 0
    assert (ran.last["n"], ran.last["rejected"], ran.last["trained_on"]) == (8, 0, None)
    assert 0 <= ran.last["uncertain"] <= 1
    assert "accuracy_certain" in ran.last
    assert "expression" in (tmp_path / "r.html").read_text("utf-8")


def test_the_licence_in_force_refuses_expression_by_name(
    mien: Mien, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIEN_LICENCE", "commercial")
    ran = mien("classify", "expression", album / "originals")
    assert ran.code == 1
    assert "weights 'expression-features'" in ran.err
    assert "refused under MIEN_LICENCE=commercial" in ran.err
    assert mien("classify", "mask", album / "originals").code == 0


def test_training_on_the_features_of_traits(mien: Mien, album: Path, tmp_path: Path) -> None:
    ran = mien("train", album / "photos", "--out", tmp_path / "x.mien", "--embedder", "traits", "--json")
    assert (ran.code, ran.last["embedder"]) == (0, "traits")
    ran = mien("train", album / "photos", "--out", tmp_path / "y.mien", "--embedder", "dlib-resnet+traits", "--json")
    assert (ran.code, ran.last["embedder"]) == (0, "dlib-resnet+traits")
    ran = mien("evaluate", tmp_path / "y.mien", album / "held-out", "--json")
    assert ran.last["accuracy"] == 1


def test_of_the_youngest_no_gender_is_told_and_all_the_same_measured(
    mien: Mien, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, tmp_path, {"age": "0-2", "gender": "Female"})
    ran = mien("classify", "gender", album / "originals", "--json")
    assert {(line["label"], len(line["top"])) for line in ran.lines} == {("uncertain", 0)}
    assert mien("classify", "gender", album / "originals").out.splitlines()[0].endswith(": uncertain")
    (tmp_path / "data").mkdir()
    shutil.copytree(album / "originals", tmp_path / "data" / "Female")
    ran = mien("evaluate", "gender", tmp_path / "data", "--json")
    assert (ran.last["accuracy"], ran.last["uncertain"], ran.last["accuracy_certain"]) == (1.0, 1.0, None)
