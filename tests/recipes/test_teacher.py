"""An earlier version of the traits teaches the next: by its probabilities, at its own size."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mien.models import builtin_traits, ensure
from recipes.traits.faces import LABELS
from recipes.traits.teacher import Teacher


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The traits that are shipped, with a network that takes pixels, as all had at first."""
    for trait in LABELS:
        shutil.copytree(builtin_traits.FOLDER / f"{trait}.mien", tmp_path / f"{trait}.mien")
    (tmp_path / "traits.onnx").write_bytes(ensure("traits").read_bytes())
    return tmp_path


def test_a_teacher_gives_probabilities_for_crops_of_any_size(folder: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    said = Teacher(folder)(crops)
    assert {trait: found.shape for trait, found in said.items()} == {t: (3, len(names)) for t, names in LABELS.items()}
    assert all(np.allclose(found.sum(axis=1), 1, atol=1e-5) for found in said.values())


def test_a_folder_without_traits_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no earlier traits"):
        Teacher(tmp_path)
