"""The benchmarks of single photos and of masks spoil, sort and count what they say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mien.curate.finding import Kind
from mien.curate.shown import ImageFeatures
from mien.types import Origin, PhotoRef

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def _loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)  # its dataclasses look there for their annotations
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def photos(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return _loaded("curation_photos", monkeypatch)


@pytest.fixture
def masks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return _loaded("curation_masks", monkeypatch)


def test_what_is_planted_in_a_real_photo_is_found(photos: ModuleType, album: Path, models_home: Path) -> None:
    assert models_home.is_dir()
    file = sorted((album / "photos").glob("*/*"))[0]
    refs = [PhotoRef(Origin("a.jpg", "a"), file)]
    shown, before = photos.kinds(refs, "find")
    assert before == [set()]
    good = list(zip(refs, shown, strict=True))
    for planted in photos.PLANTED:
        (spoilt,) = photos.spoilt(good, planted.damage)
        assert spoilt.data != file.read_bytes()
        assert next(iter(photos.spoilt(good, planted.damage))).data == spoilt.data
    expected = {Kind.BLURRED: photos.blurred(0.06), Kind.DARK: photos.lit(0.3), Kind.SMALL: photos.shrunk(24)}
    for kind, damage in expected.items():
        assert kind in photos.kinds(list(photos.spoilt(good, damage)), "find")[1][0]


def test_shares_are_of_all_photos(photos: ModuleType) -> None:
    found = photos.shares([{Kind.DARK, Kind.SMALL}, set(), {Kind.DARK}, set()])
    assert found == {"dark": 0.5, "small": 0.25, "any": 0.5}


def _face(
    masks: ModuleType, label: str, *, moved: float, told: tuple[float, float, float], fresh: bool = True
) -> object:
    places = np.full((5, 2), 0.5, np.float32) + np.float32(moved)
    return masks.Told(label, 0.99, places, np.array(told, np.float32), fresh)


def test_positions_that_tell_are_learnt_and_others_are_not(masks: ModuleType) -> None:
    rng = np.random.default_rng(0)
    masked, bare = (0.9, 0.05, 0.05), (0.0, 1.0, 0.0)
    telling = [_face(masks, masks.WORN, moved=rng.normal(0, 0.01), told=masked) for _ in range(20)]
    telling += [_face(masks, masks.NONE, moved=rng.normal(0.2, 0.01), told=bare) for _ in range(20)]
    same = [_face(masks, face.label, moved=rng.normal(0, 0.01), told=masked) for face in telling]  # type: ignore[attr-defined]
    assert masks.by_places(telling) > 0.95
    assert masks.by_places(same) < 0.8
    assert (masks.by_trait(telling), masks.by_trait(same)) == (1.0, 0.5)
    assert masks.within(telling, masks.WORN) == 1


def test_the_trait_is_measured_on_photos_that_it_has_not_seen(masks: ModuleType) -> None:
    wrong = _face(masks, masks.WORN, moved=0, told=(0, 1, 0), fresh=False)
    right = [_face(masks, masks.WORN, moved=0, told=(1, 0, 0)), _face(masks, masks.NONE, moved=0, told=(0, 1, 0))]
    assert masks.by_trait([wrong, *right]) == 1
    slipped = _face(masks, masks.WORN, moved=0, told=(0, 0, 1))
    assert masks.by_trait([slipped, right[1]]) == 1  # a mask, where nobody says how it is worn


def _shown(name: str, label: str, told: tuple[float, float, float] | None) -> ImageFeatures:
    count = int(told is not None)
    return ImageFeatures(
        Origin(name, label),
        digest=b"",
        width=100,
        height=100,
        thumb=np.zeros((64, 64), np.uint8),
        colour=np.zeros(0, np.float32),
        boxes=np.tile(np.array([[10, 10, 90, 90]], np.float32), (count, 1)),
        scores=np.ones(count, np.float32),
        landmarks=None,
        quality={"side": np.full(count, 80, np.float32)},
        vectors={},
        traits={"mask": np.array([told] if told else np.zeros((0, 3)), np.float32)},
    )


def test_precision_is_what_it_would_be_with_one_bare_face_in_ten(masks: ModuleType) -> None:
    bare, worn = (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)
    shown = [_shown(f"w{i}", masks.WORN, bare if i == 0 else worn) for i in range(9)]
    shown += [_shown(f"n{i}", masks.NONE, bare) for i in range(3)] + [_shown("n3", masks.NONE, None)]
    found = masks.expected(shown, [PhotoRef(one.origin) for one in shown])
    assert found["recall"] == 0.75
    assert found["precision"] == pytest.approx(0.075 / (0.075 + 0.1))
    assert found["no face found, without"] == 0.25
