from __future__ import annotations

import io
import json
import math
import pickle
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mien.models.head import KINDS, Head, unit
from mien.types import Floats


def a_head(k: int = 3, d: int = 8, *, seed: int = 0, threshold: float = 0.5) -> Head:
    rng = np.random.default_rng(seed)
    return Head(
        kind="logistic",
        labels=tuple(f"label {i}" for i in range(k)),
        weights=rng.normal(size=(k, d)).astype(np.float32),
        bias=rng.normal(size=k).astype(np.float32),
        centres=unit(rng.normal(size=(k, d))).astype(np.float32),
        temperature=0.7,
        threshold=threshold,
    )


def some_vectors(n: int, d: int = 8, *, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def test_probabilities_sum_to_one_and_are_float32() -> None:
    probabilities = a_head().probabilities(some_vectors(20))
    assert probabilities.shape == (20, 3)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (probabilities >= 0).all()


def test_familiarity_is_the_cosine_to_the_nearest_centre() -> None:
    head = a_head()
    np.testing.assert_allclose(head.familiarity(head.centres * 7), 1, atol=1e-6)
    assert head.familiarity(some_vectors(50)).max() < 1
    assert head.familiarity(some_vectors(50)).dtype == np.float32


@pytest.mark.parametrize("factor", [1e-30, 0.01, 1e30])
def test_the_length_of_a_vector_does_not_matter(factor: float) -> None:
    head, vectors = a_head(), some_vectors(10)
    scaled = vectors * np.float32(factor)
    np.testing.assert_allclose(head.probabilities(scaled), head.probabilities(vectors), atol=1e-5)
    np.testing.assert_allclose(head.familiarity(scaled), head.familiarity(vectors), atol=1e-5)


def test_a_batch_equals_one_by_one_exactly() -> None:
    head, vectors = a_head(5, 128), some_vectors(67, 128)
    singly = [head.probabilities(vectors[i : i + 1]) for i in range(67)]
    assert np.array_equal(head.probabilities(vectors), np.concatenate(singly))
    alone = [head.familiarity(vectors[i : i + 1]) for i in range(67)]
    assert np.array_equal(head.familiarity(vectors), np.concatenate(alone))


def test_the_input_stays_unmodified() -> None:
    vectors = some_vectors(4)
    before = vectors.copy()
    a_head().probabilities(vectors)
    a_head().familiarity(vectors)
    assert np.array_equal(vectors, before)


def test_no_vectors_give_no_rows() -> None:
    assert a_head().probabilities(some_vectors(0)).shape == (0, 3)
    assert a_head().familiarity(some_vectors(0)).shape == (0,)


def test_a_zero_vector_is_not_familiar() -> None:
    zeros = np.zeros((1, 8), dtype=np.float32)
    assert a_head().familiarity(zeros)[0] == 0
    assert np.isfinite(a_head().probabilities(zeros)).all()


def test_vectors_of_another_dimension_or_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(n, 8\)"):
        a_head().probabilities(some_vectors(2, 9))
    with pytest.raises(ValueError, match="not finite"):
        a_head().familiarity(np.full((1, 8), np.nan, dtype=np.float32))


def through_files(head: Head) -> Head:
    file = io.BytesIO()
    np.savez(file, **head.to_arrays())  # type: ignore[arg-type]
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return Head.load(json.loads(json.dumps(head.to_json(), allow_nan=False)), dict(arrays))


@pytest.mark.parametrize("threshold", [0.123456789, -math.inf])
def test_saving_and_loading_is_lossless(threshold: float) -> None:
    head = a_head(threshold=threshold)
    back = through_files(head)
    assert (back.kind, back.labels, back.temperature, back.threshold) == (
        head.kind,
        head.labels,
        head.temperature,
        head.threshold,
    )
    vectors = some_vectors(30)
    assert np.array_equal(back.probabilities(vectors), head.probabilities(vectors))
    assert np.array_equal(back.familiarity(vectors), head.familiarity(vectors))


def test_the_certainty_survives_saving() -> None:
    head = replace(a_head(), certain=0.625)
    assert through_files(head).certain == 0.625


def test_a_head_of_an_older_bundle_always_answers() -> None:
    head = replace(a_head(), certain=0.625)
    fields = {name: value for name, value in head.to_json().items() if name != "certain"}
    assert Head.load(fields, head.to_arrays()).certain == 0


def test_only_a_head_without_certainty_may_have_a_label_uncertain() -> None:
    labels = ("uncertain", "b", "c")
    assert replace(a_head(), labels=labels).labels == labels
    with pytest.raises(ValueError, match="cannot have a label 'uncertain'"):
        replace(a_head(), labels=labels, certain=0.5)


def test_a_head_pickles_for_workers() -> None:
    head = a_head()
    back = pickle.loads(pickle.dumps(head))
    assert np.array_equal(back.probabilities(some_vectors(3)), head.probabilities(some_vectors(3)))


HOSTILE_JSON: list[tuple[str, Any]] = [
    ("kind", "neural"),
    ("kind", None),
    ("labels", "abc"),
    ("labels", ["a", "b"]),
    ("labels", ["a", "a", "b"]),
    ("labels", ["a", "", "b"]),
    ("labels", ["a", 2, "b"]),
    ("labels", ["a", "unknown", "b"]),
    ("labels", []),
    ("labels", {"a": 1}),
    ("temperature", 0),
    ("temperature", -1.0),
    ("temperature", math.nan),
    ("temperature", math.inf),
    ("temperature", "1.0"),
    ("temperature", True),
    ("temperature", 10**400),
    ("temperature", None),
    ("threshold", math.nan),
    ("threshold", math.inf),
    ("threshold", [0.5]),
    ("certain", -0.1),
    ("certain", 1.1),
    ("certain", math.nan),
    ("certain", "0.5"),
    ("certain", True),
    ("certain", None),
]


@pytest.mark.parametrize(("field", "value"), HOSTILE_JSON)
def test_hostile_fields_are_refused_with_a_sentence(field: str, value: Any) -> None:
    head = a_head()
    with pytest.raises(ValueError, match="head"):
        Head.load(head.to_json() | {field: value}, head.to_arrays())


HOSTILE_ARRAYS: list[tuple[str, npt.NDArray[Any]]] = [
    ("weights", np.zeros((3, 8))),
    ("weights", np.zeros((3, 0), dtype=np.float32)),
    ("weights", np.zeros(24, dtype=np.float32)),
    ("weights", np.zeros((4, 8), dtype=np.float32)),
    ("weights", np.full((3, 8), np.inf, dtype=np.float32)),
    ("weights", np.array(["x"] * 24).reshape(3, 8)),
    ("weights", np.zeros((), dtype=np.float32)),
    ("bias", np.zeros((3, 1), dtype=np.float32)),
    ("bias", np.full(3, np.nan, dtype=np.float32)),
    ("bias", np.zeros(3, dtype=np.int64)),
    ("centres", np.zeros((3, 8), dtype=np.float32)),
    ("centres", np.ones((3, 9), dtype=np.float32)),
    ("centres", np.full((3, 8), np.nan, dtype=np.float32)),
    ("centres", np.array([[None] * 8] * 3, dtype=object)),
]


@pytest.mark.parametrize(("name", "array"), HOSTILE_ARRAYS)
def test_hostile_arrays_are_refused_with_a_sentence(name: str, array: npt.NDArray[Any]) -> None:
    head = a_head()
    with pytest.raises(ValueError, match=r"head('s|s)?"):
        Head.load(head.to_json(), head.to_arrays() | {name: array})


@pytest.mark.parametrize("missing", ["kind", "labels", "temperature", "threshold", "weights", "bias", "centres"])
def test_a_missing_part_is_named(missing: str) -> None:
    head = a_head()
    fields = {name: value for name, value in head.to_json().items() if name != missing}
    arrays = {name: value for name, value in head.to_arrays().items() if name != missing}
    with pytest.raises(ValueError, match=missing):
        Head.load(fields, arrays)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_loaded(kind: str) -> None:
    assert through_files(replace(a_head(), kind=kind)).kind == kind


def test_using_a_head_imports_no_trainer() -> None:
    code = (
        "import sys, mien.models.head, mien.pipeline.classify;"
        "sys.exit(', '.join({'sklearn', 'scipy', 'torch'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
