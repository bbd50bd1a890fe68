"""What the benchmark of kills calls broken is somebody with too few photos, or with a template of other ones."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, text

from mien.gallery.gallery import Gallery
from tests.gallery.samples import SPEC, face_samples, vectors

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_only_whoever_is_there_by_half_is_broken(sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    broken = import_module("kills").broken
    for name in ("kills", "serve"):
        monkeypatch.delitem(sys.modules, name)
    with Gallery(str(sqlite)) as gallery:
        for person in range(3):
            gallery.enroll(f"person {person}", face_samples(person, 2), SPEC)
        assert broken(gallery) == 0
        gallery.enroll("half", face_samples(7, 1), SPEC)
        assert broken(gallery) == 1
        engine = create_engine(f"sqlite:///{sqlite}")
        with engine.begin() as connection:
            other = np.asarray(vectors(9, 1)[0], "<f4").tobytes()
            connection.execute(text("UPDATE people SET template = :t WHERE name = 'person 1'"), {"t": other})
        engine.dispose()
        assert broken(gallery) == 2
