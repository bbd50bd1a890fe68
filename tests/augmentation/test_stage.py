"""The stage that varies faces: the first is the face itself, and seeds come from the photo."""

from __future__ import annotations

import pickle

import numpy as np

from mien.augmentation.policy import load_policy
from mien.augmentation.stage import FaceVariants, MakeVariants, drop_equal_channels, variant_seed
from mien.stage import apply
from mien.types import Crop, Detection, Origin, Pixels


def crop(key: str = "a/x.png", index: int = 0, grey: bool = False) -> Crop:
    pixels = np.random.default_rng(1).integers(0, 256, (24, 24, 3)).astype(np.uint8)
    if grey:
        pixels[:] = pixels[..., :1]
    return Crop(Origin(key), Detection(index, (0, 0, 24, 24), 1), pixels)


def varied(stage: MakeVariants, crop: Crop) -> Pixels:
    (made,) = apply(stage, [crop])
    assert isinstance(made, FaceVariants)
    assert made.key == crop.key
    return made.pictures


def test_the_first_variant_is_the_face_as_it_is() -> None:
    made = varied(MakeVariants(load_policy("extreme"), 5, 0), crop())
    assert made.shape == (5, 24, 24, 3)
    assert (made[0] == crop().pixels).all()
    assert len({picture.tobytes() for picture in made}) == 5
    assert varied(MakeVariants(load_policy("extreme"), 1, 0), crop()).shape == (1, 24, 24, 3)


def test_more_variants_leave_the_first_ones_as_they_are() -> None:
    few, many = (varied(MakeVariants(load_policy("gentle"), count, 0), crop()) for count in (4, 16))
    assert (many[:4] == few).all()


def test_seed_photo_and_face_decide() -> None:
    stage = MakeVariants(load_policy("gentle"), 3, 0)
    first = varied(stage, crop())
    for other in (
        varied(MakeVariants(load_policy("gentle"), 3, 1), crop()),
        varied(stage, crop("b")),
        varied(stage, crop(index=1)),
    ):
        assert (other[0] == first[0]).all()
        assert (other[1:] != first[1:]).any()


def test_a_photo_is_known_by_the_name_that_it_is_given() -> None:
    stage = MakeVariants(load_policy("gentle"), 3, 0, {"/here/a.png": "a.png", "/there/a.png": "a.png"})
    assert (varied(stage, crop("/here/a.png")) == varied(stage, crop("/there/a.png"))).all()


def test_a_grey_picture_keeps_grey_grain() -> None:
    made = varied(MakeVariants(load_policy("sixty-four"), 8, 0), crop(grey=True))
    assert made.shape == (8, 24, 24)
    assert drop_equal_channels(crop().pixels).ndim == 3


def test_names_that_are_not_utf8_have_seeds_too() -> None:
    assert variant_seed(0, "\udcff.png", 0) != variant_seed(0, "\udcfe.png", 0)
    assert 0 <= variant_seed(-5, "x", 0) < 2**64


def test_the_stage_travels_to_another_process() -> None:
    stage = MakeVariants(load_policy("gentle"), 3, 0)
    assert pickle.loads(pickle.dumps(stage)) == stage
