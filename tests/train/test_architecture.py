"""Networks as data: through JSON unchanged, and nothing from a stranger is believed."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.train.architecture import Architecture
from mien.train.architectures import ARCHITECTURES
from mien.train.layers import KINDS, Conv, Dense, Dropout, Flatten, MaxPool, Relu, Scale

TINY = Architecture(
    "tiny", (1, 8, 8), (Scale(), Conv(4, 3, padding=1), Relu(), MaxPool(2, 2), Flatten(), Dropout(0.1), Dense(3))
)


def as_json(architecture: Architecture = TINY) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(json.dumps(architecture.to_json(), allow_nan=False))
    return fields


@pytest.mark.parametrize(
    ("name", "shape"),
    [("embedding-cnn", (128,)), ("fer-cnn", (1, 48, 48)), ("alexnet", (3, 227, 227)), ("resnet-small", (3, 96, 96))],
)
def test_a_network_comes_back_from_json_as_it_was(name: str, shape: tuple[int, ...]) -> None:
    architecture = ARCHITECTURES[name](shape, 7)
    assert Architecture.from_json(as_json(architecture)) == architecture


def test_json_of_a_network_can_be_read_by_a_person() -> None:
    fields = as_json()
    assert (fields["name"], fields["input"]) == ("tiny", [1, 8, 8])
    assert fields["layers"][1] == {"kind": "conv", "filters": 4, "size": 3, "stride": 1, "padding": 1, "bias": True}
    assert fields["layers"][0] == {"kind": "scale"}


def test_shapes_classes_weights_and_names_follow_from_the_layers() -> None:
    assert TINY.shapes[:3] == ((1, 8, 8), (1, 8, 8), (4, 8, 8))
    assert TINY.classes == 3
    assert TINY.weights == 4 * 9 + 4 + 64 * 3 + 3
    assert TINY.names[:2] == ("00-scale", "01-conv")


@pytest.mark.parametrize(
    "fields", [None, [], "net", 5, {}, {"layers": 5}, {"layers": []}, {"layers": [{"kind": "relu"}]}]
)
def test_what_is_no_network_is_refused(fields: object) -> None:
    with pytest.raises(ValueError, match=r"layers|missing"):
        Architecture.from_json(fields)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"input": [1, 8]}, "vector, or a square"),
        ({"input": [2, 8, 8]}, "vector, or a square"),
        ({"input": [1, 8, 9]}, "vector, or a square"),
        ({"input": [1, 10**9, 10**9]}, "vector, or a square"),
        ({"input": [-5]}, "vector, or a square"),
        ({"input": []}, "vector, or a square"),
        ({"input": [True, 8, 8]}, "input"),
        ({"input": "8"}, "input"),
        ({"name": 5}, "name"),
        ({"initial": "zeros"}, "initial"),
        ({"more": 1}, "fields that there are not"),
        ({"layers": [{"kind": "dense", "units": 3}] * 300}, "256"),
        ({"layers": [{"kind": "flatten"}, {"kind": "dense", "units": 3}, {"kind": "relu"}]}, "last one is dense"),
        ({"layers": [{"kind": "python"}]}, "no layer 'python'"),
        ({"layers": [{"kind": ["conv"]}]}, "names its kind"),
        ({"layers": ["conv"]}, "names its kind"),
        ({"layers": [{"kind": "dense"}]}, "missing"),
        ({"layers": [{"kind": "dense", "units": 2.0}]}, "units"),
        ({"layers": [{"kind": "dense", "units": True}]}, "units"),
        ({"layers": [{"kind": "dense", "units": 3, "code": "x"}]}, "fields that there are not"),
        ({"layers": [{"kind": "dense", "units": 3}]}, "flatten first"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_with_its_reason(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Architecture.from_json({**as_json(), **change})


def test_a_network_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        Architecture("wide", (3, 1024, 1024), (Conv(4096, 1), Flatten(), Dense(2)))
    with pytest.raises(ValueError, match="weights"):
        Architecture("heavy", (65536,), (Dense(65536), Dense(2)))


_WILD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers(), max_size=4)
)


@given(place=st.integers(0, 6), value=_WILD, data=st.data())
def test_any_one_field_changed_gives_a_network_or_a_reason(place: int, value: object, data: st.DataObject) -> None:
    fields = copy.deepcopy(as_json())
    layer = fields["layers"][place]
    layer[data.draw(st.sampled_from(sorted(layer)))] = value
    try:
        read = Architecture.from_json(fields)
    except ValueError:
        return
    assert Architecture.from_json(read.to_json()) == read


def test_networks_are_described_without_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import mien.train.architectures; assert 'onnx' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_every_kind_and_field_of_a_layer_is_on_the_page_of_bundles() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "bundle.md").read_text("utf-8")
    for name, kind in KINDS.items():
        row = next(line for line in page.splitlines() if line.startswith("|") and f"`{name}`" in line.split("|")[1])
        assert re.findall(r"`(\w+)`", row.split("|")[2]) == list(get_type_hints(kind))
