"""Photos of several requests through the stages of a chain; knows stages and time, and no request.

What works on one photo at a time is done photo by photo, so that no two are in the memory decoded in full. Networks
get the faces of all photos together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mien.run.local import batches
from mien.stage import AnyStage, Needs, apply
from mien.types import Faces, PhotoRef, Reason, Rejected

_ALONE = frozenset({"decode", "detect", "whole", "limit", "align"})
_TOGETHER = 32  # crops that go through a network at once

Watch = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Limit:
    """Faces -> Faces, where they are no more than `most`."""

    most: int
    name: ClassVar[str] = "limit"
    batch_size: ClassVar[int] = 8
    needs: ClassVar[Needs] = Needs()

    def __call__(self, batch: Sequence[Faces], /) -> Iterator[Faces | Rejected]:
        for faces in batch:
            if len(faces) <= self.most:
                yield faces
            else:
                detail = f"{len(faces)} faces, over the limit of {self.most}"
                yield Rejected(faces.origin, self.name, Reason.TOO_LARGE, detail)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages of a chain, each timed: photos of several requests -> for each request its results, by key.

    watch: hears the name of a stage and how many seconds it took.
    """

    stages: tuple[AnyStage, ...]
    watch: Watch = field(default=lambda _name, _seconds: None)

    def __call__(self, requests: Sequence[Sequence[PhotoRef]]) -> list[list[Any | Rejected]]:
        alone = [stage for stage in self.stages if stage.name in _ALONE]
        together = self.stages[len(alone) :]
        items: list[Any] = []
        for refs in requests:
            for ref in refs:
                photo: list[Any] = [ref]
                for stage in alone:
                    photo = self._timed(stage, photo)
                items += photo
        for stage in together:
            items = [made for some in batches(items, _TOGETHER) for made in self._timed(stage, some)]
        found: dict[str, list[Any]] = {ref.key: [] for refs in requests for ref in refs}
        for item in items:
            found[item.key].append(item)
        return [[item for ref in refs for item in found[ref.key]] for refs in requests]

    def _timed(self, stage: AnyStage, items: list[Any]) -> list[Any]:
        start = time.perf_counter()
        try:
            return apply(stage, items, keep_going=True)
        finally:
            self.watch(stage.name, time.perf_counter() - start)


def limited(stages: Sequence[AnyStage], faces: int) -> tuple[AnyStage, ...]:
    """The stages with a limit of faces after they were found."""
    made: list[AnyStage] = []
    for stage in stages:
        made.append(stage)
        if stage.name == "detect":
            made.append(Limit(faces))
    return tuple(made)
