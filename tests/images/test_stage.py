"""The stage turns each reference into a photo or a reason, and can find more pixels later."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.images import Decode, decode, pixels_at_scale
from mien.stage import Stage, apply
from mien.types import Origin, Photo, PhotoRef, Reason, Rejected
from tests.images.pictures import encoded, opened


def at(path: Path) -> PhotoRef:
    return PhotoRef(Origin(str(path), label="someone"), path=path)


def one(ref: PhotoRef, longest: int | None = None, max_megapixels: float = 100) -> Photo | Rejected:
    stage: Stage[PhotoRef, Photo] = Decode(longest, max_megapixels)
    (result,) = apply(stage, [ref])
    return result


def photo(ref: PhotoRef, longest: int | None = None) -> Photo:
    result = one(ref, longest)
    assert isinstance(result, Photo)
    return result


def rejected(ref: PhotoRef, max_megapixels: float = 100) -> Rejected:
    result = one(ref, max_megapixels=max_megapixels)
    assert isinstance(result, Rejected)
    assert result.stage == "decode"
    assert result.origin is ref.origin
    return result


@pytest.fixture
def large(hopper: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "large.jpg"
    path.write_bytes(encoded(opened(hopper).convert("RGB").resize((1024, 1200)), "JPEG"))
    return path


def test_a_path_and_its_bytes_give_the_same_photo(hopper: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hopper.jpg"
    path.write_bytes(hopper)
    origin = Origin("one", label="Grace Hopper", split="train")
    read, held = photo(PhotoRef(origin, path=path)), photo(PhotoRef(origin, data=hopper))
    assert np.array_equal(read.pixels, held.pixels)
    assert read.origin is held.origin is origin
    assert (read.width, read.height, read.scale, read.data) == (512, 600, 1.0, None)


def test_the_bytes_are_kept_only_for_reduced_photos(large: Path) -> None:
    small = photo(at(large), longest=600)
    assert (small.width, small.height, small.scale) == (1024, 1200, 0.5)
    assert small.pixels.shape == (600, 512, 3)
    assert small.data == large.read_bytes()
    assert photo(at(large), longest=1200).data is None


def test_finer_pixels_are_decoded_only_where_needed(large: Path) -> None:
    small = photo(at(large), longest=150)
    assert small.scale == 0.125
    for scale in (0.01, 0.125):
        pixels, given = pixels_at_scale(small, scale)
        assert pixels is small.pixels
        assert given == 0.125
    for scale, given, height in ((0.2, 0.25, 300), (0.26, 0.5, 600), (0.9, 1.0, 1200), (5.0, 1.0, 1200)):
        pixels, scale_given = pixels_at_scale(small, scale)
        assert scale_given == given
        assert pixels.shape == (height, height * 1024 // 1200, 3)
    whole = photo(at(large))
    assert pixels_at_scale(whole, 2.0)[0] is whole.pixels


def test_finer_pixels_are_upright_too(hopper: bytes) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(opened(hopper).convert("RGB").resize((1200, 1024)), "JPEG", exif=exif)
    small = photo(PhotoRef(Origin("turned"), data=data), longest=300)
    assert small.pixels.shape == (300, 256, 3)
    assert pixels_at_scale(small, 1.0)[0].shape == (1200, 1024, 3)
    assert np.array_equal(pixels_at_scale(small, 1.0)[0], decode(data, max_megapixels=2).pixels)


def test_a_file_that_does_not_exist_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for path in (tmp_path / "none.jpg", tmp_path, tmp_path / "file" / "below.jpg", tmp_path / "a\0b"):
        assert rejected(at(path)).reason is Reason.MISSING
    assert rejected(at(tmp_path)).detail == "a folder, not a file"
    assert rejected(PhotoRef(Origin("nothing"))).reason is Reason.MISSING


def test_an_empty_file_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.jpg"
    path.touch()
    assert rejected(at(path)).reason is Reason.EMPTY
    assert rejected(PhotoRef(Origin("held"), data=b"")).reason is Reason.EMPTY


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, hopper: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.jpg"
    path.write_bytes(hopper)

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    found = rejected(at(path))
    assert (found.reason, found.detail) == (Reason.UNREADABLE, "permission denied")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert rejected(at(tmp_path / "pipe.jpg")).reason is Reason.UNREADABLE


def test_too_many_pixels_are_rejected(large: Path) -> None:
    found = rejected(at(large), max_megapixels=1.2)
    assert found.reason is Reason.TOO_LARGE
    assert "1024 x 1200" in found.detail


def test_a_file_that_is_far_too_long_for_a_picture_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "film.jpg"
    with path.open("wb") as file:
        file.truncate(3_000_000_000)
    assert rejected(at(path)).reason is Reason.TOO_LARGE


def test_one_bad_photo_does_not_affect_the_others(large: Path, tmp_path: Path) -> None:
    refs = [at(large), at(tmp_path / "none.jpg"), PhotoRef(Origin("junk"), data=b"junk")]
    results = apply(Decode(None, 100.0), refs)
    assert [type(result) for result in results] == [Photo, Rejected, Rejected]
    assert [result.key for result in results] == [ref.key for ref in refs]


def test_the_stage_pickles_as_its_configuration() -> None:
    stage = Decode(640, 50.0)
    assert pickle.loads(pickle.dumps(stage)) == stage
    assert (stage.name, stage.batch_size) == ("decode", 1)
    assert list(stage([])) == []
