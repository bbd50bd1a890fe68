"""Labels that are probably wrong, with probabilities that mean what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mien.curation.features import ImageFeatures
from mien.curation.findings import KEEP, Finding, Kind
from mien.curation.label_errors import LabelErrors, assign_folds, label_error_findings, label_errors
from mien.models import IDENTITY_EMBEDDER
from mien.types import Floats, Ints
from tests.curation.samples import unit, vector_photo

# Photos with doubted labels: what is proposed, whom they are compared with, and who is left alone.


LABELS = ("angry", "happy", "sad")


def _photos(n: int = 60, apart: float = 1.8, seed: int = 0) -> list[ImageFeatures]:
    """n photos of each label, told apart by the vectors `traits` and not by the others."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, 16)) * apart
    made = []
    for i in range(3 * n):
        looks = np.asarray(rng.normal(size=(1, 16)) + centres[i % 3], np.float32)
        person = np.asarray(rng.normal(size=(1, 16)), np.float32)
        made.append(
            vector_photo(f"{i:03d}.jpg", LABELS[i % 3], {IDENTITY_EMBEDDER: unit(person), "traits": unit(looks)})
        )
    return made


def _labelled(photo: ImageFeatures, label: str | None) -> ImageFeatures:
    return replace(photo, origin=replace(photo.origin, label=label))


def _surely(found: list[Finding]) -> dict[str | None, str]:
    return {one.path: one.proposed for one in found if one.proposed != KEEP}


def test_wrong_labels_are_found_and_the_right_ones_proposed() -> None:
    photos = _photos()
    wrong = {0: "sad", 31: "angry", 50: "happy", 91: "sad"}
    found = label_error_findings([_labelled(photo, wrong.get(i, photo.origin.label)) for i, photo in enumerate(photos)])
    assert _surely(found) == {photos[i].key: photos[i].origin.label for i in wrong}
    assert all(one.kind is Kind.LABEL_SUSPECT for one in found)
    assert [one.confidence for one in found] == sorted((one.confidence for one in found), reverse=True)
    one = found[0]
    assert one.other is not None
    assert {photo.key: photo.origin.label for photo in photos}[one.other] == one.proposed
    assert one.detail.startswith(f"looks like {one.proposed} (")
    assert f"rather than {one.label} (" in one.detail


def test_what_is_likelier_right_than_wrong_is_to_be_kept() -> None:
    found = label_error_findings(_photos(200, apart=0.25))
    assert all(0.15 <= one.confidence <= 1 for one in found)
    assert all((one.proposed == KEEP) == (one.confidence < 0.5) for one in found)


def test_copies_that_are_left_out_vouch_for_nobody() -> None:
    photos = _photos()
    copies = [replace(photos[0], origin=replace(photos[0].origin, uri=f"copy-{i}.jpg", label="sad")) for i in range(20)]
    planted = [_labelled(photos[0], "sad"), *photos[1:], *copies]
    found = label_error_findings(planted, excluded=frozenset(copy.key for copy in copies))
    assert _surely(found) == {"000.jpg": "angry"}


def test_photos_of_one_group_are_not_judged_by_each_other() -> None:
    photos = _photos()
    burst = [
        replace(photos[0], origin=replace(photos[0].origin, uri=f"b{i}.jpg", label="sad", group="burst"))
        for i in range(4)
    ]
    found = _surely(label_error_findings([*photos[1:], *burst]))
    assert found == {f"b{i}.jpg": "angry" for i in range(4)}


def test_groups_are_set_aside_where_each_label_is_one() -> None:
    photos = [replace(photo, origin=replace(photo.origin, group=photo.origin.label)) for photo in _photos()]
    photos[0] = _labelled(photos[0], "sad")
    assert _surely(label_error_findings(photos)) == {"000.jpg": "angry"}


def test_small_classes_strangers_and_photos_without_a_face_are_left_alone() -> None:
    photos = _photos()
    vectors = dict(photos[0].vectors)
    nothing: dict[str, Floats] = {name: np.full((1, 16), np.nan, np.float32) for name in vectors}
    none: dict[str, Floats] = {name: np.empty((0, 16), np.float32) for name in vectors}
    odd = [
        *(vector_photo(f"few-{i}.jpg", "rare", vectors) for i in range(5)),
        vector_photo("u.jpg", "unknown", vectors),
        vector_photo("n.jpg", None, vectors),
        vector_photo("l.jpg", "sad", nothing),
        vector_photo("e.jpg", "sad", none),
    ]
    keys = {photo.key for photo in odd}
    assert not keys & {one.path for one in label_error_findings([*photos, *odd])}


def test_one_label_or_none_gives_nothing_to_doubt() -> None:
    assert label_error_findings([]) == []
    assert label_error_findings([_labelled(photo, "one") for photo in _photos(5)]) == []
    assert label_error_findings(_photos(3)) == []


def test_one_kind_of_vectors_is_enough() -> None:
    photos = [replace(photo, vectors={"traits": photo.vectors["traits"]}) for photo in _photos()]
    photos[0] = _labelled(photos[0], "sad")
    assert _surely(label_error_findings(photos)) == {"000.jpg": "angry"}


# Labels that are doubted: the wrong ones first, with probabilities that mean what they say.


def _looks(n: int, k: int, apart: float, seed: int = 0) -> tuple[Floats, Ints]:
    """n vectors of k classes whose centres lie so far apart."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    return np.asarray(rng.normal(size=(n, 24)) + apart * rng.normal(size=(k, 24))[y], np.float32), y.astype(np.int64)


def _flipped(y: Ints, share: float, seed: int = 0) -> tuple[Ints, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    rng = np.random.default_rng(seed)
    wrong = np.zeros(len(y), bool)
    wrong[rng.choice(len(y), round(share * len(y)), replace=False)] = True
    k = int(y.max()) + 1
    return np.where(wrong, (y + rng.integers(1, k, len(y))) % k, y), wrong


def _found(
    apart: float, share: float, n: int = 1500, k: int = 4
) -> tuple[LabelErrors, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    x, y = _looks(n, k, apart)
    given, wrong = _flipped(y, share)
    return label_errors({"x": x}, given, np.arange(n)), wrong


def test_where_classes_stand_apart_all_wrong_labels_are_found() -> None:
    found, wrong = _found(1.5, 0.1)
    assert ((found.wrong > 0.5) == wrong).mean() > 0.995
    assert found.rate == pytest.approx(0.1, abs=0.02)


def test_where_no_label_is_wrong_hardly_any_is_doubted() -> None:
    found, _ = _found(1.5, 0.0)
    assert (found.wrong > 0.5).sum() <= 3
    assert found.rate < 0.02


def test_where_classes_overlap_a_doubt_is_still_a_probability() -> None:
    found, wrong = _found(0.35, 0.1, n=4000)
    order = np.argsort(-found.wrong)
    assert wrong[order[:100]].mean() > 0.4
    for few in (order[:100], order[100:300], order[1000:]):
        assert found.wrong[few].mean() == pytest.approx(wrong[few].mean(), abs=0.15)
    assert (found.wrong > 0.5).mean() < 0.1


def test_what_is_proposed_is_mostly_the_right_label() -> None:
    x, y = _looks(1500, 4, 1.0)
    given, wrong = _flipped(y, 0.1)
    found = label_errors({"x": x}, given, np.arange(1500))
    assert (found.truth.argmax(axis=1) == y)[wrong].mean() > 0.9
    np.testing.assert_allclose(found.truth.sum(axis=1), 1)


def test_the_vectors_that_tell_the_labels_apart_are_taken() -> None:
    x, y = _looks(600, 3, 1.0)
    noise = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    found = label_errors({"noise": noise, "looks": x}, y, np.arange(600))
    assert found.kind == "looks"
    assert found.accuracy > 0.9


def test_the_same_seed_gives_the_same_answer() -> None:
    x, y = _looks(300, 3, 0.5)
    one, other = (label_errors({"x": x}, y, np.arange(300), seed=4) for _ in range(2))
    np.testing.assert_array_equal(one.wrong, other.wrong)


def test_what_stays_together_is_dealt_together_and_classes_evenly() -> None:
    y = np.random.default_rng(0).integers(0, 3, 600)
    units = np.arange(600) // 4
    fold = assign_folds(y, units, 0)
    assert all(len(np.unique(fold[units == unit])) == 1 for unit in range(150))
    counts = np.array([np.bincount(y[fold == number], minlength=3) for number in range(5)])
    assert counts.min() > 0.6 * counts.mean()
    assert (assign_folds(y, units, 1) != fold).any()


def test_copies_that_are_dealt_together_do_not_vouch_for_each_other() -> None:
    x, y = _looks(600, 3, 1.2)
    given, wrong = _flipped(y, 0.1)
    twice, labels, units = np.repeat(x, 4, axis=0), np.repeat(given, 4), np.repeat(np.arange(600), 4)
    found = label_errors({"x": twice}, labels, units)
    assert (found.wrong > 0.5)[np.repeat(wrong, 4)].mean() > 0.95


def test_a_class_whose_photos_all_stay_together_is_survived() -> None:
    x, y = _looks(300, 3, 1.0)
    units = np.where(y == 0, 0, np.arange(300))
    units = np.unique(units, return_inverse=True)[1]
    assert np.isfinite(label_errors({"x": x}, y, units).wrong).all()
