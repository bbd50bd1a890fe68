"""The one way in which every runner calls a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import DataError, StageError
from mien.stage import Needs, Stage, apply
from mien.types import Origin, PhotoRef, Reason, Rejected

Result = PhotoRef | Rejected


@dataclass(frozen=True)
class Each:
    """A stage of one function for each item."""

    does: Callable[[PhotoRef], Iterable[Result]]
    name: str = "each"
    batch_size: int = 4
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[PhotoRef], /) -> Iterable[Result]:
        assert batch, "a stage is never called without work"
        for item in batch:
            yield from self.does(item)


def ref(key: str) -> PhotoRef:
    return PhotoRef(Origin(key), data=key.encode())


def reject(item: PhotoRef, reason: Reason = Reason.EMPTY) -> Rejected:
    return Rejected(item.origin, "each", reason)


def same(item: PhotoRef) -> list[Result]:
    return [item]


def fails_on_b(item: PhotoRef) -> list[Result]:
    if item.key == "b":
        raise RuntimeError("no b please")
    return [item]


def test_what_the_stage_makes_comes_back() -> None:
    stage: Stage[PhotoRef, PhotoRef] = Each(same)
    assert [item.key for item in apply(stage, [ref("a"), ref("b")])] == ["a", "b"]


def test_one_item_may_become_several_of_its_key() -> None:
    assert len(apply(Each(lambda item: [item, item]), [ref("a")])) == 2


def test_what_was_rejected_earlier_passes_by_in_its_place() -> None:
    early = Rejected(Origin("z"), "decode", Reason.MISSING)
    assert apply(Each(same), [ref("a"), early, ref("b")]) == [ref("a"), early, ref("b")]


@pytest.mark.parametrize("batch", [[], [Rejected(Origin("z"), "decode", Reason.MISSING)]])
def test_a_stage_without_work_is_not_called(batch: list[Result]) -> None:
    assert apply(Each(same), batch) == batch


def test_an_unforeseen_failure_stops_and_names_stage_and_photos() -> None:
    with pytest.raises(StageError, match=r"stage each failed on a, b, c and 1 more: RuntimeError: no b please") as info:
        apply(Each(fails_on_b), [ref(key) for key in "abcd"])
    assert isinstance(info.value.__cause__, RuntimeError)


def test_going_on_costs_only_the_item_that_failed() -> None:
    made = apply(Each(fails_on_b), [ref(key) for key in "abc"], keep_going=True)
    assert [(item.key, isinstance(item, Rejected)) for item in made] == [("a", False), ("b", True), ("c", False)]
    (lost,) = [item for item in made if isinstance(item, Rejected)]
    assert (lost.stage, lost.reason, lost.detail) == ("each", Reason.ERROR, "RuntimeError: no b please")


def test_an_error_for_the_user_is_not_wrapped_even_when_going_on() -> None:
    def refuses(item: PhotoRef) -> list[Result]:
        raise DataError("the table is broken")

    for keep_going in (False, True):
        with pytest.raises(DataError, match="the table is broken"):
            apply(Each(refuses), [ref("a")], keep_going)


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (lambda _: [], "stage each lost a, b: this is a bug of that stage"),
        (lambda item: [item, ref("x")], "stage each invented x: this is a bug"),
        (lambda item: [ref(item.key + "!")], "stage each lost a, b"),
    ],
)
@pytest.mark.parametrize("keep_going", [False, True])
def test_a_stage_that_loses_or_invents_a_photo_is_found_out(
    does: Callable[[PhotoRef], Iterable[Result]], says: str, keep_going: bool
) -> None:
    with pytest.raises(StageError, match=says):
        apply(Each(does), [ref("a"), ref("b")], keep_going)


@given(st.lists(st.sampled_from(["keep", "double", "reject", "raise", "early"]), max_size=12), st.integers(1, 5))
def test_keys_in_are_keys_out_and_the_batch_size_changes_nothing(fates: list[str], size: int) -> None:
    def act(item: PhotoRef) -> list[Result]:
        fate = item.key.split("-")[1]
        if fate == "raise":
            raise RuntimeError(item.key)
        kept: dict[str, list[Result]] = {"keep": [item], "double": [item, item], "reject": [reject(item)]}
        return kept[fate]

    items: list[Result] = [
        reject(ref(f"{i}-early")) if fate == "early" else ref(f"{i}-{fate}") for i, fate in enumerate(fates)
    ]
    whole = apply(Each(act), items, keep_going=True)
    parts = [out for i in range(0, len(items), size) for out in apply(Each(act), items[i : i + size], keep_going=True)]
    assert sorted(map(repr, whole)) == sorted(map(repr, parts))
    assert {item.key for item in whole} == {item.key for item in items}


def test_a_stage_asks_for_one_core_unless_it_says_otherwise() -> None:
    assert (Needs().cpus, Needs().gpus) == (1.0, 0.0)
