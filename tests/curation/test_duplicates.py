"""Copies: which photos are one, which of them is kept, and what their labels and splits say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mien.curation import duplicates as module
from mien.curation.duplicates import candidate_pairs, duplicate_findings, duplicate_groups, near
from mien.curation.features import THUMB, ImageFeatures, grey_thumbnail
from mien.curation.findings import DROP, KEEP, Finding, Kind
from mien.images import decode
from mien.types import Floats, Pixels
from tests.curation.samples import compressed, other_photos, pixel_photo, resized

# Of photos that are one, one is kept; two labels and two sides of a split are told.


@pytest.fixture(scope="module")
def face(hopper: bytes) -> Pixels:
    return resized(decode(hopper, max_megapixels=1).pixels, 250, 300)


@pytest.fixture(scope="module")
def smaller(face: Pixels) -> Pixels:
    return compressed(resized(face, 150, 180))


def by_kind(findings: Sequence[Finding], kind: Kind) -> dict[str | None, tuple[str, str | None]]:
    chosen = [each for each in findings if each.kind is kind]
    assert len({each.path for each in chosen}) == len(chosen)
    return {each.path: (each.proposed, each.other) for each in chosen}


def test_the_best_is_kept_and_the_others_point_to_it(face: Pixels, smaller: Pixels) -> None:
    findings = duplicate_findings(
        [pixel_photo("a/1", smaller, "a"), pixel_photo("a/2", face, "a"), pixel_photo("a/3", face, "a")]
    )
    assert by_kind(findings, Kind.COPY) == {"a/3": (DROP, "a/2")}
    assert by_kind(findings, Kind.NEAR_COPY) == {"a/1": (DROP, "a/2")}
    assert len(findings) == 2
    assert {each.label for each in findings} == {"a"}


def test_a_photo_under_two_labels_is_kept_under_both_until_somebody_says(face: Pixels, smaller: Pixels) -> None:
    findings = duplicate_findings([pixel_photo("a/1", face, "a"), pixel_photo("b/1", smaller, "b")])
    assert by_kind(findings, Kind.NEAR_COPY) == {"b/1": (KEEP, "a/1")}
    assert by_kind(findings, Kind.LABEL_SUSPECT) == {"a/1": (KEEP, "b/1"), "b/1": (KEEP, "a/1")}
    details = {each.detail for each in findings if each.kind is Kind.LABEL_SUSPECT}
    assert details == {"the same photo is labelled a and b"}
    assert all(each.confidence <= 0.5 for each in findings if each.kind is Kind.LABEL_SUSPECT)


def test_where_most_copies_agree_on_a_label_the_others_go(face: Pixels, smaller: Pixels) -> None:
    photos = [pixel_photo("b/1", face, "b"), pixel_photo("a/1", smaller, "a"), pixel_photo("a/2", smaller, "a")]
    findings = duplicate_findings(photos)
    assert by_kind(findings, Kind.NEAR_COPY) == {"b/1": (DROP, "a/1")}
    assert by_kind(findings, Kind.COPY) == {"a/2": (DROP, "a/1")}
    suspects = by_kind(findings, Kind.LABEL_SUSPECT)
    assert suspects == {"b/1": (DROP, "a/1"), "a/1": (KEEP, "b/1"), "a/2": (DROP, "b/1")}
    sure = {each.path: each.confidence for each in findings if each.kind is Kind.LABEL_SUSPECT}
    assert sure["b/1"] > 0.6 > 0.4 > sure["a/1"]


def test_copies_under_a_label_that_nobody_outvotes_point_to_the_best_of_their_own(face: Pixels) -> None:
    photos = [pixel_photo(key, face, key[0]) for key in ("a/1", "b/1", "a/2", "b/2")]
    found = by_kind(duplicate_findings(photos), Kind.COPY)
    assert found == {"b/1": (KEEP, "a/1"), "a/2": (DROP, "a/1"), "b/2": (DROP, "b/1")}


def test_a_photo_without_a_label_contradicts_none(face: Pixels) -> None:
    findings = duplicate_findings([pixel_photo("x", face), pixel_photo("a/1", face, "a")])
    assert by_kind(findings, Kind.LABEL_SUSPECT) == {}
    assert by_kind(findings, Kind.COPY) == {"x": (DROP, "a/1")}
    assert by_kind(duplicate_findings([pixel_photo("x", face), pixel_photo("y", face)]), Kind.COPY) == {
        "y": (DROP, "x")
    }


def test_a_copy_on_the_other_side_of_a_split_leaks(face: Pixels, smaller: Pixels) -> None:
    findings = duplicate_findings(
        [
            pixel_photo("train/1", face, "a", "train"),
            pixel_photo("train/2", smaller, "a", "train"),
            pixel_photo("test/1", smaller, "a", "test"),
            pixel_photo("loose", smaller, "a"),
        ]
    )
    assert by_kind(findings, Kind.LEAK) == {"test/1": (DROP, "train/1")}
    (leak,) = [each for each in findings if each.kind is Kind.LEAK]
    assert leak.detail == "this photo is in test, and a copy of it is in train"
    assert len(by_kind(findings, Kind.COPY) | by_kind(findings, Kind.NEAR_COPY)) == 3


def test_a_leak_is_seen_past_a_best_photo_without_a_split(face: Pixels, smaller: Pixels) -> None:
    findings = duplicate_findings(
        [pixel_photo("1", face), pixel_photo("2", smaller, None, "train"), pixel_photo("3", smaller[2:], None, "test")]
    )
    (leak,) = by_kind(findings, Kind.LEAK).items()
    assert {leak[0], leak[1][1]} == {"2", "3"}


def test_a_group_on_both_sides_of_a_split_leaks_once() -> None:
    pixels = other_photos(7)
    sides = ("train", "train", "test", "train", "test", None, "train")
    groups = ("p", "p", "p", "q", "r", "p", None)
    photos = [
        pixel_photo(f"{i}", each, None, side, group=group)
        for i, (each, side, group) in enumerate(zip(pixels, sides, groups, strict=True))
    ]
    (leak,) = duplicate_findings(photos)
    assert (leak.kind, leak.path, leak.proposed, leak.other) == (Kind.LEAK, "2", KEEP, "0")
    assert leak.detail == "p is on more than one side of the split: 2 photos in train and 1 photo in test"


def test_of_nothing_nothing_is_found() -> None:
    assert duplicate_findings([]) == []
    assert duplicate_findings([pixel_photo(f"{i}", each) for i, each in enumerate(other_photos(20))]) == []


def test_the_order_of_the_photos_changes_no_answer(face: Pixels, smaller: Pixels) -> None:
    photos = [
        pixel_photo("1", face),
        pixel_photo("2", smaller),
        *(pixel_photo(f"o{i}", each) for i, each in enumerate(other_photos(9))),
    ]
    draw = np.random.default_rng(3)
    for _ in range(3):
        mixed = [photos[i] for i in draw.permutation(len(photos))]
        assert by_kind(duplicate_findings(mixed), Kind.NEAR_COPY) == {"2": (DROP, "1")}


# Photos that are one come together round the best of them, and others do not.


@pytest.fixture(scope="module")
def face_twins(hopper: bytes) -> Pixels:
    return resized(decode(hopper, max_megapixels=1).pixels, 250, 300)


def crowd(count: int = 12) -> list[ImageFeatures]:
    return [pixel_photo(f"other/{i}", each) for i, each in enumerate(other_photos(count))]


def test_every_kind_of_copy_is_found_and_the_largest_is_the_best(face_twins: Pixels) -> None:
    height, width = face_twins.shape[:2]
    changed = {
        "half": compressed(resized(face_twins, 125, 150)),
        "coarse": compressed(face_twins, 40),
        "cropped": compressed(face_twins[8 : height - 8, 6 : width - 6]),
        "corner": compressed(face_twins[15:, 12:]),
        "mirrored": compressed(face_twins[:, ::-1]),
        "light": compressed(np.clip(face_twins * 1.15, 0, 255).astype(np.uint8)),
        "all": compressed(resized(face_twins[8 : height - 8, width - 6 : 6 : -1], 120, 150), 40),
    }
    every = [*crowd(), *(pixel_photo(key, pixels) for key, pixels in changed.items()), pixel_photo("whole", face_twins)]
    (lot,) = duplicate_groups(every)
    assert every[lot.best].key in ("whole", "coarse", "mirrored", "light")
    assert {every[copy.place].key for copy in lot.copies} | {every[lot.best].key} == {*changed, "whole"}
    assert not any(copy.exact for copy in lot.copies)
    assert all(0.8 < copy.confidence <= 1 for copy in lot.copies)


def test_what_became_of_a_copy_is_told_in_words(face_twins: Pixels) -> None:
    cut = compressed(face_twins[15:285, 12:238][:, ::-1])
    every = [pixel_photo("cut", cut), *crowd(), pixel_photo("whole", face_twins)]
    (lot,) = duplicate_groups(every)
    (copy,) = lot.copies
    cropped = "a mirrored copy of whole, cropped to 90% of its width and 90% of its height"
    assert copy.detail == f"{cropped}, at 226x270 pixels instead of 250x300"


def test_the_same_bytes_and_the_same_picture_are_exact(face_twins: Pixels) -> None:
    every = [
        pixel_photo("a", face_twins, data=b"1"),
        pixel_photo("b", face_twins, data=b"1"),
        pixel_photo("c", face_twins, data=b"2"),
        pixel_photo("d", compressed(resized(face_twins, 200, 240)), data=b"3"),
        pixel_photo("e", compressed(resized(face_twins, 200, 240)), data=b"3"),
        *crowd(),
    ]
    (lot,) = duplicate_groups(every)
    assert every[lot.best].key == "a"
    told = {every[copy.place].key: (copy.exact, copy.detail) for copy in lot.copies}
    assert told["b"] == (True, "the same file as a")
    assert told["c"] == (True, "the same picture as a")
    assert told["d"][0] is False
    assert told["e"][0] is True
    assert told["e"][1].startswith("the same file as d, a copy of a, at 200x240")


def test_of_equally_large_photos_the_sharpest_is_the_best_and_then_the_first(face_twins: Pixels) -> None:
    dull, sharp, faceless = (
        pixel_photo(key, face_twins, sharpness=value) for key, value in (("d", 1), ("s", 9), ("f", None))
    )
    assert next(duplicate_groups([dull, faceless, sharp])).best == 2
    assert next(duplicate_groups([faceless, pixel_photo("g", face_twins)])).best == 0


def test_blank_photos_are_one_only_where_they_are_the_same() -> None:
    blank = [pixel_photo(f"{level}", np.full((80, 80, 3), level, np.uint8)) for level in (0, 0, 9, 200)]
    (lot,) = duplicate_groups(blank)
    assert (lot.best, [copy.place for copy in lot.copies]) == (0, [1])


def test_different_photos_are_not_one(face_twins: Pixels, astronaut: bytes) -> None:
    other = decode(astronaut, max_megapixels=1).pixels
    assert list(duplicate_groups([pixel_photo("h", face_twins), pixel_photo("a", other), *crowd(30)])) == []
    assert list(duplicate_groups([])) == []
    assert list(duplicate_groups([pixel_photo("h", face_twins)])) == []


def test_a_photo_stretched_to_another_shape_is_a_copy(face_twins: Pixels) -> None:
    (lot,) = duplicate_groups(
        [pixel_photo("a", face_twins, "x"), pixel_photo("b", resized(face_twins, 160, 160), "x"), *crowd()]
    )
    assert [copy.place for copy in lot.copies] == [1]


def test_another_cut_of_a_shot_is_a_fault_only_under_another_label_or_split(face_twins: Pixels) -> None:
    cut = resized(face_twins[:, 20:230], 250, 300)
    whole = pixel_photo("whole", face_twins, "x", "train")
    assert list(duplicate_groups([whole, pixel_photo("cut", cut, "x", "train"), *crowd()])) == []
    for label, split in (("y", "train"), ("x", "test")):
        (lot,) = duplicate_groups([whole, pixel_photo("cut", cut, label, split), *crowd()])
        assert [copy.place for copy in lot.copies] == [1]


def of(folder: Path) -> list[ImageFeatures]:
    return [
        pixel_photo(str(path.relative_to(folder)), decode(path.read_bytes(), max_megapixels=1).pixels, path.parent.name)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    ]


def test_ten_photos_of_a_person_are_not_one(data: Path) -> None:
    every = of(data / "identity" / "orl")
    assert len(list(duplicate_groups(every))) <= 0.005 * len(every)


def test_a_photo_that_stands_in_two_splits_of_a_real_collection_is_found(data: Path) -> None:
    every = of(data / "identity" / "celeb5")
    (lot,) = duplicate_groups(every)
    sides = {every[place].key.split("/")[0] for place in (lot.best, *(copy.place for copy in lot.copies))}
    assert sides == {"train", "val"}


# Copies look alike at a coarse glance, mirrored or cropped; blank pictures look like nothing.


def test_each_copy_is_paired_with_its_photo() -> None:
    photos = other_photos(40)
    crops = [each[4:, 2:] for each in photos[:20]]
    mirrored = [each[:, ::-1] for each in photos[20:]]
    found = candidate_pairs(np.stack([grey_thumbnail(each) for each in (*photos, *crops, *mirrored)]))
    paired = set(zip(found.first.tolist(), found.second.tolist(), found.mirrored.tolist(), strict=True))
    assert {(i, 40 + i, i >= 20) for i in range(40)} <= paired
    assert len(paired) < 60
    assert (found.first < found.second).all()
    assert not found.place.any()


def test_blank_pictures_are_left_out() -> None:
    blank = [np.full((THUMB, THUMB), level, np.uint8) for level in (0, 1, 128, 255)]
    pictures = np.stack([*blank, *(grey_thumbnail(each) for each in other_photos(3))])
    found = candidate_pairs(pictures)
    assert not np.isin([*found.first, *found.second], range(4)).any()


def test_few_pictures_or_none_can_be_looked_at() -> None:
    for count in (0, 1):
        assert (
            len(
                candidate_pairs(
                    np.array([grey_thumbnail(each) for each in other_photos(count)], np.uint8).reshape(-1, 64, 64)
                )
            )
            == 0
        )


# Near rows are those that a plain comparison of all finds, however many there are.


def vectors(count: int, seed: int = 0) -> Floats:
    made = np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("cells", [1, 1000, 1 << 23])
def test_all_near_rows_are_found_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    monkeypatch.setattr(module, "_CELLS", cells)
    table = vectors(50)
    rows, columns = near(table, table, 0.5, 50)
    similar = table @ table.T
    np.fill_diagonal(similar, -1)
    wanted = set(zip(*(each.tolist() for each in np.nonzero(similar >= 0.5)), strict=True))
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == wanted
    assert len(rows) == len(wanted)


def test_of_many_the_nearest_are_given() -> None:
    queries, table = vectors(20, 1), vectors(60, 2)
    rows, columns = near(queries, table, -0.5, 4)
    similar = queries @ table.T
    similar[np.arange(20), np.arange(20)] = -2
    for row in range(20):
        assert set(columns[rows == row]) == set(np.argsort(-similar[row])[:4])


def test_nothing_is_near_nothing() -> None:
    empty = np.empty((0, 5), np.float32)
    for queries, table in ((empty, empty), (vectors(3), empty), (empty, vectors(3)), (vectors(1), vectors(1))):
        rows, columns = near(queries, table, 0.0, 3)
        assert len(rows) == len(columns) == 0
