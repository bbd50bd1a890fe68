"""The benchmarks of curate, on data small enough for a test."""

from __future__ import annotations

import builtins
import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mien.curation.duplicates import duplicate_findings
from mien.curation.features import ImageFeatures
from mien.curation.findings import DROP, KEEP, Finding, Kind
from mien.curation.identity import identity_findings
from mien.curation.verdicts import Verdict, write_verdicts
from mien.data import photos as photos_in
from mien.images import decode, encode
from mien.types import Origin, PhotoRef
from tests.curation.samples import album, other_photos
from tests.store.trees import contents, harvest, plant

# The benchmarks of single photos and of masks spoil, sort and count what they say.


BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def _load(name: str) -> ModuleType:
    """A benchmark as a module; `benchmarks` and its modules are on the path of imports until the tests end."""
    if name in sys.modules:
        return sys.modules[name]
    if str(BENCHMARKS) not in sys.path:
        sys.path.append(str(BENCHMARKS))
    return importlib.import_module(name)


@pytest.fixture
def photos() -> ModuleType:
    return _load("curation_photos")


@pytest.fixture
def masks() -> ModuleType:
    return _load("curation_masks")


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
    telling = [_face(masks, masks.WITH_MASK, moved=rng.normal(0, 0.01), told=masked) for _ in range(20)]
    telling += [_face(masks, masks.WITHOUT_MASK, moved=rng.normal(0.2, 0.01), told=bare) for _ in range(20)]
    same = [_face(masks, face.label, moved=rng.normal(0, 0.01), told=masked) for face in telling]  # type: ignore[attr-defined]
    assert masks.by_places(telling) > 0.95
    assert masks.by_places(same) < 0.8
    assert (masks.by_trait(telling), masks.by_trait(same)) == (1.0, 0.5)
    assert masks.within(telling, masks.WITH_MASK) == 1


def test_the_trait_is_measured_on_photos_that_it_has_not_seen(masks: ModuleType) -> None:
    wrong = _face(masks, masks.WITH_MASK, moved=0, told=(0, 1, 0), fresh=False)
    right = [
        _face(masks, masks.WITH_MASK, moved=0, told=(1, 0, 0)),
        _face(masks, masks.WITHOUT_MASK, moved=0, told=(0, 1, 0)),
    ]
    assert masks.by_trait([wrong, *right]) == 1
    slipped = _face(masks, masks.WITH_MASK, moved=0, told=(0, 0, 1))
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
    shown = [_shown(f"w{i}", masks.WITH_MASK, bare if i == 0 else worn) for i in range(9)]
    shown += [_shown(f"n{i}", masks.WITHOUT_MASK, bare) for i in range(3)] + [_shown("n3", masks.WITHOUT_MASK, None)]
    found = masks.expected(shown, [PhotoRef(one.origin) for one in shown])
    assert found["recall"] == 0.75
    assert found["precision"] == pytest.approx(0.075 / (0.075 + 0.1))
    assert found["no face found, without"] == 0.25


# The benchmark of copies plants what it says, and counts what was found of it.


@pytest.fixture
def copies() -> ModuleType:
    return _load("curation_copies")


@pytest.fixture(scope="module")
def refs() -> list[PhotoRef]:
    return [PhotoRef(Origin(f"{i}.png"), data=encode(each, "png")) for i, each in enumerate(other_photos(12))]


def test_every_change_is_planted_and_found(copies: ModuleType, refs: list[PhotoRef]) -> None:
    every = list(copies.shown(refs))
    for change in copies.CHANGES.values():
        copied = copies.planted(refs[:5], change)
        assert [each.key for each in copied] == [f"{i}.png#" for i in range(5)]
        assert copies.told(every, copied, set()) == copies.Told(1.0, 0.0)


def test_changes_do_what_they_are_called(copies: ModuleType, hopper: bytes) -> None:
    whole = decode(hopper, max_megapixels=1).pixels
    changed = {name: decode(made(whole), max_megapixels=5).pixels for name, made in copies.CHANGES.items()}
    height, width = whole.shape[:2]
    assert changed["half the size"].shape[:2] == (height // 2, width // 2)
    assert changed["cropped by 5 %, all around"].shape[:2] == (pytest.approx(0.95 * height, abs=1), 486)
    assert changed["cropped by 5 % at each side"].shape[:2] == (pytest.approx(0.9 * height, abs=1), 460)
    assert np.abs(changed["mirrored"][:, ::-1].astype(int) - whole).mean() < 3
    assert changed["brighter by 15 %"].mean() > 1.08 * whole.mean()


def test_pairs_that_are_one_already_are_neither_missed_nor_false(copies: ModuleType, refs: list[PhotoRef]) -> None:
    twin = PhotoRef(Origin("twin.png"), data=refs[0].data)
    every = list(copies.shown([*refs, twin]))
    copied = copies.planted([refs[0], twin], copies.CHANGES["mirrored"])
    known = copies.pairs(duplicate_findings(every))
    assert known == {("twin.png", "0.png")}
    assert copies.told(every, copied, known) == copies.Told(1.0, 0.0)
    false = copies.told(every, copied, set())
    assert false.false > 0


def test_the_benchmark_takes_the_photos_that_there_are(copies: ModuleType, data: Path) -> None:
    (found, some, every), (cut, faces, _) = copies.bases(data, 7)
    assert (found, cut, len(some), len(faces)) == ("found", "cut", 7, 7)
    assert len({Path(ref.key).parent for ref in some}) == 7
    assert len(every) > len(photos_in([data / "identity" / "lfw"]))


# The benchmark of wrong labels plants, pastes, follows and counts what it says.


@pytest.fixture
def labels() -> ModuleType:
    return _load("curation_labels")


def test_a_share_of_the_photos_gets_another_label(labels: ModuleType) -> None:
    photos = album(10, 6)
    made, right = labels.planted(photos, 0.1, 3)
    changed = {a.key: a.origin.label for a, b in zip(photos, made, strict=True) if a.origin.label != b.origin.label}
    assert changed == right
    assert len(right) == 6
    assert labels.planted(photos, 0.1, 3)[1] == right
    assert labels.planted(photos, 0.1, 4)[1] != right


def test_what_is_planted_is_found_and_what_is_followed_puts_it_right(labels: ModuleType) -> None:
    photos = album(10, 6)
    made, right = labels.planted(photos, 0.05, 3)
    found = identity_findings(made)
    told = labels.score(found, Kind.WRONG_PERSON, right)
    assert (told["recall"], told["precision"], told["proposed"]) == (1, 1, 1)
    assert [each.origin for each in labels.acted(made, found)] == [each.origin for each in photos]


def test_only_what_changes_a_label_counts_as_found(labels: ModuleType) -> None:
    def one(path: str, proposed: str, confidence: float) -> Finding:
        return Finding(Kind.LABEL_SUSPECT, path, "a", proposed, confidence, "")

    right = {"1": "b", "2": "b", "3": "c", "4": "c"}
    findings = [one("1", "b", 0.9), one("2", "c", 0.8), one("3", KEEP, 0.4), one("9", DROP, 0.7)]
    told = labels.score(findings, Kind.LABEL_SUSPECT, right)
    assert (told["recall"], told["precision"], told["proposed"]) == (0.5, 2 / 3, 0.5)
    assert (told["first"], told["listed"]) == (0.03, 4)


def test_every_tenth_person_is_filed_under_two_names(labels: ModuleType) -> None:
    made, chosen = labels.halved(album(20, 6), 0)
    names = [each.origin.label for each in made]
    assert len(chosen) == 2
    assert all(names.count(label) == names.count(f"{label} 2") == 3 for label in chosen)
    assert labels.doubles(album(20, 6), 0) == {"recall": 1, "precision": 1}


def test_two_people_stand_side_by_side_in_the_folder_of_one(labels: ModuleType, album: Path) -> None:
    files = sorted((album / "photos").glob("*/*"))
    refs = [PhotoRef(Origin(str(file), file.parent.name), file) for file in files]
    pasted = labels.beside(refs, 0, count=3)
    assert len(pasted) == 3
    for ref, side in pasted:
        pixels = decode(ref.data, max_megapixels=50).pixels
        own = [file for file in files if file.parent.name == ref.origin.label]
        halves = [decode(file.read_bytes(), max_megapixels=50).pixels for file in own]
        assert any(_ends_with(pixels, half, side) for half in halves)


def _ends_with(pixels: np.ndarray[Any, Any], half: np.ndarray[Any, Any], side: int) -> bool:
    height, width = min(len(pixels), len(half)), half.shape[1]
    part = pixels[:height, -width:] if side else pixels[:height, :width]
    return np.array_equal(part, half[:height])


def test_without_cleanlab_the_comparison_is_left_out_with_a_sentence(
    labels: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("cleanlab"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert labels.cleanlab_first(album(3, 6), {}, 0) is None
    assert "not installed" in labels._rivals(None)


def test_a_head_is_better_for_labels_put_right(labels: ModuleType) -> None:
    task = labels.Task("", Kind.WRONG_PERSON, 0.2)
    found: Mapping[str, float] = labels.trained(album(6, 10), task, identity_findings, 0)
    assert set(found) == {"right", "wrong", "clean"}
    assert found["clean"] >= found["wrong"]


# The benchmark of cleaning plants what it says, and counts what was found of it.


TREE = {f"{name}/{name}_{n}.jpg": f"{name}{n}".encode() for name in ("Ana", "Bo", "Cy") for n in range(10)}


@pytest.fixture
def cleaning() -> ModuleType:
    return _load("curation_clean")


def test_a_share_of_the_photos_lies_in_a_wrong_folder_afterwards(cleaning: ModuleType, tmp_path: Path) -> None:
    photos = plant(tmp_path / "photos", TREE)
    moved = cleaning.planted(photos, 0.1, 7)
    assert len(moved) == 3
    assert contents(photos).keys() == set(TREE.values())
    for key, right in moved.items():
        assert harvest(photos)[key].decode()[:-1] == right
        assert not key.startswith(right)
        assert right not in key
    again = plant(tmp_path / "again", TREE)
    assert cleaning.planted(again, 0.1, 7) == moved


def test_the_closed_set_becomes_folders_by_split(cleaning: ModuleType, tmp_path: Path) -> None:
    identity = plant(tmp_path / "identity", {f"lfw/{key}": data for key, data in TREE.items()})
    rows = [f"{key},{key.split('/')[0]},{'test' if '_9' in key else 'train'}" for key in TREE]
    (identity / "lfw_closed_set.csv").write_text("\n".join(["path,person,split", *rows]))
    cleaning.laid_out(identity, tmp_path / "photos")
    assert len(list((tmp_path / "photos" / "train").glob("*/*.jpg"))) == 27
    assert len(list((tmp_path / "photos" / "test").glob("*/*.jpg"))) == 3


def test_what_verdicts_hit_is_counted_by_what_they_do(cleaning: ModuleType, tmp_path: Path) -> None:
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
    assert cleaning.hits(tmp_path / "v.csv", moved) == {
        "planted": 4,
        "back": 1,
        "dropped": 1,
        "others": 1,
    }
    assert cleaning.hits(cleaning.written(tmp_path / "known.csv", moved), moved)["back"] == 4
