"""The main job: `mien train`, `mien evaluate`, `mien classify`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mien.store import bundle as bundles
from tests.conftest import Mien


def test_training_leaves_a_bundle_with_its_pages(mien: Mien, album: Path, tmp_path: Path) -> None:
    ran = mien("train", album / "photos", "--out", tmp_path / "people.mien", "--json")
    assert ran.code == 0
    wanted = {"bundle", "recipe", "labels", "counts", "rejected", "validation", "seconds"}
    assert wanted <= ran.last.keys()
    assert {"accuracy", "macro_f1", "n"} <= ran.last["validation"].keys()
    assert ran.last["counts"] == {"Eileen Collins": 12, "Grace Hopper": 12}
    names = sorted(path.name for path in (tmp_path / "people.mien").iterdir())
    assert names == ["bundle.json", "card.md", "head.npz", "report.html"]
    assert "Grace Hopper" in (tmp_path / "people.mien" / "card.md").read_text()


def test_the_same_seed_gives_the_same_bundle(mien: Mien, album: Path, tmp_path: Path) -> None:
    for name in ("a.mien", "b.mien"):
        mien("train", album / "photos", "--out", tmp_path / name, "--seed", 3, "--quiet")
    heads = [(tmp_path / name / "head.npz").read_bytes() for name in ("a.mien", "b.mien")]
    assert heads[0] == heads[1]


def test_few_photos_are_warned_about(mien: Mien, album: Path, tmp_path: Path) -> None:
    assert "fewer than 20 photos" in mien("train", album / "photos", "--out", tmp_path / "x.mien").err


def test_one_class_is_refused_in_one_sentence(mien: Mien, album: Path, tmp_path: Path) -> None:
    shutil.copytree(album / "photos" / "Grace Hopper", tmp_path / "photos" / "Grace Hopper")
    ran = mien("train", tmp_path / "photos", "--out", tmp_path / "x.mien", "--quiet")
    assert ran.code == 1
    assert "only one class" in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "x.mien").exists()


def test_a_class_with_one_photo_is_refused_by_name(mien: Mien, album: Path, tmp_path: Path) -> None:
    shutil.copytree(album / "photos", tmp_path / "photos")
    for photo in sorted((tmp_path / "photos" / "Eileen Collins").iterdir())[1:]:
        photo.unlink()
    ran = mien("train", tmp_path / "photos", "--out", tmp_path / "x.mien", "--quiet")
    assert ran.code == 1
    assert "only one photo of Eileen Collins" in ran.err


def test_photos_without_faces_are_refused_as_a_data_set(mien: Mien, album: Path, tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        shutil.copy(album / "inbox" / "coffee.png", tmp_path / "photos" / label)
    ran = mien("train", tmp_path / "photos", "--out", tmp_path / "x.mien", "--quiet")
    assert ran.code == 1
    assert "no face" in ran.err


def test_a_class_none_of_whose_photos_can_be_used_is_refused_by_name(mien: Mien, album: Path, tmp_path: Path) -> None:
    shutil.copytree(album / "photos", tmp_path / "photos")
    (tmp_path / "photos" / "Faceless").mkdir()
    for name in ("coffee.png", "chelsea.png"):
        shutil.copy(album / "inbox" / name, tmp_path / "photos" / "Faceless")
    ran = mien("train", tmp_path / "photos", "--out", tmp_path / "x.mien", "--quiet")
    assert ran.code == 1
    assert "none of the photos of Faceless can be used" in ran.err
    assert "take the class out of the data" in ran.err
    assert ran.err.count("\n") == 1


def test_copies_of_one_photo_are_not_measured_as_if_they_were_many(mien: Mien, album: Path, tmp_path: Path) -> None:
    shutil.copytree(album / "photos" / "Eileen Collins", tmp_path / "photos" / "Eileen Collins")
    (tmp_path / "photos" / "Grace Hopper").mkdir()
    for i in range(6):
        shutil.copy(album / "photos" / "Grace Hopper" / "00.jpg", tmp_path / "photos" / "Grace Hopper" / f"{i}.jpg")
    ran = mien("train", tmp_path / "photos", "--out", tmp_path / "x.mien", "--json")
    assert ran.last["validation"]["n"] == 12
    assert "Grace Hopper are one group, or copies of one photo" in ran.err
    assert json.loads((tmp_path / "x.mien" / "bundle.json").read_text())["training"]["folds"]["copies"] >= 5


def test_the_folder_in_which_one_sits_has_a_name(
    mien: Mien, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(album / "photos")
    mien("train", ".", "--out", tmp_path / "x.mien", "--quiet")
    assert json.loads((tmp_path / "x.mien" / "bundle.json").read_text())["training"]["data"] == "photos"
    mien("evaluate", tmp_path / "x.mien", ".", "--report", tmp_path / "report.html", "--quiet")
    assert "<dd><bdi>photos</bdi></dd>" in (tmp_path / "report.html").read_text()


def test_a_folder_that_is_no_bundle_is_not_overwritten(mien: Mien, album: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "dear.txt").write_text("keep")
    ran = mien("train", album / "photos", "--out", tmp_path / "mine")
    assert ran.code == 1
    assert (tmp_path / "mine" / "dear.txt").read_text() == "keep"


def test_evaluating_prints_every_figure(mien: Mien, people: Path, album: Path, tmp_path: Path) -> None:
    ran = mien("evaluate", people, album / "held-out", "--json", "--report", tmp_path / "report.html")
    assert ran.code == 0
    fields = ["n", "rejected", "accuracy", "accuracy_all", "macro_f1", "ece", "per_class", "confusion", "unknown"]
    assert set(fields) <= ran.last.keys()
    assert (ran.last["n"], ran.last["accuracy"], ran.last["accuracy_all"]) == (12, 1.0, 1.0)
    assert "<html" in (tmp_path / "report.html").read_text()


def test_photos_that_were_trained_on_are_noticed(mien: Mien, people: Path, album: Path, tmp_path: Path) -> None:
    shutil.copytree(album / "held-out", tmp_path / "data")
    assert mien("evaluate", people, tmp_path / "data", "--json").last["trained_on"] == 0
    for i in range(5):
        shutil.copy(
            album / "photos" / "Grace Hopper" / f"0{i}.jpg", tmp_path / "data" / "Grace Hopper" / f"copy {i}.jpg"
        )
    ran = mien("evaluate", people, tmp_path / "data", "--json", "--report", tmp_path / "report.html")
    assert ran.last["trained_on"] == 5
    sentence = "5 of 17 photos were in the training set; results are optimistic"
    assert f"note: {sentence}\n" in ran.err
    assert f"{sentence}." in (tmp_path / "report.html").read_text()


def test_bundles_from_before_digests_were_kept_still_load(
    mien: Mien, people: Path, album: Path, tmp_path: Path
) -> None:
    old = _with_arrays(people, tmp_path / "old.mien", trained_on=None)
    ran = mien("evaluate", old, album / "photos", "--json")
    assert (ran.last["trained_on"], ran.last["accuracy"]) == (None, 1.0)
    assert "training set" not in ran.err


def test_digests_that_are_none_are_a_damage(mien: Mien, people: Path, album: Path, tmp_path: Path) -> None:
    odd = _with_arrays(people, tmp_path / "odd.mien", trained_on=np.zeros((2, 2)))
    ran = mien("evaluate", odd, album / "held-out", "--quiet")
    assert ran.code == 1
    assert "odd.mien is damaged" in ran.err


def _with_arrays(people: Path, to: Path, trained_on: npt.NDArray[Any] | None) -> Path:
    made = bundles.load(people)
    arrays = {name: array for name, array in made.arrays.items() if name != "trained_on"}
    bundles.save(to, made.manifest, arrays if trained_on is None else {**arrays, "trained_on": trained_on}, {})
    return to


def test_known_photos_that_are_called_unknown_are_told_without_any_stranger(
    mien: Mien, people: Path, album: Path, tmp_path: Path
) -> None:
    strict = _with_threshold(people, tmp_path / "strict.mien", 0.9999)
    assert (
        "known         0.0% named correctly, and not called unknown" in mien("evaluate", strict, album / "held-out").out
    )
    open_to_all = _with_threshold(people, tmp_path / "open.mien", None)
    assert "named correctly" not in mien("evaluate", open_to_all, album / "held-out").out


def _with_threshold(people: Path, to: Path, threshold: float | None) -> Path:
    shutil.copytree(people, to)
    manifest = json.loads((to / "bundle.json").read_text())
    manifest["head"]["threshold"] = threshold
    (to / "bundle.json").write_text(json.dumps(manifest))
    return to


def test_a_photo_without_a_face_counts_as_an_error(mien: Mien, people: Path, album: Path, tmp_path: Path) -> None:
    shutil.copytree(album / "held-out", tmp_path / "data")
    shutil.copy(album / "inbox" / "coffee.png", tmp_path / "data" / "Grace Hopper")
    ran = mien("evaluate", people, tmp_path / "data", "--json")
    assert (ran.last["n"], ran.last["rejected"], ran.last["accuracy"]) == (13, 1, 1.0)
    assert ran.last["accuracy_all"] == pytest.approx(12 / 13)


def test_a_held_out_split_is_what_is_measured(mien: Mien, people: Path, album: Path, tmp_path: Path) -> None:
    shutil.copytree(album / "photos", tmp_path / "data" / "train")
    shutil.copytree(album / "held-out", tmp_path / "data" / "test")
    assert mien("evaluate", people, tmp_path / "data", "--json").last["n"] == 12
    assert mien("evaluate", people, tmp_path / "data", "--json", "--split", "all").last["n"] == 36
    ran = mien("evaluate", people, tmp_path / "data", "--split", "nightly")
    assert ran.code == 1
    assert "its splits are: test, train" in ran.err


def test_classifying_prints_a_line_a_face(mien: Mien, people: Path, album: Path) -> None:
    ran = mien("classify", people, album / "originals", album / "inbox" / "coffee.png", "--json")
    assert ran.code == 0
    # MTCNN sees another face in the astronaut's collar; it is nobody's, and comes second.
    faces = [line for line in ran.lines if "rejected" not in line and line["label"] != "unknown"]
    for line, name in zip(faces, ("Eileen Collins", "Grace Hopper"), strict=True):
        assert line["label"] == name
        assert line["top"][0]["label"] == name
        assert sum(item["score"] for item in line["top"]) == pytest.approx(1, abs=1e-3)
        assert {"box", "score"} <= line["face"].keys()
    assert ran.lines[-1]["rejected"]["reason"] == "no-face"


def test_top_limits_the_labels_shown(mien: Mien, people: Path, album: Path) -> None:
    assert len(mien("classify", people, album / "originals", "--json", "--top", 1).lines[0]["top"]) == 1


def test_below_the_threshold_the_label_is_unknown(mien: Mien, people: Path, album: Path, tmp_path: Path) -> None:
    strict = _with_threshold(people, tmp_path / "strict.mien", 0.9999)
    line = mien("classify", strict, album / "originals", "--json").lines[0]
    assert line["label"] == "unknown"
    assert line["top"][0]["label"] == "Eileen Collins"


@pytest.mark.parametrize("verb", ["evaluate", "classify"])
def test_a_bundle_that_is_not_there_says_how_to_make_one(mien: Mien, album: Path, verb: str, tmp_path: Path) -> None:
    ran = mien(verb, tmp_path / "nobody.mien", album / "originals", "--quiet")
    assert ran.code == 1
    assert ran.err.count("\n") == 1


def test_verify_tells_people_apart(mien: Mien, album: Path) -> None:
    collins = album / "photos" / "Eileen Collins"
    same = mien("verify", collins / "00.jpg", collins / "03.jpg", "--json").last
    other = mien("verify", collins / "00.jpg", album / "photos" / "Grace Hopper" / "00.jpg", "--json").last
    assert {"distance", "threshold", "same"} <= same.keys()
    assert (same["same"], other["same"]) == (True, False)
    assert same["distance"] < other["distance"]
    assert mien("verify", collins / "00.jpg", collins / "00.jpg", "--json").last["distance"] == 0


def test_verify_needs_two_faces(mien: Mien, album: Path) -> None:
    ran = mien("verify", album / "originals" / "Grace Hopper.jpg", album / "inbox" / "coffee.png")
    assert ran.code == 1
    assert "coffee.png: no face was found" in ran.err


def test_pairs_follow_the_lfw_protocol(mien: Mien, album: Path, tmp_path: Path) -> None:
    a, b = "Eileen Collins", "Grace Hopper"
    rows = [
        f"{fold},{a}/0{i}.jpg,{a}/0{i + 4}.jpg,1\n{fold},{a}/0{i}.jpg,{b}/0{i}.jpg,0"
        for fold in (1, 2)
        for i in (0, 1, 2)
    ]
    (tmp_path / "pairs.csv").write_text("fold,a,b,same\n" + "\n".join(rows) + "\n")
    ran = mien("benchmark", "pairs", tmp_path / "pairs.csv", "--images", album / "photos", "--json")
    assert {"pairs", "folds", "accuracy", "accuracy_std", "auc", "tar_at_far", "rejected"} <= ran.last.keys()
    assert (ran.last["pairs"], ran.last["folds"], ran.last["accuracy"]) == (12, 2, 1.0)


def test_pairs_without_their_photos_ask_for_the_folder(mien: Mien, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("fold,a,b,same\n1,x.jpg,y.jpg,1\n2,x.jpg,z.jpg,0\n")
    ran = mien("benchmark", "pairs", tmp_path / "pairs.csv", "--images", tmp_path)
    assert ran.code == 1
    assert "--images" in ran.err


def test_verify_takes_photos_and_not_folders(mien: Mien, album: Path) -> None:
    ran = mien("verify", album / "originals", album / "originals" / "Grace Hopper.jpg")
    assert ran.code == 1
    assert "is a folder" in ran.err


def test_training_tells_both_shares_where_photos_were_missed(mien: Mien, album: Path, tmp_path: Path) -> None:
    shutil.copytree(album / "photos", tmp_path / "photos")
    shutil.copy(album / "inbox" / "coffee.png", tmp_path / "photos" / "Grace Hopper")
    assert "% of all photos" in mien("train", tmp_path / "photos", "--out", tmp_path / "x.mien").out


def test_labels_that_the_bundle_does_not_know_are_told(mien: Mien, people: Path, album: Path, tmp_path: Path) -> None:
    shutil.copytree(album / "photos" / "Grace Hopper", tmp_path / "data" / "G. Hopper")
    assert "the bundle knows none of these labels" in mien("evaluate", people, tmp_path / "data").err
