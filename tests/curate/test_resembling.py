"""Copies look alike at a coarse glance, mirrored or cropped; blank pictures look like nothing."""

from __future__ import annotations

import numpy as np

from mien.curate.resembling import resembling
from mien.curate.shown import THUMB
from mien.curate.thumb import thumb
from tests.curate.albums import other_photos


def test_each_copy_is_paired_with_its_photo() -> None:
    photos = other_photos(40)
    crops = [each[4:, 2:] for each in photos[:20]]
    mirrored = [each[:, ::-1] for each in photos[20:]]
    found = resembling(np.stack([thumb(each) for each in (*photos, *crops, *mirrored)]))
    paired = set(zip(found.first.tolist(), found.second.tolist(), found.mirrored.tolist(), strict=True))
    assert {(i, 40 + i, i >= 20) for i in range(40)} <= paired
    assert len(paired) < 60
    assert (found.first < found.second).all()
    assert not found.place.any()


def test_blank_pictures_are_left_out() -> None:
    blank = [np.full((THUMB, THUMB), level, np.uint8) for level in (0, 1, 128, 255)]
    pictures = np.stack([*blank, *(thumb(each) for each in other_photos(3))])
    found = resembling(pictures)
    assert not np.isin([*found.first, *found.second], range(4)).any()


def test_few_pictures_or_none_can_be_looked_at() -> None:
    for count in (0, 1):
        assert (
            len(resembling(np.array([thumb(each) for each in other_photos(count)], np.uint8).reshape(-1, 64, 64))) == 0
        )
