"""Families by name: variants go with their original, and photos that have none stay by themselves."""

from __future__ import annotations

from mien.data.dataset import group_variants
from mien.types import Origin, PhotoRef


def groups(*names: str) -> dict[str, str | None]:
    made = group_variants([PhotoRef(Origin(name)) for name in names])
    assert [ref.key for ref in made] == list(names)
    return {ref.key: ref.origin.group for ref in made}


def test_without_variants_there_are_no_groups() -> None:
    assert set(groups("a/x.jpg", "a/x.png", "a/x-face1.jpg", "a/x~1.jpg").values()) == {None}


def test_an_original_goes_with_its_variants() -> None:
    found = groups("a/x.png", "a/x~00.jpg", "a/x~117.jpg", "a/y.png")
    assert found == {"a/x.png": "a/x", "a/x~00.jpg": "a/x", "a/x~117.jpg": "a/x", "a/y.png": None}


def test_variants_of_variants_and_of_further_faces_are_of_one_family() -> None:
    found = groups("a/x.png", "a/x~03~01.jpg", "a/x-face2~00.jpg", "a/x-face2.jpg")
    assert set(found.values()) == {"a/x"}


def test_folders_keep_families_apart() -> None:
    found = groups("a/x~00.jpg", "b/x~00.jpg", "a/2020/x~00.jpg", "b/x.png")
    assert found == {"a/x~00.jpg": "a/x", "b/x~00.jpg": "b/x", "a/2020/x~00.jpg": "a/2020/x", "b/x.png": "b/x"}


def test_originals_of_one_stem_are_told_apart_by_their_whole_names() -> None:
    found = groups("a/x.jpg", "a/x.png", "a/x.jpg~00.jpg", "a/x.png~00.jpg")
    assert found["a/x.jpg"] == found["a/x.jpg~00.jpg"] == "a/x.jpg"
    assert found["a/x.png"] == found["a/x.png~00.jpg"] == "a/x.png"


def test_unicode_forms_do_not_part_a_family() -> None:
    found = groups("jose\u0301.png", "jos\u00e9~00.png")
    assert len(set(found.values())) == 1


def test_groups_that_the_data_names_stay() -> None:
    (made,) = group_variants([PhotoRef(Origin("x~00.jpg", group="subject 3"))])
    assert made.origin.group == "subject 3"
