"""`mien train` with recipes that train a network, and its bundle in every verb that takes one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Mien

_PARTS = ["bundle.json", "card.md", "head.npz", "network.json", "network.onnx", "report.html", "weights.safetensors"]


@pytest.fixture(scope="module")
def bundles(album: Path, shared_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two bundles of the album's people: of vectors and of crops; their figures mean nothing."""
    import mien
    from mien.errors import MienWarning

    folder = tmp_path_factory.mktemp("networks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIEN_HOME", str(shared_home))
        for recipe, size in (("embedding-cnn", None), ("resnet-small", 32)):
            bundle = folder / f"{recipe}.mien"
            with pytest.warns(MienWarning):  # the album is small
                mien.train(album / "photos", bundle, recipe=recipe, detector="mtcnn", size=size, epochs=4, workers=1)
    return folder


@pytest.mark.parametrize("recipe", ["embedding-cnn", "resnet-small"])
def test_a_bundle_of_a_network_holds_its_parts(bundles: Path, recipe: str) -> None:
    bundle = bundles / f"{recipe}.mien"
    assert sorted(path.name for path in bundle.iterdir()) == _PARTS
    manifest = json.loads((bundle / "bundle.json").read_text())
    assert manifest["head"]["kind"] == "network"
    assert manifest["recipe"] == recipe
    assert len(manifest["training"]["curves"]) == 4
    assert "How did training go?" in (bundle / "report.html").read_text()


@pytest.mark.parametrize("recipe", ["embedding-cnn", "resnet-small"])
def test_every_verb_takes_it(mien: Mien, bundles: Path, album: Path, tmp_path: Path, recipe: str) -> None:
    bundle = bundles / f"{recipe}.mien"
    assert mien("evaluate", bundle, album / "held-out", "--json").last["n"] == 12
    named = mien("classify", bundle, album / "originals", "--json").lines
    assert {line["label"] for line in named} <= {"Eileen Collins", "Grace Hopper", "unknown"}
    assert mien("sort", bundle, album / "inbox", tmp_path / "sorted", "--json").last["rejected"] == 3


def test_what_was_trained_on_is_noticed(mien: Mien, bundles: Path, album: Path) -> None:
    ran = mien("evaluate", bundles / "resnet-small.mien", album / "photos", "--json")
    assert 0 < ran.last["trained_on"] < 24


def test_using_a_bundle_needs_no_torch(bundles: Path, album: Path, shared_home: Path) -> None:
    code = f"""
import sys
sys.modules["torch"] = None
from mien.cli import main
sys.argv = ["mien", "classify", {str(bundles / "resnet-small.mien")!r}, {str(album / "originals")!r}, "--json"]
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"MIEN_HOME": str(shared_home), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 2


def test_faces_that_come_cut_are_taken_as_they_are_and_so_they_are_in_use(
    mien: Mien, album: Path, tmp_path: Path
) -> None:
    mien("align", album / "photos", tmp_path / "cut", "--size", 64, "--quiet")
    bundle = tmp_path / "cut.mien"
    ran = mien(
        *("train", tmp_path / "cut", "--out", bundle, "--faces", "cut", "--recipe", "resnet-small"),
        *("--size", 32, "--epochs", 1, "--colour", "grey", "--json"),
    )
    assert ran.code == 0, ran.err
    assert json.loads((bundle / "bundle.json").read_text())["chain"]["faces"] == "cut"
    assert "trained on faces already cut" in mien("classify", bundle, album / "inbox").err
    assert "trained with --faces cut" in mien("classify", bundle, album / "originals", "--faces", "find").err
    assert "faces already cut" not in mien("classify", bundle, tmp_path / "cut").err


def test_a_bundle_that_finds_faces_warns_of_pictures_that_are_cut(
    mien: Mien, people: Path, tmp_path: Path, data: Path
) -> None:
    shutil.copytree(data / "expression" / "fer2013_train" / "happy", tmp_path / "happy")
    assert "look like faces already cut" in mien("classify", people, tmp_path / "happy").err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--recipe", "head", "--epochs", 2), "--epochs applies to networks only"),
        (("--recipe", "head", "--size", 32), "takes embeddings"),
        (("--recipe", "embedding-cnn", "--augment", "gentle"), "takes embeddings"),
        (("--recipe", "fer-cnn", "--embedder", "dlib-resnet"), "omit --embedder"),
        (("--recipe", "resnet-small", "--colour", "blue"), "use rgb or grey"),
        (("--recipe", "resnet-small", "--balance", "even"), "use none, weights, sampling"),
        (("--recipe", "resnet-small", "--size", 4), "must have 8 or more"),
        (("--recipe", "resnet-small", "--learning-rate", -1), "learning rate"),
        (("--recipe", "resnet-small", "--augment", "wild"), "wild"),
        (("--recipe", "resnet"), "there is no recipe called 'resnet'"),
        (("--recipe", "auto", "--epochs", 2), "applies to one recipe only"),
        (("--hierarchy", "nowhere.toml"), "nowhere.toml"),
    ],
)
def test_options_that_do_not_go_together_are_refused_in_one_sentence(
    mien: Mien, album: Path, tmp_path: Path, options: tuple[object, ...], sentence: str
) -> None:
    ran = mien("train", album / "photos", "--out", tmp_path / "x.mien", "--quiet", *options)
    assert ran.code == 1
    assert sentence in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "x.mien").exists()


def test_a_hierarchy_over_other_labels_is_refused(mien: Mien, album: Path, tmp_path: Path) -> None:
    ran = mien("train", album / "photos", "--out", tmp_path / "x.mien", "--hierarchy", "sex-first", "--quiet")
    assert ran.code == 1
    assert "Eileen Collins" in ran.err


def test_auto_keeps_the_best_that_fits_in_the_time(mien: Mien, album: Path, tmp_path: Path) -> None:
    ran = mien("train", album / "photos", "--out", tmp_path / "x.mien", "--recipe", "auto", "--minutes", 0, "--json")
    assert ran.code == 0, ran.err
    tried = {one["recipe"]: one for one in ran.last["tried"]}
    assert next(iter(tried)) == "head"
    assert tried["head"]["macro_f1"] is not None
    assert tried["resnet-small"]["why"]
    assert ran.last["recipe"] == "head"
    assert "head was chosen" in ran.err


@pytest.mark.slow
def test_broken_pixels_cost_only_their_row(mien: Mien, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [f'{i % 2},"{" ".join(map(str, rng.integers(0, 256, 2304)))}",Training' for i in range(24)]
    rows[3] = '1,"1 2 3",Training'
    rows[4] = '0,"a b c",Training'
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "\n".join(rows) + "\n")
    ran = mien(
        *("train", tmp_path / "fer2013.csv", "--out", tmp_path / "fer.mien", "--faces", "cut"),
        *("--recipe", "resnet-small", "--size", 32, "--epochs", 1, "--json"),
    )
    assert ran.code == 0, ran.err
    assert ran.last["rejected"] == 2
    assert sum(ran.last["counts"].values()) == 22
