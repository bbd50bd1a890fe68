"""What a stage is, and the one way in which every runner calls it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from mien.errors import MienError, StageError
from mien.types import Origin, Reason, Rejected


class Item(Protocol):
    """Anything that travels: it knows where it came from."""

    @property
    def origin(self) -> Origin: ...

    @property
    def key(self) -> str: ...


In = TypeVar("In", bound=Item, contravariant=True)
Out = TypeVar("Out", bound=Item, covariant=True)
T = TypeVar("T", bound=Item)
U = TypeVar("U", bound=Item)


@dataclass(frozen=True, slots=True)
class Needs:
    """What one call of a stage takes up, in numbers, for a runner to plan with."""

    cpus: float = 1.0
    gpus: float = 0.0


class Stage(Protocol[In, Out]):
    """A batch in, a batch out, no memory between calls; runs anywhere.

    `batch_size` is a preference and never changes an answer. Each item that goes in comes out as one or more values
    of the same key, or as a `Rejected`.
    """

    @property
    def name(self) -> str: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def needs(self) -> Needs: ...

    def __call__(self, batch: Sequence[In], /) -> Iterable[Out | Rejected]: ...


AnyStage = Stage[Any, Any]


def apply(stage: Stage[T, U], batch: Sequence[T | Rejected], keep_going: bool = False) -> list[U | Rejected]:
    """Call a stage on a batch: what was rejected earlier passes by, and every key is accounted for.

    Results come in the order of the batch. With `keep_going` an unforeseen exception costs only its item.

    Raises:
        StageError: the stage raised something unforeseen (without `keep_going`), or lost or invented a key.
    """
    passed = [item for item in batch if isinstance(item, Rejected)]
    work = [item for item in batch if not isinstance(item, Rejected)]
    if not work:
        return list(passed)
    try:
        made = list(stage(work))
    except MienError:
        raise
    except Exception as error:
        if not keep_going:
            raise StageError(_failure(stage.name, work, error)) from error
        if len(work) == 1:
            detail = f"{type(error).__name__}: {error}"
            return [*passed, Rejected(work[0].origin, stage.name, Reason.ERROR, detail)]
        made = [result for item in work for result in apply(stage, [item], keep_going=True)]
    _account(stage.name, work, made)
    rank = {item.key: i for i, item in enumerate(batch)}
    return sorted([*passed, *made], key=lambda result: rank[result.key])


def _account(name: str, work: Sequence[Item], made: Sequence[Item]) -> None:
    came, left = {item.key for item in work}, {item.key for item in made}
    if came != left:
        kind, keys = ("lost", came - left) if came - left else ("invented", left - came)
        raise StageError(f"stage {name} {kind} {', '.join(sorted(keys)[:3])}: this is a bug of that stage")


def _failure(name: str, work: Sequence[Item], error: Exception) -> str:
    shown = ", ".join(item.key for item in work[:3]) + (f" and {len(work) - 3} more" if len(work) > 3 else "")
    return f"stage {name} failed on {shown}: {type(error).__name__}: {error} (--keep-going sets such photos aside)"
