"""The benchmark of copies plants what it says, and counts what was found of it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mien.data import photos
from mien.images import decode, encode
from mien.types import Origin, PhotoRef
from tests.curate.albums import other_photos


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "curation_copies.py"
    spec = importlib.util.spec_from_file_location("curation_copies", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def refs() -> list[PhotoRef]:
    return [PhotoRef(Origin(f"{i}.png"), data=encode(each, "png")) for i, each in enumerate(other_photos(12))]


def test_every_change_is_planted_and_found(benchmark: ModuleType, refs: list[PhotoRef]) -> None:
    every = list(benchmark.shown(refs))
    for change in benchmark.CHANGES.values():
        copied = benchmark.planted(refs[:5], change)
        assert [each.key for each in copied] == [f"{i}.png#" for i in range(5)]
        assert benchmark.told(every, copied, set()) == benchmark.Told(1.0, 0.0)


def test_changes_do_what_they_are_called(benchmark: ModuleType, hopper: bytes) -> None:
    whole = decode(hopper, max_megapixels=1).pixels
    changed = {name: decode(made(whole), max_megapixels=5).pixels for name, made in benchmark.CHANGES.items()}
    height, width = whole.shape[:2]
    assert changed["half the size"].shape[:2] == (height // 2, width // 2)
    assert changed["cropped by 5 %, all around"].shape[:2] == (pytest.approx(0.95 * height, abs=1), 486)
    assert changed["cropped by 5 % at each side"].shape[:2] == (pytest.approx(0.9 * height, abs=1), 460)
    assert np.abs(changed["mirrored"][:, ::-1].astype(int) - whole).mean() < 3
    assert changed["brighter by 15 %"].mean() > 1.08 * whole.mean()


def test_pairs_that_are_one_already_are_neither_missed_nor_false(benchmark: ModuleType, refs: list[PhotoRef]) -> None:
    twin = PhotoRef(Origin("twin.png"), data=refs[0].data)
    every = list(benchmark.shown([*refs, twin]))
    copied = benchmark.planted([refs[0], twin], benchmark.CHANGES["mirrored"])
    known = benchmark.pairs(benchmark.copies(every))
    assert known == {("twin.png", "0.png")}
    assert benchmark.told(every, copied, known) == benchmark.Told(1.0, 0.0)
    false = benchmark.told(every, copied, set())
    assert false.false > 0


def test_the_benchmark_takes_the_photos_that_there_are(benchmark: ModuleType, data: Path) -> None:
    (found, some, every), (cut, faces, _) = benchmark.bases(data, 7)
    assert (found, cut, len(some), len(faces)) == ("found", "cut", 7, 7)
    assert len({Path(ref.key).parent for ref in some}) == 7
    assert len(every) > len(photos([data / "identity" / "lfw"]))
