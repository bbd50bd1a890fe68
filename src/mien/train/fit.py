"""What every recipe gives back, so that whoever runs one need not know which; knows no recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy.typing as npt

from mien.models.head import Scorer
from mien.train.head import HeldOut
from mien.train.unknown import Unknown
from mien.types import Ints


class Answering(Scorer, Protocol):
    """A head or a network, and what a bundle keeps of it."""

    @property
    def kind(self) -> str: ...

    def to_json(self) -> dict[str, Any]: ...

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]: ...


class Fit(Protocol):
    """What was learnt, and all that is known about how good it is.

    counts: photos of each label. seen: numbers of the rows that it was made from. held_out: its answers for photos that
    it had not seen. parts: the files of its network by name; none for a head.
    """

    @property
    def head(self) -> Answering: ...

    @property
    def counts(self) -> Mapping[str, int]: ...

    @property
    def seen(self) -> Ints: ...

    @property
    def held_out(self) -> HeldOut: ...

    @property
    def unknown(self) -> Unknown: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    @property
    def parts(self) -> Mapping[str, bytes]: ...

    def as_json(self) -> dict[str, Any]: ...
