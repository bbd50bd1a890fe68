"""The views: how a face is cut, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from typing import Any, Literal

from mien import models
from mien.errors import DataError, UnknownName
from mien.validate import from_dict

Points = Literal["dlib-5", "dlib-68", "detector", "none"]
Fit = Literal["similarity", "affine", "box"]

LANDMARK_WEIGHTS = {"dlib-5": "dlib-landmarks-5", "dlib-68": "dlib-landmarks-68"}
"""Points -> the weights of the model that finds them."""

FALLBACK_POINTS: Points = "dlib-5"
"""In place of the detector's landmarks, where it gives none."""


@dataclass(frozen=True, slots=True)
class View:
    """A way to cut a face.

    points: the landmark model. indices: which of its points are used. template: where these are in the crop, as
    fractions of its side. fit: the kind of map ("box" cuts the square around the detector's box, without landmarks).
    size: side of the crop in pixels. margin: added on each side of the box, as a fraction of its side. grey: one
    channel instead of three.
    """

    name: str
    points: Points
    fit: Fit
    size: int
    indices: tuple[int, ...] = ()
    template: tuple[tuple[float, float], ...] = ()
    margin: float = 0.0
    grey: bool = False

    @property
    def weights(self) -> tuple[str, ...]:
        """Weights of the landmark models that may be needed."""
        points = FALLBACK_POINTS if self.points == "detector" else self.points
        return () if points == "none" else (LANDMARK_WEIGHTS[points],)

    def as_json(self) -> dict[str, Any]:
        """All fields, for a bundle."""
        return asdict(self)

    @staticmethod
    def from_json(fields: Mapping[str, Any]) -> View:
        """The view in a bundle; `ValueError` where the fields are invalid."""
        view = from_dict(View, fields)
        possible, needed = _POINT_COUNTS[view.points], _FIT_COUNTS[view.fit]
        if not 8 <= view.size <= 2048 or not 0 <= view.margin <= 2:
            raise ValueError("the size or margin of its view is out of range")
        if len(view.template) != len(view.indices) or not all(0 <= index < possible for index in view.indices):
            raise ValueError("the landmarks of its view do not fit its template")
        if len(view.indices) not in needed or (view.points == "none") != (view.fit == "box"):
            raise ValueError("the landmarks of its view do not suit its fit")
        if any(abs(fraction) > _MAX_FRACTION for point in view.template for fraction in point):
            raise ValueError("the template of its view is far outside the crop")
        return view


_POINT_COUNTS: Mapping[Points, int] = {"dlib-5": 5, "dlib-68": 68, "detector": 5, "none": 0}
_FIT_COUNTS: Mapping[Fit, range] = {"similarity": range(2, 69), "affine": range(3, 4), "box": range(1)}
_MAX_FRACTION = 10


# OpenFace's mean face, in fractions of the crop's side, by the numbers of the 68 landmarks (iBUG 300-W order).
_OUTER = ((0.194157, 0.169267), (0.788859, 0.158171), (0.494951, 0.514441))
_INNER = ((0.363785, 0.177947), (0.618963, 0.172778), (0.500204, 0.750584))

OPENFACE_LANDMARKS: dict[str, tuple[tuple[int, ...], tuple[tuple[float, float], ...]]] = {
    "outerEyesAndNose": ((36, 45, 33), _OUTER),
    "innerEyesAndBottomLip": ((39, 42, 57), _INNER),
}

# ArcFace's five points in a crop of 112 pixels (Deng et al. 2019; the template of its public training code).
_ARCFACE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))


# YuNet's five points, finer on its second look, in the crop that dlib's own points cut: the median over LFW's photos,
# 3 % larger, since a similarity fitted to points that scatter comes out too small (docs/decisions/023).
_DLIB_FIVE = ((0.30238, 0.28632), (0.68232, 0.29402), (0.48811, 0.51833), (0.32663, 0.68982), (0.65359, 0.69146))
# All count twice but the tip of the nose, which moves most as a head turns.
_TWICE = (0, 1, 3, 4, 0, 1, 3, 4, 2)


def _template(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    return tuple(points[i] for i in _TWICE)


def _fer() -> tuple[tuple[float, float], ...]:
    # As dlib's mean face, two thirds of its view, lies in FER2013's photos: by the eyes found in 357 of them.
    across, down, scale, padding = 0.1477, 0.229, 0.71, 0.25
    units = [[(value + 0.5 / 150) * (1 + 2 * padding) - padding for value in point] for point in _DLIB_FIVE]
    return _template([(across + scale * x, down + scale * y) for x, y in units])


_FIVE = (0, 1, 2, 3, 4)
VIEWS = {
    "openface": View("openface", "dlib-68", "affine", 96, *OPENFACE_LANDMARKS["outerEyesAndNose"]),
    "dlib": View("dlib", "detector", "similarity", 150, _TWICE, _template(_DLIB_FIVE)),
    "arcface": View("arcface", "detector", "similarity", 112, _FIVE, tuple((x / 112, y / 112) for x, y in _ARCFACE)),
    "fer": View("fer", "detector", "similarity", 48, _TWICE, _fer()),
    "box": View("box", "none", "box", 112, margin=0.25),
}


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """Changes to a view; None leaves it as it is."""

    size: int | None = None
    landmarks: str | None = None
    margin: float | None = None
    grey: bool = False


AUTO = "auto"


def resolve_view(name: str) -> str:
    """A view's name, or "auto" -> the name: OpenFace's where dlib and its 68 landmarks may be used, else dlib's."""
    if name != AUTO:
        return name
    return "openface" if find_spec("dlib") and models.is_available(LANDMARK_WEIGHTS["dlib-68"]) else "dlib"


def view(name: str, options: ViewOptions | None = None) -> View:
    """The view of that name, with the user's changes; raises UnknownName, or DataError over an invalid option."""
    options = options or ViewOptions()
    if name not in VIEWS:
        raise UnknownName(f"there is no view called {name!r} (there are: {', '.join(VIEWS)})")
    result = VIEWS[name]
    if options.landmarks is not None:
        if name != "openface" or options.landmarks not in OPENFACE_LANDMARKS:
            raise DataError(
                f"--landmarks {options.landmarks} does not go with --view {name}: "
                f"'openface' has {' and '.join(OPENFACE_LANDMARKS)}"
            )
        indices, template = OPENFACE_LANDMARKS[options.landmarks]
        result = replace(result, indices=indices, template=template)
    if options.size is not None:
        if not 8 <= options.size <= 2048:
            raise DataError(f"a crop of {options.size} pixels is not possible: use 8 to 2048")
        result = replace(result, size=options.size)
    if options.margin is not None:
        if name != "box" or not 0 <= options.margin <= 2:
            raise DataError("--margin goes with --view box, and must be between 0 and 2")
        result = replace(result, margin=options.margin)
    return replace(result, grey=options.grey)
