"""Policies: which methods, how often and how far, as frozen data out of TOML; changes no pixel itself.

The policies that ship lie in `policies/`; a user's own are files of the same form.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from mien.augment import ENGINES
from mien.augment.methods import METHODS
from mien.errors import DataError, UnknownName
from mien.types import Pixels

if TYPE_CHECKING:
    import torch

Fill = Literal["reflect", "edge"]
_KEYS = ("method", "range", "probability")
_MOST_STEPS = 64


@dataclass(frozen=True, slots=True)
class Step:
    """One method, done with `probability`, by an amount drawn evenly between `low` and `high`."""

    method: str
    low: float = 0.0
    high: float = 0.0
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What becomes of a face: its steps, in order; those that move pixels come first, as one warp.

    fill: what is seen where the picture has moved away from its edge: its mirror image, or its last pixels drawn out.
    """

    name: str
    about: str = ""
    fill: Fill = "reflect"
    steps: tuple[Step, ...] = ()

    def ready(self) -> None:
        """Load what carries it out, so that what is missing is told before any work is done.

        Raises:
            MissingExtra: torch is not installed.
        """
        ENGINES.load("pictures")

    def apply(self, batch: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
        """A batch (n, c, h, w), float32 in 0..255, one or three channels -> a new one, on the same device.

        Each row depends on its own pixels and seed only: not on its place, its batch, or the number of threads.

        Raises:
            MissingExtra: torch is not installed.
        """
        return cast("torch.Tensor", ENGINES.load("tensors")(self, batch, seeds))

    def pictures(self, face: Pixels, seeds: Sequence[int]) -> Pixels:
        """A face (h, w, 3) or (h, w) -> one variant a seed, (n, h, w, 3) or (n, h, w).

        Raises:
            MissingExtra: torch is not installed.
        """
        return cast(Pixels, ENGINES.load("pictures")(self, face, seeds))

    def as_json(self) -> dict[str, Any]:
        """All of it, so that it can be seen whether two are the same."""
        return asdict(self)


def policy_names() -> list[str]:
    """The policies that ship."""
    return sorted(file.name.removesuffix(".toml") for file in _shipped().iterdir() if file.name.endswith(".toml"))


def policy(name: str) -> Policy:
    """The name of a policy that ships, or the path of a TOML file -> policy.

    Raises:
        UnknownName: no policy of that name.
        DataError: the file cannot be read or is not a policy; the message names file and step, and what is allowed.
    """
    if name in policy_names():
        return parse((_shipped() / f"{name}.toml").read_text("utf-8"), name, f"{name}.toml")
    path = Path(name)
    if path.suffix != ".toml":
        raise UnknownName(
            f"there is no policy called {name!r} (there are: {', '.join(policy_names())}; or a .toml file)"
        )
    try:
        return parse(path.read_text("utf-8"), path.stem, str(path))
    except OSError as error:
        raise DataError(f"the policy {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"the policy {path} is not text in UTF-8") from error


def parse(text: str, name: str, where: str) -> Policy:
    """TOML -> policy; `where` is the file that messages name.

    Raises:
        DataError: as for `policy`.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{where} is not TOML: {error}") from error
    _known(table, ("about", "fill", "step"), where)
    about, fill, steps = table.get("about", ""), table.get("fill", "reflect"), table.get("step", [])
    if not isinstance(about, str):
        raise DataError(f"{where}: 'about' must be a text")
    if fill not in get_args(Fill):
        raise DataError(f"{where}: 'fill' is {fill!r}: use {' or '.join(get_args(Fill))}")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise DataError(f"{where}: write each step under a line [[step]]")
    if len(steps) > _MOST_STEPS:
        raise DataError(f"{where} has {len(steps)} steps: {_MOST_STEPS} at most are possible")
    read = tuple(_step(step, f"{where}, step {number}") for number, step in enumerate(steps, 1))
    return Policy(name, about, fill, read)


def _step(table: Mapping[str, object], where: str) -> Step:
    _known(table, _KEYS, where)
    method = table.get("method")
    if method not in METHODS:
        raise DataError(f"{where}: there is no method {method!r} (there are: {', '.join(METHODS)})")
    assert isinstance(method, str)
    where = f"{where} ({method})"
    probability = table.get("probability", 1)
    if not _is_number(probability) or not 0 <= cast(float, probability) <= 1:
        raise DataError(f"{where}: 'probability' is {probability!r}: use a number from 0 to 1")
    limits = METHODS[method].limits
    if limits is None:
        if "range" in table:
            raise DataError(f"{where}: it is done or not, and takes no 'range'")
        return Step(method, probability=float(cast(float, probability)))
    low, high = _range(table.get("range"), limits, where)
    return Step(method, low, high, float(cast(float, probability)))


def _range(value: object, limits: tuple[float, float], where: str) -> tuple[float, float]:
    least, most = limits
    ends = value if isinstance(value, list) else []
    if len(ends) == 2 and all(_is_number(end) for end in ends) and least <= ends[0] <= ends[1] <= most:
        return float(ends[0]), float(ends[1])
    given = "is missing" if value is None else f"is {value!r}"
    raise DataError(f"{where}: 'range' {given}: use [low, high] from {least:g} to {most:g}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _known(table: Mapping[str, object], keys: Iterable[str], where: str) -> None:
    if unknown := sorted(table.keys() - set(keys)):
        raise DataError(f"{where}: {unknown[0]!r} is unknown (there are: {', '.join(keys)})")


def _shipped() -> Any:
    return files("mien.augment") / "policies"
