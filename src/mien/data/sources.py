"""Pictures in every form that Python code has them in: paths, bytes, arrays, PIL images, and many of these."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard, Union

import numpy as np
import numpy.typing as npt

from mien.data import photos
from mien.errors import DataError
from mien.types import Origin, PhotoRef, Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

ImageSource: TypeAlias = Union[str, "os.PathLike[str]", bytes, npt.NDArray[Any], "Image"]
"""One picture: a path, its encoded bytes, an RGB array (h, w, 3) or grey array (h, w) of uint8, or a PIL image."""

ImageSources: TypeAlias = ImageSource | Iterable[ImageSource]
"""One picture, a folder, or several of these."""


def is_single(images: ImageSources) -> TypeGuard[ImageSource]:
    """Whether this is one picture, and neither a folder nor several."""
    if isinstance(images, str | os.PathLike):
        return not Path(images).is_dir()
    return isinstance(images, bytes | np.ndarray) or _is_pil(images)


def photo_refs(images: ImageSources) -> list[PhotoRef]:
    """Pictures -> photos without labels, in order, each path once.

    Pictures in memory are called `image-0`, `image-1` ... by their place among all. A path that does not exist stays in
    and is rejected when it is read.

    Raises:
        DataError: there is no picture, or one is of no form that is known.
    """
    if isinstance(images, str | os.PathLike) or is_single(images) or not isinstance(images, Iterable):
        images = [images]
    refs: dict[str, PhotoRef] = {}
    for i, image in enumerate(images):
        some = photos([Path(image)]) if isinstance(image, str | os.PathLike) else [_in_memory(image, f"image-{i}")]
        for ref in some:
            refs.setdefault(ref.key, ref)
    if not refs:
        raise DataError("no pictures were given")
    return list(refs.values())


def _in_memory(image: object, key: str) -> PhotoRef:
    if isinstance(image, bytes):
        return PhotoRef(Origin(key), data=image)
    if isinstance(image, np.ndarray):
        return PhotoRef(Origin(key), pixels=_checked(image))
    if _is_pil(image):
        from mien.images.reading import from_pil

        return PhotoRef(Origin(key), pixels=from_pil(image))
    raise DataError(f"{type(image).__name__} is no picture: give a path, bytes, an RGB array or a PIL image")


def _checked(array: npt.NDArray[Any]) -> Pixels:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or 0 in array.shape or array.shape[2:] not in ((), (3,)):
        raise DataError(
            f"an array of shape {array.shape} and type {array.dtype} is no picture: give RGB, (height, width, 3), or"
            " grey, (height, width), of type uint8"
        )
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    return np.ascontiguousarray(array)


def _is_pil(image: object) -> TypeGuard[Image]:
    return any(kind.__module__ == "PIL.Image" and kind.__name__ == "Image" for kind in type(image).__mro__)
