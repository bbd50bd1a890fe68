"""Built-in traits with heads of the test's own, so that what they answer is known."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.models import builtin_traits
from mien.models.head import Head
from mien.store import bundle as bundles


def answering(monkeypatch: pytest.MonkeyPatch, folder: Path, answers: dict[str, str], *, certain: float = 0.0) -> None:
    """Put the shipped bundles into `folder`, and let those traits always answer with that label."""
    where = shutil.copytree(builtin_traits.FOLDER, folder / "shipped")
    monkeypatch.setattr(builtin_traits, "FOLDER", where)
    for name, label in answers.items():
        path = where / f"{name}.mien"
        bundle = bundles.load(path)
        head = Head.load(bundle.manifest["head"], bundle.arrays)
        bias = np.where(np.array(head.labels) == label, 4.0, 0.0).astype(np.float32)
        sure = replace(head, weights=np.zeros_like(head.weights), bias=bias, temperature=1.0, certain=certain)
        bundles.save(path, {**bundle.manifest, "head": sure.to_json()}, sure.to_arrays(), {"card.md": f"# {name}\n"})
