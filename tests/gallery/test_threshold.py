"""The threshold: from the gallery itself where there are people, from the embedder's own where there are few."""

from __future__ import annotations

import numpy as np
import pytest

from mien.errors import DataError
from mien.gallery.search import ExactSearch, template, unit
from mien.gallery.threshold import MAX_PEOPLE, Threshold, calibrate, check_rate, cosine_to_distance, sample_people
from mien.types import Floats

OWN = 0.41
DIM, FEW = 128, 12


def crowd(count: int, seed: int = 0) -> Floats:
    """Directions of people as dlib's network gives them: near a common middle, apart along few directions."""
    random = np.random.default_rng(seed)
    middle = np.ones(DIM) / np.sqrt(DIM)
    people = middle + random.normal(0, 0.5 / np.sqrt(FEW), (count, FEW)) @ np.eye(FEW, DIM)
    return unit(people.astype(np.float32))


def photos(people: Floats, each: int, seed: int = 1) -> Floats:
    """Photos (people, each, d) of them."""
    noise = np.random.default_rng(seed).normal(0, 0.2 / np.sqrt(DIM), (len(people), each, DIM))
    return unit((people[:, None] + noise).astype(np.float32))


def settled(people: Floats, each: int = 3, rate: float = 0.01, own: float = OWN) -> Threshold:
    taken = photos(people, each)
    ids = np.arange(len(people)) + 1
    search = ExactSearch(ids, np.stack([template(some) for some in taken]))
    return calibrate(np.repeat(ids, each), taken.reshape(-1, DIM), search, own, rate)


def test_one_person_with_one_photo_has_the_embedders_threshold() -> None:
    assert settled(crowd(1), each=1).distance == pytest.approx(OWN, abs=1e-3)


def test_with_more_people_a_stranger_must_be_liker() -> None:
    distances = [settled(crowd(count)).distance for count in (1, 2, 5)]
    assert distances == sorted(distances, reverse=True)


def test_a_lower_rate_is_stricter() -> None:
    for count in (1, 5, 50):
        cosines = [settled(crowd(count), rate=rate).cosine for rate in (0.1, 0.01, 0.001, 1e-6)]
        assert cosines == sorted(cosines)
        assert cosines[-1] <= 1


@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_about_the_stated_share_of_strangers_is_let_in(rate: float) -> None:
    everyone = crowd(4150)
    people, strangers = everyone[:150], everyone[150:]
    threshold = settled(people, rate=rate)
    templates = np.stack([template(some) for some in photos(people, 3)])
    let_in = ((photos(strangers, 1, 2)[:, 0] @ templates.T).max(axis=1) >= threshold.cosine).mean()
    assert rate / 5 < let_in < rate * 2
    own = photos(people, 1, 3)[:, 0]
    assert ((own * templates).sum(axis=1) >= threshold.cosine).mean() > 0.99


def test_the_embedders_threshold_counts_less_the_more_people_there_are() -> None:
    apart = [settled(crowd(count), own=1.2).cosine - settled(crowd(count), own=0.41).cosine for count in (2, 20, 200)]
    assert abs(apart[0]) > abs(apart[1]) > abs(apart[2])


def test_somebody_with_many_photos_weighs_no_more_than_others() -> None:
    people = crowd(30)
    taken = photos(people, 3)
    ids = np.arange(30)
    search = ExactSearch(ids, np.stack([template(some) for some in taken]))
    owners, vectors = np.repeat(ids, 3), taken.reshape(-1, DIM)
    once = calibrate(owners, vectors, search, OWN, 0.01)
    first = owners == 0
    often = calibrate(
        np.concatenate([owners, *[owners[first]] * 50]),
        np.concatenate([vectors, *[vectors[first]] * 50]),
        search,
        OWN,
        0.01,
    )
    assert often.cosine == pytest.approx(once.cosine, abs=1e-4)


@pytest.mark.parametrize("count", [5, 30])
def test_one_person_under_two_names_makes_nobody_unknown(count: int) -> None:
    people = crowd(count)
    twice = np.concatenate([people, people[:4]])
    assert settled(twice).cosine == pytest.approx(settled(people).cosine, abs=0.01)


def test_those_who_play_the_stranger_stay_the_same_while_others_come() -> None:
    ids = np.arange(5000)
    some = set(sample_people(ids).tolist())
    assert len(some) == MAX_PEOPLE
    assert len(some - set(sample_people(np.arange(5005)).tolist())) <= 5
    assert sample_people(ids[:10]).tolist() == list(range(10))


@pytest.mark.parametrize("rate", [0.0, 0.5, -1.0, float("nan")])
def test_a_rate_that_means_nothing_is_refused(rate: float) -> None:
    with pytest.raises(DataError, match=r"use one between 0 and 0.5"):
        check_rate(rate)


def test_a_cosine_is_a_distance() -> None:
    assert cosine_to_distance(1.0000001) == 0
    assert cosine_to_distance(1 - OWN**2 / 2) == pytest.approx(OWN)
