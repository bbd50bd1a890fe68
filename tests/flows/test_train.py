"""What training counts and keeps, on vectors made up so that every photo's part in it is known."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

from mien.data import DataSet
from mien.errors import DataError, MienWarning
from mien.flows.train import TrainResult, train
from mien.models.head import Head
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec
from mien.store import bundle as bundles
from mien.training import fingerprints
from mien.types import UNKNOWN, Detection, Embedding, Origin, PhotoRef, Reason, Rejected
from tests.training.clusters import clusters

pytestmark = pytest.mark.usefixtures("models_home")

FACE = Detection(0, (0.0, 0.0, 9.0, 9.0), 1.0)


Vectors: TypeAlias = dict[str, npt.NDArray[np.float32]]


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> Vectors:
    """Each photo is given a vector near its label's own, kept here, and no face where the name says so."""
    made: Vectors = {}

    def prepare(_: PipelineSpec, refs: Sequence[PhotoRef], __: RunOptions) -> Iterator[Embedding | Rejected]:
        labels = sorted({ref.origin.label or "" for ref in refs})
        vectors, _labels = clusters([len(refs)] * len(labels), spread=0.4)
        for i, ref in enumerate(refs):
            if "faceless" in ref.key:
                yield Rejected(ref.origin, "detect", Reason.NO_FACE)
                continue
            at = labels.index(ref.origin.label or "") * len(refs) + i
            made[ref.key] = vectors[at]
            yield Embedding(ref.origin, FACE, vectors[at])

    monkeypatch.setattr("mien.experiment.features.prepare_photos", prepare)
    return made


def photos(label: str | None, count: int, faceless: int = 0, split: str | None = None) -> list[PhotoRef]:
    names = [f"{split}/{label}/{i}" for i in range(count)] + [f"{split}/{label}/faceless {i}" for i in range(faceless)]
    return [PhotoRef(Origin(name, label, split)) for name in names]


def trained(refs: list[PhotoRef], tmp_path: Path) -> TrainResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MienWarning)
        return train(DataSet.of(refs, []), tmp_path / "x.mien", detector="mtcnn", workers=1).training


def card(tmp_path: Path) -> str:
    return (tmp_path / "x.mien" / "card.md").read_text("utf-8").replace("\u00a0", " ")


def test_a_labelled_photo_without_a_face_is_an_error_of_its_class(tmp_path: Path) -> None:
    found = trained(photos("ann", 12) + photos("bob", 10, faceless=2), tmp_path).evaluation
    assert (found.n, found.accuracy.of, found.accuracy_all.of, found.strangers) == (24, 22, 24, 0)
    assert found.per_class["bob"].rejected == 2


def test_a_class_without_any_face_is_refused_by_name(tmp_path: Path) -> None:
    refs = photos("ann", 12) + photos("bob", 12) + photos("cy", 0, faceless=3) + photos("dee", 0, faceless=1)
    with pytest.raises(DataError, match="none of the photos of cy, dee can be used"):
        trained(refs, tmp_path)
    assert not (tmp_path / "x.mien").exists()


def test_a_class_of_the_test_split_need_not_be_learnt(tmp_path: Path) -> None:
    known = [*photos("ann", 12, split="train"), *photos("bob", 12, split="train"), *photos("ann", 4, split="test")]
    found = trained([*known, *photos("cy", 1, faceless=2, split="test")], tmp_path).evaluation
    assert (found.n, found.strangers, found.rejected) == (4, 0, 0), "cy is left out, whether found or not"


def test_strangers_that_set_the_threshold_are_not_half_counted(tmp_path: Path) -> None:
    refs = photos("ann", 15) + photos("bob", 15) + photos(UNKNOWN, 24, faceless=4)
    found = trained(refs, tmp_path)
    assert (found.evaluation.n, found.evaluation.strangers, found.evaluation.rejected) == (30, 0, 0)
    assert len(found.rejected) == 4
    assert "from 24 photos of strangers in the data" in card(tmp_path)
    assert "There were no other faces of strangers to measure it on" in card(tmp_path)


def test_strangers_of_the_held_out_split_are_measured_with_those_rejected(tmp_path: Path) -> None:
    refs = [
        ref
        for split, n in (("train", 14), ("test", 5))
        for ref in [
            *photos("ann", n, split=split),
            *photos("bob", n, faceless=1, split=split),
            *photos(UNKNOWN, 2 * n, faceless=3, split=split),
        ]
    ]
    found = trained(refs, tmp_path).evaluation
    assert (found.n, found.strangers, found.rejected) == (11, 13, 4)
    assert found.unknown.false_accepts.of == 10
    assert "Measured on 10 faces of strangers" in card(tmp_path)


def test_rejected_photos_count_only_for_classes_that_were_tested(tmp_path: Path) -> None:
    burst = [PhotoRef(Origin(ref.key, "cy", group="burst")) for ref in photos("cy", 10, faceless=4)]
    found = trained([*photos("ann", 12, faceless=1), *photos("bob", 12), *burst], tmp_path)
    assert found.fit.as_json()["folds"]["training_only"] == 10
    assert (found.evaluation.n, found.evaluation.accuracy.of) == (25, 24)
    assert "cy" not in {r.origin.label for r in found.evaluation.rejections}


def test_the_bundle_knows_what_it_was_made_from_and_its_head_does_not_mind(tmp_path: Path, made: Vectors) -> None:
    splits = [*photos("ann", 8, split="train"), *photos("bob", 8, split="train"), *photos("bob", 3, split="test")]
    trained([*splits, *photos(UNKNOWN, 2, split="train"), *photos(None, 2)], tmp_path)
    bundle = bundles.load(tmp_path / "x.mien")
    wanted = [vector for key, vector in made.items() if key.startswith("train/")]
    assert bundle.arrays["trained_on"].tolist() == sorted(fingerprints(np.stack(wanted)).tolist())
    assert len(wanted) == 18
    assert Head.load(bundle.manifest["head"], bundle.arrays).labels == ("ann", "bob")


def test_a_threshold_from_two_classes_is_a_guess_on_the_card_as_well(tmp_path: Path) -> None:
    found = trained(photos("ann", 12) + photos("bob", 12), tmp_path)
    assert found.fit.unknown.rate is None
    assert "The threshold is a guess" in card(tmp_path)
    assert "aims at" not in card(tmp_path)


def never(*_: object) -> None:
    raise AssertionError("photos were looked at")


def refused(tree: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said of a tree of AlexNets, before any photo is looked at."""
    (tmp_path / "tree.toml").write_text(tree)
    data = DataSet.of(photos("ann", 3) + photos("bob", 3) + photos("eve", 3, split="test"), [])
    monkeypatch.setattr("mien.experiment.features.prepare_photos", never)
    with pytest.raises(DataError) as caught:
        train(data, tmp_path / "x.mien", recipe="alexnet", hierarchy=str(tmp_path / "tree.toml"), detector="mtcnn")
    return str(caught.value)


def test_networks_that_no_bundle_could_hold_are_refused_before_photos_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "LARGEST", 100 * 2**20)
    assert "give a smaller --size" in refused('tree = ["ann", "bob"]', tmp_path, monkeypatch)


def test_a_tree_over_other_labels_is_refused_before_photos_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "the data lacks eve, which the tree has" in refused('tree = ["ann", "bob", "eve"]', tmp_path, monkeypatch)
