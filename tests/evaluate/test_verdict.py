from __future__ import annotations

from dataclasses import replace

import pytest

from mien.evaluate.compare import Comparison
from mien.evaluate.trials import Measured
from mien.evaluate.verdict import best_of, chance, equals_of, verdict, worded


def measured(variant: str, accuracy: float, seconds: float = 10.0) -> Measured:
    interval = (accuracy - 0.02, accuracy + 0.02)
    return Measured(variant, accuracy, 0.01, interval, accuracy, 100, 3, seconds, 20.0, 12.0, 0.99, 0.99 - accuracy)


def pair(a: str, b: str, points: float, p: float) -> Comparison:
    return Comparison(a, b, points / 100, (0.0, points / 50), p, p < 0.05)


def test_three_variants_are_told_pair_by_pair() -> None:
    three = [measured("none", 0.80, 5.0), measured("gentle", 0.821), measured("extreme", 0.803)]
    found = [pair("gentle", "none", 2.1, 0.01), pair("gentle", "extreme", 1.8, 0.03), pair("extreme", "none", 0.3, 1.0)]
    assert verdict(three, found) == (
        "gentle beats extreme by 1.8 points (p 0.03) and none by 2.1 points (p 0.01);"
        " extreme and none cannot be told apart"
    )


def test_of_equals_the_cheapest_is_named() -> None:
    two = [measured("96", 0.81, 40.0), measured("48", 0.80, 9.0)]
    assert verdict(two, [pair("96", "48", 1.0, 0.4)]) == "96 and 48 cannot be told apart; the quickest to train is 48"


def test_of_many_variants_only_the_best_one_is_spoken_of() -> None:
    many = [measured(name, 0.7 + 0.01 * i, 10.0 - i) for i, name in enumerate("abcd")]
    pairs = [pair("d", "a", 3.0, 0.0001), pair("d", "b", 2.0, 0.2), pair("d", "c", 1.0, 0.6), pair("c", "a", 2.0, 0.01)]
    said = verdict(many, [*pairs, pair("b", "a", 1.0, 0.3), pair("c", "b", 1.0, 0.3)])
    assert said == (
        "d beats a by 3.0 points (p < 0.001); d cannot be told apart from b and c; of these, the quickest to train is d"
    )


def test_three_equals_are_one_sentence() -> None:
    three = [measured("a", 0.7, 1.0), measured("b", 0.7, 2.0), measured("c", 0.7, 3.0)]
    said = verdict(three, [pair("a", "b", 0.0, 1.0), pair("a", "c", 0.0, 1.0), pair("b", "c", 0.0, 1.0)])
    assert said == "a, b and c cannot be told apart from each other; the quickest to train is a"


def test_one_variant_is_no_verdict() -> None:
    assert verdict([measured("head", 0.9)], []) == ""


def test_the_best_of_equal_accuracy_is_the_faster_and_what_is_not_worse_is_its_equal() -> None:
    slow, fast = measured("slow", 0.9, 20.0), measured("fast", 0.9, 2.0)
    assert best_of([slow, fast]) is fast
    pairs = [pair("slow", "fast", 0.0, 1.0), pair("fast", "poor", 9.0, 0.001)]
    assert equals_of(fast, pairs) == {"slow", "fast"}
    assert equals_of(replace(fast, variant="alone"), pairs) == {"alone"}


@pytest.mark.parametrize(("p", "text"), [(0.0004, "< 0.001"), (0.004, "0.004"), (0.0312, "0.03"), (1.0, "1.00")])
def test_p_is_told_as_exactly_as_it_is_of_use(p: float, text: str) -> None:
    assert chance(p) == text


def test_numbers_are_called_what_they_count() -> None:
    both = [measured("1", 0.7), measured("16", 0.8), measured("none", 0.6)]
    said, pairs = worded("augment", both, [pair("16", "1", 10.0, 0.001)])
    assert [m.variant for m in said] == ["1 variant", "16 variants", "none"]
    assert (pairs[0].a, pairs[0].b) == ("16 variants", "1 variant")
    assert worded("size", both[:1], [])[0][0].variant == "1 px"
    assert worded("recipe", both, [])[0] == both
