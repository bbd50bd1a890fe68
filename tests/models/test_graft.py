"""One network on a layer of another: both as they were, and nothing besides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest

from mien.errors import WeightsError
from mien.models import card, ensure, identity, present, weights
from mien.models.cards import Grafted
from mien.models.graft import graft
from mien.models.graph import Graph


def base() -> bytes:
    """Twice the input, which goes on to something that the layer does not need."""
    graph = Graph("base")
    graph.constant(np.float32(2), "two")
    graph.node("Mul", ["input", "two"], "layer")
    graph.node("Neg", ["layer"], "beyond")
    return graph.model({"input": ["n", 3]}, {"beyond": ["n", 3]})


def top() -> bytes:
    """One more than its input; its constant is called as one of the base is."""
    graph = Graph("top")
    graph.constant(np.float32(1), "two")
    graph.node("Add", ["layer", "two"], "vectors")
    return graph.model({"layer": ["n", 3]}, {"vectors": ["n", 3]})


def test_the_top_takes_the_values_of_the_layer_and_names_stay_apart() -> None:
    session = onnxruntime.InferenceSession(graft(base(), "layer", top()), providers=["CPUExecutionProvider"])
    x: npt.NDArray[np.float32] = np.array([[1, 2, 3]], np.float32)
    assert session.run(None, {"input": x})[0].tolist() == [[3, 5, 7]]


def test_what_the_layer_does_not_need_is_gone() -> None:
    made = onnx.load_model_from_string(graft(base(), "layer", top())).graph
    assert [node.op_type for node in made.node] == ["Mul", "Add"]


def test_a_layer_that_is_not_there_is_named() -> None:
    with pytest.raises(WeightsError, match="'trunk'"):
        graft(base(), "trunk", top())


@pytest.fixture
def cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Grafted:
    """The shipped network of the traits, whose file is not the one that the card names."""
    source = card("traits").source
    assert isinstance(source, Grafted)
    (tmp_path / source.file.path).parent.mkdir(parents=True)
    (tmp_path / source.file.path).write_bytes(b"another network")
    monkeypatch.setattr(weights, "location", lambda file: tmp_path / file.path)
    monkeypatch.setenv("MIEN_HOME", str(tmp_path / "home"))
    return source


def test_a_shipped_top_is_checked_before_it_is_put_on(cut: Grafted) -> None:
    with pytest.raises(WeightsError):
        ensure("traits")


def test_a_graft_is_known_by_what_it_is_made_of() -> None:
    assert present("traits")
    assert identity("traits") not in (identity("dlib-resnet-int8"), identity("dlib-resnet"))


def test_a_vector_of_a_shipped_graft_needs_no_more_than_both_parts() -> None:
    source = card("traits").source
    assert isinstance(source, Grafted)
    names = {node.output[0] for node in onnx.load(str(ensure("traits"))).graph.node}
    assert source.at in names
    assert "embedding" not in names
