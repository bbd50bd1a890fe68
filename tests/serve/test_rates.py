"""So many requests a minute are let through, and the rest is told when to come again."""

from __future__ import annotations

from mien.serve.rates import Rates


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_so_many_pass_and_then_none_until_time_has_passed() -> None:
    clock = Clock()
    rates = Rates(60, clock)
    assert [rates.take("a") for _ in range(60)] == [0] * 60
    assert rates.take("a") == 1
    clock.now = 1.0
    assert rates.take("a") == 0
    assert rates.take("a") == 1


def test_one_does_not_use_up_what_is_another_s() -> None:
    rates = Rates(1, Clock())
    assert (rates.take("a"), rates.take("a"), rates.take("b")) == (0, 60, 0)


def test_nobody_saves_up_more_than_a_minute_s() -> None:
    clock = Clock()
    rates = Rates(2, clock)
    clock.now = 3600.0
    assert [rates.take("a") for _ in range(3)] == [0, 0, 30]


def test_many_names_do_not_fill_the_memory() -> None:
    rates = Rates(1, Clock())
    for i in range(20_000):
        rates.take(str(i))
    assert len(rates._left) <= 10_000
