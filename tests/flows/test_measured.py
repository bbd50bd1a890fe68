"""What the program must show on real faces, at bounds that another set of the same kind should hold too."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mien.data import DataOptions, open_data
from mien.evaluation import PairsResult
from mien.flows.evaluate import benchmark_pairs, evaluate
from mien.flows.train import train
from mien.pipeline.execute import RunOptions, embed_photos
from mien.pipeline.spec import build_spec

pytestmark = [pytest.mark.usefixtures("models_home"), pytest.mark.slow]


def _pairs(data: Path, detector: str, embedder: str) -> PairsResult:
    lfw = data / "identity"
    return benchmark_pairs(lfw / "lfw_pairs.csv", images=lfw / "lfw", detector=detector, embedder=embedder)


def test_lfw_pairs_with_all_defaults_and_in_int8(data: Path) -> None:
    exact, quantised = (_pairs(data, "mtcnn", name) for name in ("dlib-resnet", "dlib-resnet-int8"))
    assert exact.rejected == 0
    assert exact.accuracy >= 0.987
    assert quantised.accuracy >= exact.accuracy - 0.005


def test_the_threshold_of_one_person_is_where_lfw_puts_it(data: Path) -> None:
    from mien import models

    found = _pairs(data, "mtcnn", "dlib-resnet").thresholds
    for threshold in found:
        assert threshold == pytest.approx(models.get_card("dlib-resnet").threshold, abs=0.03)


def test_a_closed_set_of_people_and_everybody_else_as_strangers(data: Path, tmp_path: Path) -> None:
    lfw = data / "identity"
    people = open_data(lfw / "lfw_closed_set.csv", DataOptions(images=lfw / "lfw", target="person"))
    trained = train(people, tmp_path / "x.mien", detector="mtcnn").training
    assert trained.fit.held_out.method == "test"
    measured = evaluate(tmp_path / "x.mien", people)
    assert (measured.accuracy_all.value or 0) >= 0.98
    everybody = evaluate(tmp_path / "x.mien", lfw / "lfw")
    unknown = everybody.unknown.as_json()
    assert unknown["strangers"] > 1000
    assert unknown["false_accepts"] <= 0.03
    assert unknown["known_named"] >= 0.97
    assert unknown["auc"] >= 0.995


def test_orl_five_photos_each_of_twenty_people(data: Path, tmp_path: Path) -> None:
    for folder in sorted((data / "identity" / "orl").iterdir()):
        for i, photo in enumerate(sorted(folder.iterdir())):
            target = tmp_path / ("train" if i < 5 else "test") / folder.name / photo.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(photo, target)
    bundle = tmp_path / "x.mien"
    trained = train(tmp_path / "train", bundle, detector="mtcnn").training
    assert not trained.rejected
    measured = evaluate(bundle, tmp_path / "test")
    assert not measured.rejections
    assert (measured.accuracy_all.value or 0) >= 0.98


def test_every_odd_file_gets_a_result_or_a_reason(data: Path) -> None:
    from mien.data import photos

    refs = photos(sorted((data / "bad_input").iterdir()))
    results = list(embed_photos(build_spec("mtcnn"), refs, RunOptions(2, cache=False)))
    assert {result.key for result in results} == {ref.key for ref in refs}
    assert len(refs) >= 29
