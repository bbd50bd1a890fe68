"""The embedder auto: compared where the labels may be anything, left alone where they are people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from mien import models
from mien.data import DataSet
from mien.errors import DataError
from mien.experiment.embedders import choose_embedder
from mien.experiment.recipes import FaceOptions, TrainOptions
from mien.flows.train import train
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec
from mien.types import UNKNOWN, Crop, Detection, Embedding, Origin, PhotoRef, Rejected

pytestmark = pytest.mark.usefixtures("models_home")

FACE = Detection(0, (0.0, 0.0, 9.0, 9.0), 1.0)
FACES = FaceOptions("mtcnn")
WIDTH = {"dlib-resnet": 128, "traits": 256}


@dataclass(frozen=True, slots=True)
class MadeUp(RunOptions):
    """A drive whose vectors tell the label in those columns that belong to `telling`; it notes each chain it drove."""

    telling: str = "traits"
    driven: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def inputs(self, spec: PipelineSpec, refs: Sequence[PhotoRef]) -> Iterator[Embedding | Crop | Rejected]:
        self.driven.append(spec.embedder)
        rng = np.random.default_rng(0)
        for ref in refs:
            parts = []
            for name, width in WIDTH.items():
                told = 4.0 * (ref.origin.label == "ann") * (name == self.telling)
                vector = rng.normal(size=width) + told * np.eye(width)[0]
                parts += [vector / np.linalg.norm(vector)] if name in spec.embedders else []
            yield Embedding(ref.origin, FACE, np.concatenate(parts).astype(np.float32))


def some(photos: int = 30, labels: Sequence[str] = ("ann", "bob"), split: str | None = None) -> DataSet:
    names = [(f"{label}/{i}", label) for label in labels for i in range(photos)]
    return DataSet.of([PhotoRef(Origin(name, label, split=split)) for name, label in names], [])


@pytest.mark.parametrize("telling", ["dlib-resnet", "traits"])
def test_the_one_that_tells_the_labels_apart_is_picked(telling: str) -> None:
    drive = MadeUp(1, telling=telling)
    picked = choose_embedder(some(), FACES, 0, drive)
    assert picked is not None
    assert [one.embedder for one in picked.rivals] == ["dlib-resnet", "traits", "dlib-resnet+traits"]
    assert picked.spec.embedder == telling
    assert all(len(item.vector) == WIDTH[telling] for item in picked.found.items if isinstance(item, Embedding))
    assert drive.driven == ["dlib-resnet+traits"]
    assert picked.note.startswith("of dlib-resnet ")
    assert picked.note.endswith(f"{telling} was chosen as embedder")


@pytest.mark.parametrize(
    "data",
    [
        some(12),
        some(40, [f"person {i}" for i in range(31)]),
        some(40, ["ann", "bob", UNKNOWN]),
        some(40, ["ann"]),
        some(40, split="test"),
    ],
)
def test_labels_that_look_like_people_are_not_compared(data: DataSet) -> None:
    drive = MadeUp(1)
    assert choose_embedder(data, FACES, 0, drive) is None
    assert drive.driven == []


def test_without_its_weights_nothing_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "is_available", lambda name: name != "traits")
    assert choose_embedder(some(), FACES, 0, MadeUp(1)) is None


def test_a_training_looks_at_the_photos_once_and_pins_what_was_picked(tmp_path: Path) -> None:
    said: list[str] = []
    drive = MadeUp(1, tell=said.append)
    done = train(some(), "some", tmp_path / "x.mien", TrainOptions(), FACES, drive)
    assert drive.driven == ["dlib-resnet+traits"]
    assert done.recipe.spec.embedder == "traits"
    manifest = json.loads((tmp_path / "x.mien" / "bundle.json").read_text())
    assert manifest["chain"]["embedder"] == "traits"
    plan = models.get_card("traits").input
    assert plan is not None
    assert manifest["chain"]["view"]["size"] == plan.size
    assert [one["embedder"] for one in manifest["training"]["embedders"]] == [one.embedder for one in done.rivals]
    assert any("traits was chosen as embedder" in word for word in said)
    assert "figures flatter a little" in (tmp_path / "x.mien" / "report.html").read_text()


@pytest.mark.parametrize("embedder", ["dlib-resnet", "traits", "dlib-resnet+traits"])
def test_an_embedder_that_is_named_is_taken_as_it_is(tmp_path: Path, embedder: str) -> None:
    drive = MadeUp(1)
    done = train(some(), "some", tmp_path / "x.mien", TrainOptions(), FaceOptions("mtcnn", embedder), drive)
    assert drive.driven == [embedder]
    assert done.rivals == ()


def test_an_option_that_does_not_go_with_the_recipe_is_refused_before_photos_are_looked_at(tmp_path: Path) -> None:
    drive = MadeUp(1)
    with pytest.raises(DataError, match="--epochs goes with a network"):
        train(some(), "some", tmp_path / "x.mien", TrainOptions(epochs=3), FACES, drive)
    assert drive.driven == []


def test_the_vectors_are_the_very_ones_that_the_picked_chain_gives(data: Path) -> None:
    """So that evaluating knows again which photos were trained on."""
    from mien.data import open_data

    given = open_data(data / "attributes" / "six_class")
    keys = {"boy", "girl"}
    refs = [ref for ref in given.refs if ref.origin.label in keys]
    picked = choose_embedder(DataSet.of(refs, []), FACES, 0, RunOptions(1, cache=False))
    assert picked is not None
    alone = {item.key: item for item in RunOptions(1, cache=False).inputs(picked.spec, refs)}
    for item in picked.found.items:
        same = alone[item.key]
        assert isinstance(item, Embedding)
        assert isinstance(same, Embedding)
        assert np.array_equal(item.vector, same.vector)
