"""Pictures as Python code has them: what each form becomes, what it is called, and what is refused."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mien.data.sources import is_single, photo_refs
from mien.errors import DataError

Lay = Callable[..., Path]

RGB = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
GREY = RGB[..., 0]


def keys(images: Any) -> list[str]:
    return [ref.key for ref in photo_refs(images)]


def pixels(images: Any) -> np.ndarray[Any, Any]:
    (ref,) = photo_refs(images)
    assert (ref.path, ref.data) == (None, None)
    assert ref.pixels is not None
    assert ref.pixels.flags.c_contiguous
    return ref.pixels


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_is_a_photo_that_is_called_as_typed(
    kind: Callable[[str], str | Path], lay: Lay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lay("b/1.jpg"))
    (ref,) = photo_refs(kind("b/1.jpg"))
    assert (ref.key, ref.path, ref.data, ref.pixels) == ("b/1.jpg", Path("b/1.jpg"), None, None)
    assert ref.origin.label is ref.origin.split is None


@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_gives_all_photos_below_it_in_order(kind: Callable[[Path], str | Path], lay: Lay) -> None:
    root = lay("b/2.jpg", "a.png", "notes.txt", ".hidden.jpg")
    assert keys(kind(root)) == [(root / "a.png").as_posix(), (root / "b/2.jpg").as_posix()]


def test_a_missing_file_stays_to_be_rejected_when_it_is_read(tmp_path: Path) -> None:
    (ref,) = photo_refs(tmp_path / "gone.jpg")
    assert ref.path == tmp_path / "gone.jpg"


def test_a_folder_without_photos_is_named(lay: Lay) -> None:
    root = lay("notes.txt")
    with pytest.raises(DataError, match=f"there are no photos in {root}"):
        photo_refs(root)


def test_bytes_are_kept_as_they_are_and_not_decoded() -> None:
    (ref,) = photo_refs(b"no picture")
    assert (ref.key, ref.path, ref.data, ref.pixels) == ("image-0", None, b"no picture", None)


def test_an_array_is_rgb_or_grey() -> None:
    assert np.array_equal(pixels(RGB), RGB)
    assert np.array_equal(pixels(RGB[:, ::-1]), RGB[:, ::-1])  # whose memory is in another order
    assert np.array_equal(pixels(GREY), np.stack([GREY] * 3, axis=2))


@pytest.mark.parametrize(
    "array",
    [
        RGB.astype(np.float32),
        RGB.astype(np.int64),
        RGB[0, 0],
        RGB[None],
        np.zeros((4, 6, 1), np.uint8),
        np.zeros((4, 6, 4), np.uint8),
        np.zeros((0, 6, 3), np.uint8),
        np.zeros((4, 0), np.uint8),
        np.array(7, np.uint8),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_an_array_of_another_shape_or_type_is_refused_with_both_named(array: np.ndarray[Any, Any]) -> None:
    with pytest.raises(DataError) as caught:
        photo_refs(array)
    assert str(caught.value) == (
        f"an array of shape {array.shape} and type {array.dtype} is no picture: give RGB, (height, width, 3), or grey,"
        " (height, width), of type uint8"
    )


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK"])
def test_a_pil_image_of_any_mode_becomes_rgb(mode: str) -> None:
    image = Image.new("RGB", (6, 4), (255, 255, 255)).convert(mode)
    assert np.array_equal(pixels(image), np.full((4, 6, 3), 255))


def test_a_pil_image_that_was_opened_is_turned_upright() -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(RGB).save(file, "PNG", exif=exif)
    image = Image.open(file)  # an instance of a subclass
    assert is_single(image)
    assert np.array_equal(pixels(image), np.rot90(RGB, -1))


def test_forms_may_be_mixed_and_pictures_in_memory_are_numbered_by_their_place(lay: Lay) -> None:
    root = lay("a/1.jpg", "a/2.jpg")
    images = [RGB, root / "a", b"data", str(root / "a/1.jpg"), Image.fromarray(GREY), root / "gone.jpg"]
    paths = [(root / name).as_posix() for name in ("a/1.jpg", "a/2.jpg")]
    assert keys(images) == ["image-0", *paths, "image-2", "image-4", (root / "gone.jpg").as_posix()]
    assert keys(iter(images)) == keys(tuple(images)) == keys(images)


def test_a_path_counts_once_but_equal_pictures_in_memory_each(lay: Lay) -> None:
    file = lay("1.jpg") / "1.jpg"
    assert keys([file, str(file), file.parent]) == [file.as_posix()]
    assert keys([b"data", b"data", RGB, RGB]) == [f"image-{i}" for i in range(4)]


@pytest.mark.parametrize("images", [[], (), iter([])])
def test_no_picture_at_all_is_refused(images: Any) -> None:
    with pytest.raises(DataError, match=r"^no pictures were given$"):
        photo_refs(images)


@pytest.mark.parametrize(
    ("images", "name"), [(7, "int"), (None, "NoneType"), ([7], "int"), ([[RGB]], "list"), (bytearray(b"data"), "int")]
)
def test_what_is_no_picture_is_refused_with_what_to_give(images: Any, name: str) -> None:
    with pytest.raises(DataError, match=f"^{name} is no picture: give a path, bytes, an RGB array or a PIL image$"):
        photo_refs(images)


def test_folders_and_lists_are_several_and_all_else_is_a_single_picture(lay: Lay, tmp_path: Path) -> None:
    root = lay("1.jpg")
    single: list[Any] = [root / "1.jpg", str(root / "1.jpg"), tmp_path / "gone.jpg", b"data", RGB, Image.fromarray(RGB)]
    assert all(is_single(images) for images in single)
    several: list[Any] = [root, str(root), [RGB], (RGB,), iter([RGB]), []]
    assert not any(is_single(images) for images in several)


def test_pil_is_not_loaded_for_pictures_of_other_forms() -> None:
    use = "from mien.data.sources import photo_refs; photo_refs([b'', 'a.jpg'])"
    subprocess.run([sys.executable, "-c", f"import sys; {use}; assert 'PIL' not in sys.modules"], check=True)
