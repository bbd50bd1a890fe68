"""The benchmark of cleaning plants what it says, and counts what was found of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from mien.curate.verdicts import Verdict, write_verdicts
from tests.store.trees import contents, harvest, plant

TREE = {f"{name}/{name}_{n}.jpg": f"{name}{n}".encode() for name in ("Ana", "Bo", "Cy") for n in range(10)}


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "curation_clean.py"
    spec = importlib.util.spec_from_file_location("curation_clean", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_share_of_the_photos_lies_in_a_wrong_folder_afterwards(benchmark: ModuleType, tmp_path: Path) -> None:
    photos = plant(tmp_path / "photos", TREE)
    moved = benchmark.planted(photos, 0.1, 7)
    assert len(moved) == 3
    assert contents(photos).keys() == set(TREE.values())
    for key, right in moved.items():
        assert harvest(photos)[key].decode()[:-1] == right
        assert not key.startswith(right)
        assert right not in key
    again = plant(tmp_path / "again", TREE)
    assert benchmark.planted(again, 0.1, 7) == moved


def test_the_closed_set_becomes_folders_by_split(benchmark: ModuleType, tmp_path: Path) -> None:
    identity = plant(tmp_path / "identity", {f"lfw/{key}": data for key, data in TREE.items()})
    rows = [f"{key},{key.split('/')[0]},{'test' if '_9' in key else 'train'}" for key in TREE]
    (identity / "lfw_closed_set.csv").write_text("\n".join(["path,person,split", *rows]))
    benchmark.laid_out(identity, tmp_path / "photos")
    assert len(list((tmp_path / "photos" / "train").glob("*/*.jpg"))) == 27
    assert len(list((tmp_path / "photos" / "test").glob("*/*.jpg"))) == 3


def test_what_verdicts_hit_is_counted_by_what_they_do(benchmark: ModuleType, tmp_path: Path) -> None:
    moved = {"Ana/m0.jpg": "Bo", "Ana/m1.jpg": "Bo", "Cy/m2.jpg": "Ana", "Cy/m3.jpg": "Ana"}
    verdicts = [
        Verdict("Ana/m0.jpg", "Ana", "move", "Bo"),
        Verdict("Ana/m1.jpg", "Ana", "move", "Cy"),
        Verdict("Cy/m2.jpg", "Cy", "drop"),
        Verdict("Cy/m3.jpg", "Cy", "keep"),
        Verdict("Bo/1.jpg", "Bo", "drop"),
        Verdict("Bo/2.jpg", "Bo", "keep"),
    ]
    (tmp_path / "v.csv").write_bytes(write_verdicts(verdicts))
    assert benchmark.hits(tmp_path / "v.csv", moved) == {"planted": 4, "back": 1, "dropped": 1, "others": 1}
    assert benchmark.hits(benchmark.written(tmp_path / "known.csv", moved), moved)["back"] == 4
