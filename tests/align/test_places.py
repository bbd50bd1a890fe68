"""Names for crops: nothing is handed out twice, and the names of further faces belong to their photo."""

from __future__ import annotations

import pytest

from mien.align.places import Places, crop_name, families


def test_the_first_face_has_the_place_and_the_others_a_number() -> None:
    assert [crop_name("a/x.jpg", i) for i in (0, 1, 12)] == ["a/x.jpg", "a/x-face1.jpg", "a/x-face12.jpg"]


@pytest.mark.parametrize(
    ("taken", "wanted", "given"),
    [
        ([], "a/x.jpg", "a/x.jpg"),
        (["a/x.jpg"], "a/x.jpg", "a/x-1.jpg"),
        (["a/x.jpg", "a/x-1.jpg"], "a/x.jpg", "a/x-2.jpg"),
        (["a/x.jpg"], "b/x.jpg", "b/x.jpg"),
        (["A/X.JPG"], "a/x.jpg", "a/x-1.jpg"),
        (["caf\u00e9.jpg"], "cafe\u0301.jpg", "cafe\u0301-1.jpg"),
        (["a/x.png"], "a/x.jpg", "a/x.jpg"),
        (["a/x-face2.jpg"], "a/x.jpg", "a/x-1.jpg"),
        (["a/x.jpg"], "a/x-face2.jpg", "a/x-face2-1.jpg"),
        (["a/x-face1-face2.jpg"], "a/x.jpg", "a/x.jpg"),
        (["a/x-faces.jpg"], "a/x.jpg", "a/x.jpg"),
    ],
)
def test_a_place_is_free_when_none_of_its_names_is_taken(taken: list[str], wanted: str, given: str) -> None:
    assert Places(taken, several=True).free(wanted) == given


def test_no_two_photos_share_a_name_however_they_are_called() -> None:
    wanted = ["x.jpg", "x.jpg", "x-face1.jpg", "X-1.jpg", "x-1-face1.jpg", "x-face1-face1.jpg", "x-face1.jpg"]
    for order in (wanted, wanted[::-1]):
        places = Places([], several=True)
        given = [crop_name(places.free(place), i).casefold() for place in order for i in (0,)]
        every = [crop_name(place, i).casefold() for place in given for i in range(3)]
        assert len(set(every)) == len(every)


def test_where_a_photo_has_one_crop_its_name_may_look_like_a_second_one() -> None:
    assert Places(["x.jpg"], several=False).free("x-face1.jpg") == "x-face1.jpg"


def test_a_file_may_be_a_first_crop_or_a_further_one() -> None:
    assert families("A/x-face3.jpg") == ["a/x-face3.jpg", "a/x.jpg"]
    assert families("a/x-face.jpg") == ["a/x-face.jpg"]
