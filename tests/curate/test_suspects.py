"""Photos with doubted labels: what is proposed, whom they are compared with, and who is left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mien.curate.finding import KEEP, Finding, Kind
from mien.curate.shown import ImageFeatures
from mien.curate.suspects import suspects
from mien.types import Floats
from tests.curate.shows import shown, unit

LABELS = ("angry", "happy", "sad")


def _photos(n: int = 60, apart: float = 1.8, seed: int = 0) -> list[ImageFeatures]:
    """n photos of each label, told apart by the vectors `traits` and not by the others."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, 16)) * apart
    made = []
    for i in range(3 * n):
        looks = np.asarray(rng.normal(size=(1, 16)) + centres[i % 3], np.float32)
        person = np.asarray(rng.normal(size=(1, 16)), np.float32)
        made.append(shown(f"{i:03d}.jpg", LABELS[i % 3], {"dlib-resnet": unit(person), "traits": unit(looks)}))
    return made


def _labelled(photo: ImageFeatures, label: str | None) -> ImageFeatures:
    return replace(photo, origin=replace(photo.origin, label=label))


def _surely(found: list[Finding]) -> dict[str | None, str]:
    return {one.path: one.proposed for one in found if one.proposed != KEEP}


def test_wrong_labels_are_found_and_the_right_ones_proposed() -> None:
    photos = _photos()
    wrong = {0: "sad", 31: "angry", 50: "happy", 91: "sad"}
    found = suspects([_labelled(photo, wrong.get(i, photo.origin.label)) for i, photo in enumerate(photos)])
    assert _surely(found) == {photos[i].key: photos[i].origin.label for i in wrong}
    assert all(one.kind is Kind.LABEL_SUSPECT for one in found)
    assert [one.confidence for one in found] == sorted((one.confidence for one in found), reverse=True)
    one = found[0]
    assert one.other is not None
    assert {photo.key: photo.origin.label for photo in photos}[one.other] == one.proposed
    assert one.detail.startswith(f"looks like {one.proposed} (")
    assert f"rather than {one.label} (" in one.detail


def test_what_is_likelier_right_than_wrong_is_to_be_kept() -> None:
    found = suspects(_photos(200, apart=0.25))
    assert all(0.15 <= one.confidence <= 1 for one in found)
    assert all((one.proposed == KEEP) == (one.confidence < 0.5) for one in found)


def test_copies_that_are_left_out_vouch_for_nobody() -> None:
    photos = _photos()
    copies = [replace(photos[0], origin=replace(photos[0].origin, uri=f"copy-{i}.jpg", label="sad")) for i in range(20)]
    planted = [_labelled(photos[0], "sad"), *photos[1:], *copies]
    found = suspects(planted, excluded=frozenset(copy.key for copy in copies))
    assert _surely(found) == {"000.jpg": "angry"}


def test_photos_of_one_group_are_not_judged_by_each_other() -> None:
    photos = _photos()
    burst = [
        replace(photos[0], origin=replace(photos[0].origin, uri=f"b{i}.jpg", label="sad", group="burst"))
        for i in range(4)
    ]
    found = _surely(suspects([*photos[1:], *burst]))
    assert found == {f"b{i}.jpg": "angry" for i in range(4)}


def test_groups_are_set_aside_where_each_label_is_one() -> None:
    photos = [replace(photo, origin=replace(photo.origin, group=photo.origin.label)) for photo in _photos()]
    photos[0] = _labelled(photos[0], "sad")
    assert _surely(suspects(photos)) == {"000.jpg": "angry"}


def test_small_classes_strangers_and_photos_without_a_face_are_left_alone() -> None:
    photos = _photos()
    vectors = dict(photos[0].vectors)
    nothing: dict[str, Floats] = {name: np.full((1, 16), np.nan, np.float32) for name in vectors}
    none: dict[str, Floats] = {name: np.empty((0, 16), np.float32) for name in vectors}
    odd = [
        *(shown(f"few-{i}.jpg", "rare", vectors) for i in range(5)),
        shown("u.jpg", "unknown", vectors),
        shown("n.jpg", None, vectors),
        shown("l.jpg", "sad", nothing),
        shown("e.jpg", "sad", none),
    ]
    keys = {photo.key for photo in odd}
    assert not keys & {one.path for one in suspects([*photos, *odd])}


def test_one_label_or_none_gives_nothing_to_doubt() -> None:
    assert suspects([]) == []
    assert suspects([_labelled(photo, "one") for photo in _photos(5)]) == []
    assert suspects(_photos(3)) == []


def test_one_kind_of_vectors_is_enough() -> None:
    photos = [replace(photo, vectors={"traits": photo.vectors["traits"]}) for photo in _photos()]
    photos[0] = _labelled(photos[0], "sad")
    assert _surely(suspects(photos)) == {"000.jpg": "angry"}
