"""Photos of several requests go through the stages once, and come back to whoever sent them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from mien.serve.pipeline import Limit, Pipeline, limited
from mien.stage import Needs
from mien.types import Detection, Embedding, Faces, Origin, Photo, PhotoRef, Reason, Rejected

FACE = Detection(0, (0.0, 0.0, 1.0, 1.0), 1.0)


@dataclass
class Noting:
    """A stage that notes its batches, and gives `each` results for an item, or refuses those of no bytes."""

    name: str
    each: int = 1
    batches: list[list[str]] = field(default_factory=list)
    batch_size: int = 8
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[PhotoRef | Embedding], /) -> Iterator[Embedding | Rejected]:
        self.batches.append([item.key for item in batch])
        for item in batch:
            if isinstance(item, PhotoRef) and item.data == b"":
                yield Rejected(item.origin, self.name, Reason.EMPTY)
            elif isinstance(item, PhotoRef) and item.data == b"accident":
                raise RuntimeError("an accident")
            else:
                for i in range(self.each):
                    yield Embedding(item.origin, FACE, np.array([i], np.float32))


def ref(key: str, data: bytes = b"x") -> PhotoRef:
    return PhotoRef(Origin(key), data=data)


def test_photos_come_one_by_one_and_faces_together() -> None:
    alone, together = Noting("decode", each=3), Noting("embed")
    made = Pipeline((alone, together))([[ref("a"), ref("b")], [ref("c")]])
    assert alone.batches == [["a"], ["b"], ["c"]]
    assert together.batches == [["a"] * 3 + ["b"] * 3 + ["c"] * 3]
    assert [[item.key for item in request] for request in made] == [["a"] * 3 + ["b"] * 3, ["c"] * 3]


def test_a_crowd_does_not_go_through_a_network_at_once() -> None:
    together = Noting("embed")
    Pipeline((Noting("decode", each=100), together))([[ref("a")]])
    assert [len(batch) for batch in together.batches] == [32, 32, 32, 4]


def test_what_is_rejected_keeps_its_place_and_an_accident_costs_only_its_photo() -> None:
    made = Pipeline((Noting("decode"), Noting("embed")))([[ref("a", b""), ref("b")], [ref("c", b"accident"), ref("d")]])
    kinds = [[getattr(item, "reason", None) for item in request] for request in made]
    assert kinds == [[Reason.EMPTY, None], [Reason.ERROR, None]]


def test_every_stage_is_timed() -> None:
    heard: list[str] = []
    Pipeline((Noting("decode"), Noting("embed")), lambda name, _: heard.append(name))([[ref("a"), ref("b")]])
    assert heard == ["decode", "decode", "embed"]


def test_the_limit_stands_behind_detecting() -> None:
    stages = limited([Noting("decode"), Noting("detect"), Noting("align")], 5)
    assert [stage.name for stage in stages] == ["decode", "detect", "limit", "align"]


def test_more_faces_than_the_limit_are_refused() -> None:
    photo = Photo(Origin("a"), np.zeros((4, 4, 3), np.uint8), 4, 4)
    faces = [Faces(photo, np.zeros((n, 4), np.float32), np.zeros(n, np.float32)) for n in (2, 3)]
    kept, refused = (next(iter(Limit(2)([each]))) for each in faces)
    assert kept is faces[0]
    assert isinstance(refused, Rejected)
    assert refused.detail == "3 faces, over the limit of 2"
