"""Of photos that are one, one is kept; two labels and two sides of a split are told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from mien.curate.copies import copies
from mien.curate.finding import DROP, KEEP, Finding, Kind
from mien.images import decode
from mien.types import Pixels
from tests.curate.albums import compressed, other_photos, resized, shown


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
    findings = copies([shown("a/1", smaller, "a"), shown("a/2", face, "a"), shown("a/3", face, "a")])
    assert by_kind(findings, Kind.COPY) == {"a/3": (DROP, "a/2")}
    assert by_kind(findings, Kind.NEAR_COPY) == {"a/1": (DROP, "a/2")}
    assert len(findings) == 2
    assert {each.label for each in findings} == {"a"}


def test_a_photo_under_two_labels_is_kept_under_both_until_somebody_says(face: Pixels, smaller: Pixels) -> None:
    findings = copies([shown("a/1", face, "a"), shown("b/1", smaller, "b")])
    assert by_kind(findings, Kind.NEAR_COPY) == {"b/1": (KEEP, "a/1")}
    assert by_kind(findings, Kind.LABEL_SUSPECT) == {"a/1": (KEEP, "b/1"), "b/1": (KEEP, "a/1")}
    details = {each.detail for each in findings if each.kind is Kind.LABEL_SUSPECT}
    assert details == {"the same photo stands under a and b"}
    assert all(each.confidence <= 0.5 for each in findings if each.kind is Kind.LABEL_SUSPECT)


def test_where_most_copies_agree_on_a_label_the_others_go(face: Pixels, smaller: Pixels) -> None:
    photos = [shown("b/1", face, "b"), shown("a/1", smaller, "a"), shown("a/2", smaller, "a")]
    findings = copies(photos)
    assert by_kind(findings, Kind.NEAR_COPY) == {"b/1": (DROP, "a/1")}
    assert by_kind(findings, Kind.COPY) == {"a/2": (DROP, "a/1")}
    suspects = by_kind(findings, Kind.LABEL_SUSPECT)
    assert suspects == {"b/1": (DROP, "a/1"), "a/1": (KEEP, "b/1"), "a/2": (DROP, "b/1")}
    sure = {each.path: each.confidence for each in findings if each.kind is Kind.LABEL_SUSPECT}
    assert sure["b/1"] > 0.6 > 0.4 > sure["a/1"]


def test_copies_under_a_label_that_nobody_outvotes_point_to_the_best_of_their_own(face: Pixels) -> None:
    photos = [shown(key, face, key[0]) for key in ("a/1", "b/1", "a/2", "b/2")]
    found = by_kind(copies(photos), Kind.COPY)
    assert found == {"b/1": (KEEP, "a/1"), "a/2": (DROP, "a/1"), "b/2": (DROP, "b/1")}


def test_a_photo_without_a_label_contradicts_none(face: Pixels) -> None:
    findings = copies([shown("x", face), shown("a/1", face, "a")])
    assert by_kind(findings, Kind.LABEL_SUSPECT) == {}
    assert by_kind(findings, Kind.COPY) == {"x": (DROP, "a/1")}
    assert by_kind(copies([shown("x", face), shown("y", face)]), Kind.COPY) == {"y": (DROP, "x")}


def test_a_copy_on_the_other_side_of_a_split_leaks(face: Pixels, smaller: Pixels) -> None:
    findings = copies(
        [
            shown("train/1", face, "a", "train"),
            shown("train/2", smaller, "a", "train"),
            shown("test/1", smaller, "a", "test"),
            shown("loose", smaller, "a"),
        ]
    )
    assert by_kind(findings, Kind.LEAK) == {"test/1": (DROP, "train/1")}
    (leak,) = [each for each in findings if each.kind is Kind.LEAK]
    assert leak.detail == "a copy of a photo of train stands in test"
    assert len(by_kind(findings, Kind.COPY) | by_kind(findings, Kind.NEAR_COPY)) == 3


def test_a_leak_is_seen_past_a_best_photo_without_a_split(face: Pixels, smaller: Pixels) -> None:
    findings = copies([shown("1", face), shown("2", smaller, None, "train"), shown("3", smaller[2:], None, "test")])
    (leak,) = by_kind(findings, Kind.LEAK).items()
    assert {leak[0], leak[1][1]} == {"2", "3"}


def test_a_group_on_both_sides_of_a_split_leaks_once() -> None:
    pixels = other_photos(7)
    sides = ("train", "train", "test", "train", "test", None, "train")
    groups = ("p", "p", "p", "q", "r", "p", None)
    photos = [
        shown(f"{i}", each, None, side, group=group)
        for i, (each, side, group) in enumerate(zip(pixels, sides, groups, strict=True))
    ]
    (leak,) = copies(photos)
    assert (leak.kind, leak.path, leak.proposed, leak.other) == (Kind.LEAK, "2", KEEP, "0")
    assert leak.detail == "p stands on both sides of the split: photos 2 in train and 1 in test"


def test_of_nothing_nothing_is_found() -> None:
    assert copies([]) == []
    assert copies([shown(f"{i}", each) for i, each in enumerate(other_photos(20))]) == []


def test_the_order_of_the_photos_changes_no_answer(face: Pixels, smaller: Pixels) -> None:
    photos = [shown("1", face), shown("2", smaller), *(shown(f"o{i}", each) for i, each in enumerate(other_photos(9)))]
    draw = np.random.default_rng(3)
    for _ in range(3):
        mixed = [photos[i] for i in draw.permutation(len(photos))]
        assert by_kind(copies(mixed), Kind.NEAR_COPY) == {"2": (DROP, "1")}
