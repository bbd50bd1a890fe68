"""Policies, read from TOML: which methods are applied, how often and how strongly.

The policies that ship are in `policies/`; users write files of the same form.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, cast, get_args

from mien.augmentation import ENGINES
from mien.errors import DataError, UnknownName
from mien.types import Pixels

if TYPE_CHECKING:
    import torch

Fill = Literal["reflect", "edge"]
_KEYS = ("method", "range", "probability")
_MAX_STEPS = 64

GEOMETRY = frozenset({"scale", "flip", "translate", "rotate", "shear", "zoom"})
"""The methods that move pixels; they are applied together, as one warp."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method: what its range measures, its limits, the value that changes nothing, and a typical range.

    A method without a range, which is applied or not, has no limits.
    """

    about: str
    limits: tuple[float, float] | None = None
    neutral: float = 0.0
    typical: tuple[float, float] = (0.0, 0.0)

    def strongest(self, low: float, high: float) -> float:
        """The end of a range that changes more; the upper one if both change the same."""
        return low if abs(low - self.neutral) - abs(high - self.neutral) > 1e-9 else high


METHODS: Mapping[str, Method] = {
    "resize": Method("reduced to this share of its side, and enlarged again", (0.05, 1), 1, (0.3, 0.6)),
    "scale": Method("scaled by this factor", (0.1, 4), 1, (0.8, 1.2)),
    "flip": Method("mirrored left to right"),
    "translate": Method("moved by this share of its side, horizontally and vertically", (-1, 1), 0, (-0.1, 0.1)),
    "rotate": Method("rotated by this many degrees", (-180, 180), 0, (-20, 20)),
    "noise": Method("noise of this standard deviation, in grey levels of 0 to 255", (0, 128), 0, (10, 25)),
    "brightness": Method("made brighter or darker by this factor", (0, 4), 1, (0.6, 1.5)),
    "contrast": Method("differences from its mean multiplied by this factor", (0, 4), 1, (0.5, 1.7)),
    "shear": Method("sheared by this share of its height", (-1, 1), 0, (-0.2, 0.2)),
    "zoom": Method("stretched by this factor, horizontally and vertically", (0.1, 4), 1, (0.7, 1.4)),
    "erasing": Method("a rectangle filled in, each side this share of the picture's", (0, 1), 0, (0.2, 0.4)),
    "grey": Method("turned to grey"),
    "blur": Method("Gaussian blur of this share of its side", (0, 0.1), 0, (0.01, 0.02)),
    "jpeg": Method("saved as a JPEG of this quality", (1, 100), 100, (8, 30)),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One method, applied with `probability`, by a uniform random amount between `low` and `high`."""

    method: str
    low: float = 0.0
    high: float = 0.0
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Policy:
    """The steps that make a variant of a face, in order; those that move pixels come first, as one warp.

    fill: what is shown beyond the edges of the picture: its mirror image, or its last pixels repeated.
    """

    name: str
    about: str = ""
    fill: Fill = "reflect"
    steps: tuple[Step, ...] = ()

    def ensure_installed(self) -> None:
        """Load the code that applies it, so that a missing package raises MissingExtra before any work is done."""
        ENGINES.load("pixels")

    def apply(self, batch: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
        """A batch (n, c, h, w), float32 in 0..255, one or three channels -> a new one, on the same device.

        Each row depends on its own pixels and seed only: not on its place, its batch, or the number of threads.

        Raises:
            MissingExtra: torch is not installed.
        """
        return cast("torch.Tensor", ENGINES.load("tensors")(self, batch, seeds))

    def variants(self, face: Pixels, seeds: Sequence[int]) -> Pixels:
        """A face (h, w, 3) or (h, w) -> one variant for each seed, (n, h, w, 3) or (n, h, w); raises as `apply`."""
        return cast(Pixels, ENGINES.load("pixels")(self, face, seeds))

    def as_json(self) -> dict[str, Any]:
        """All of it, to compare policies."""
        return asdict(self)


def policy_names() -> list[str]:
    """The policies that ship."""
    return sorted(file.name.removesuffix(".toml") for file in _shipped().iterdir() if file.name.endswith(".toml"))


def load_policy(name: str) -> Policy:
    """The name of a policy that ships, or the path of a TOML file -> policy.

    Raises:
        UnknownName: no policy of that name.
        DataError: the file cannot be read or is not a policy; the message names file and step, and what is allowed.
    """
    if name in policy_names():
        return parse((_shipped() / f"{name}.toml").read_text("utf-8"), name, f"{name}.toml")
    path = Path(name)
    if path.suffix != ".toml":
        there = ", ".join(policy_names())
        raise UnknownName(f"there is no policy called {name!r} (there are: {there}; or a .toml file)")
    try:
        return parse(path.read_text("utf-8"), path.stem, str(path))
    except OSError as error:
        raise DataError(f"the policy {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"the policy {path} is not text in UTF-8") from error


def parse(text: str, name: str, where: str) -> Policy:
    """TOML -> policy; `where` is the name of the file in messages; raises DataError as `load_policy` does."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{where} is not TOML: {error}") from error
    _check_keys(table, ("about", "fill", "step"), where)
    about, fill, steps = table.get("about", ""), table.get("fill", "reflect"), table.get("step", [])
    if not isinstance(about, str):
        raise DataError(f"{where}: 'about' must be a text")
    if fill not in get_args(Fill):
        raise DataError(f"{where}: 'fill' is {fill!r}: use {' or '.join(get_args(Fill))}")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise DataError(f"{where}: write each step under a line [[step]]")
    if len(steps) > _MAX_STEPS:
        raise DataError(f"{where} has {len(steps)} steps: {_MAX_STEPS} at most are possible")
    parsed = tuple(_step(step, f"{where}, step {number}") for number, step in enumerate(steps, 1))
    return Policy(name, about, fill, parsed)


def _step(table: Mapping[str, object], where: str) -> Step:
    _check_keys(table, _KEYS, where)
    method = table.get("method")
    if method not in METHODS:
        raise DataError(f"{where}: there is no method {method!r} (there are: {', '.join(METHODS)})")
    assert isinstance(method, str)
    where = f"{where} ({method})"
    probability = table.get("probability", 1)
    if not _is_number(probability) or not 0 <= probability <= 1:
        raise DataError(f"{where}: 'probability' is {probability!r}: use a number from 0 to 1")
    limits = METHODS[method].limits
    if limits is None:
        if "range" in table:
            raise DataError(f"{where}: it is applied or not, and takes no 'range'")
        return Step(method, probability=float(probability))
    least, most = limits
    match table.get("range"):
        case [low, high] if _is_number(low) and _is_number(high) and least <= low <= high <= most:
            return Step(method, float(low), float(high), float(probability))
        case value:
            given = "is missing" if value is None else f"is {value!r}"
            raise DataError(f"{where}: 'range' {given}: use [low, high] from {least:g} to {most:g}")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_keys(table: Mapping[str, object], keys: Iterable[str], where: str) -> None:
    if unknown := sorted(table.keys() - set(keys)):
        raise DataError(f"{where}: {unknown[0]!r} is unknown (there are: {', '.join(keys)})")


def _shipped() -> Any:
    return files("mien.augmentation") / "policies"
