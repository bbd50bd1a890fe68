from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.store.names import MAX_BYTES, Names, family, folder_names, safe_name, variant_name, variant_of


@pytest.mark.parametrize(
    "label", ["Ana", "Grace Hopper", "김민지", "Ana María", "O'Neil", "王小明", "with_mask", "s1", "😀"]
)
def test_a_name_that_can_stand_is_kept(label: str) -> None:
    assert safe_name(label) == label


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("../../etc", "__.._etc"),
        ("/etc/passwd", "_etc_passwd"),
        ("..", "_"),
        (".", "_"),
        ("", "_"),
        ("   ", "_"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("COM1", "_COM1"),
        ("Ana...", "Ana"),
        ("Ana. ", "Ana"),
        (".hidden", "_hidden"),
        (".mien", "_mien"),
        ("a\0b", "a_b"),
        ("a\nb", "a_b"),
        ('a<b>:"|?*\\c', "a_b_______c"),
        ("\u202egpj.exe", "_gpj.exe"),
        ("\udcff", "_"),
    ],
)
def test_a_name_that_cannot_stand_is_changed_as_little_as_can_be(label: str, name: str) -> None:
    assert safe_name(label) == name


def test_a_decomposed_name_is_the_same_folder_as_a_composed_one() -> None:
    assert safe_name(unicodedata.normalize("NFD", "김민지")) == "김민지"


@given(st.text(max_size=300))
def test_any_label_is_one_plain_folder_name(label: str) -> None:
    name = safe_name(label)
    assert name
    assert len(name.encode()) <= MAX_BYTES + 1
    assert name not in (".", "..")
    assert not set(name) & set('/\\\0:*?"<>|')
    assert not name.startswith((".", " "))
    assert not name.endswith((".", " "))
    assert safe_name(name) == name


@given(
    st.sets(st.sampled_from(["A/B", "A_B", "a_b", "A:B", "A?B", "A_B-1", "unknown", "Unknown", "UNKNOWN ", "", "."]))
)
def test_labels_never_share_a_folder_whatever_their_order(labels: set[str]) -> None:
    names = folder_names(sorted(labels), reserved=["unknown"])
    assert set(names) == labels
    assert len({name.casefold() for name in [*names.values(), "unknown"]}) == len(labels) + 1
    assert folder_names(sorted(labels, reverse=True), reserved=["unknown"]) == names


def test_the_label_that_is_a_name_already_keeps_it() -> None:
    assert folder_names(["A/B", "A_B"]) == {"A_B": "A_B", "A/B": "A_B-1"}


def test_a_taken_name_gets_the_next_suffix(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "a-2.jpg").touch()
    names = Names()
    given = [names.free(tmp_path / "a.jpg").name for _ in range(3)]
    assert given == ["a-1.jpg", "a-3.jpg", "a-4.jpg"]


def test_names_that_differ_by_capitals_or_unicode_form_only_are_kept_apart(tmp_path: Path) -> None:
    names = Names()
    wanted = ["IMG.JPG", "img.jpg", "민지.jpg", unicodedata.normalize("NFD", "민지.jpg"), "straße.jpg", "STRASSE.jpg"]
    given = [names.free(tmp_path / name).name for name in wanted]
    assert len({unicodedata.normalize("NFC", name).casefold() for name in given}) == len(wanted)


def test_a_dangling_link_takes_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to(tmp_path / "nowhere")
    assert Names().free(tmp_path / "a.jpg").name == "a-1.jpg"


def test_the_longest_name_leaves_room_for_its_suffix(tmp_path: Path) -> None:
    longest = "사" * 83 + "aa.jpg"
    assert len(longest.encode()) == 255
    (tmp_path / longest).touch()
    second = Names().free(tmp_path / longest)
    second.touch()
    assert second.name.endswith("-1.jpg")
    assert len(os.fsencode(second.name)) <= 255


def test_ten_thousand_files_of_one_name_are_named_at_once(tmp_path: Path) -> None:
    names = Names()
    assert len({names.free(tmp_path / "a.jpg") for _ in range(10_000)}) == 10_000


@given(st.text(min_size=1), st.integers(0, 5000))
def test_a_variant_is_known_by_its_name(stem: str, number: int) -> None:
    name = variant_name(stem, number)
    assert variant_of(name) == (stem, number)
    assert family(name) == family(stem)


@pytest.mark.parametrize("stem", ["x", "IMG~1", "x~", "~07", "x-face", "-face1", "x~0a", "x~7"])
def test_names_that_only_look_a_little_like_it_are_no_variants(stem: str) -> None:
    assert variant_of(stem) is None
    assert family(stem) == stem


def test_a_family_is_named_after_its_photo() -> None:
    assert {family(stem) for stem in ("x", "x~00", "x~1023", "x-face12", "x-face1~07", "x~01~02")} == {"x"}
    assert family("x.png~00") == "x.png"


def test_paths_that_are_kept_free_go_to_nobody(tmp_path: Path) -> None:
    names = Names([tmp_path / "A.jpg", tmp_path / "a-1.jpg"])
    assert names.free(tmp_path / "a.jpg") == tmp_path / "a-2.jpg"
    assert names.free(tmp_path / "b.jpg") == tmp_path / "b.jpg"
