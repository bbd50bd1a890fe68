"""What counts as a photo in a folder, and what a walk through it survives."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mien.data.folders import readable, require_folder, scan_folder
from mien.errors import DataError

Lay = Callable[..., Path]


def names(root: Path) -> list[str]:
    return [found.name for found in scan_folder(root).files]


def test_pictures_come_sorted_with_their_path_below_the_folder(lay: Lay) -> None:
    root = lay("b/2.png", "b/1.JPG", "a/deep/er/x.webp", "top.gif")
    assert names(root) == ["a/deep/er/x.webp", "b/1.JPG", "b/2.png", "top.gif"]
    assert all(found.path == root / found.name for found in scan_folder(root).files)


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.jfif", "a.png", "a.pgm", "a.tiff", "a.avif", "a.heic"])
def test_a_picture_is_known_by_its_suffix_in_any_case(lay: Lay, name: str) -> None:
    assert names(lay(name)) == [name]


def test_hidden_and_system_files_and_bundles_are_counted_and_passed_over(lay: Lay) -> None:
    root = lay("a/x.jpg", ".hidden.jpg", ".mien/y.jpg", "__MACOSX/a/x.jpg", "a/Thumbs.db", "faces.mien/worst.png")
    seen = scan_folder(root)
    assert [found.name for found in seen.files] == ["a/x.jpg"]
    assert seen.skipped == {"hidden or system files": 4, "bundles": 1}


def test_what_is_not_a_picture_is_counted_by_suffix_in_one_note(lay: Lay) -> None:
    seen = scan_folder(lay("a/x.jpg", "a/notes.txt", "b.TXT", "README"))
    assert list(seen.notes()) == ["passed over 3 things that are not a photo: .txt (2), no suffix (1)"]
    one = scan_folder(lay("y.jpg", "z.csv", folder="other"))
    assert list(one.notes()) == ["passed over 1 thing that is not a photo: .csv (1)"]


def test_a_clean_folder_needs_no_note(lay: Lay) -> None:
    assert list(scan_folder(lay("a/x.jpg")).notes()) == []


def test_links_that_lead_back_end_the_walk_and_are_noted(lay: Lay) -> None:
    root = lay("a/x.jpg", "b/y.jpg")
    (root / "a" / "up").symlink_to(root, target_is_directory=True)
    (root / "a" / "b").symlink_to(root / "b", target_is_directory=True)
    (root / "b" / "a").symlink_to(root / "a", target_is_directory=True)
    (root / "a" / "self").symlink_to(root / "a", target_is_directory=True)
    seen = scan_folder(root)
    assert {"a/x.jpg", "b/y.jpg", "a/b/y.jpg", "b/a/x.jpg"} == {found.name for found in seen.files}
    assert any("links that lead back to their own folder" in note for note in seen.notes())


def test_a_linked_folder_elsewhere_is_followed(lay: Lay) -> None:
    root, elsewhere = lay("a/x.jpg"), lay("far.jpg", folder="elsewhere")
    (root / "b").symlink_to(elsewhere, target_is_directory=True)
    assert names(root) == ["a/x.jpg", "b/far.jpg"]
    assert scan_folder(root).loops == []


def test_a_link_to_nothing_stays_as_a_photo_that_is_missing(lay: Lay) -> None:
    root = lay("a/x.jpg")
    (root / "a" / "gone.jpg").symlink_to(root / "nowhere.jpg")
    assert names(root) == ["a/gone.jpg", "a/x.jpg"]


def test_a_pipe_is_no_photo_whatever_it_is_called(lay: Lay) -> None:
    root = lay("a/x.jpg")
    os.mkfifo(root / "a" / "pipe.jpg")
    (root / "a" / "linked.jpg").symlink_to(root / "a" / "pipe.jpg")
    assert names(root) == ["a/x.jpg"]


def test_a_folder_called_like_a_picture_is_a_folder(lay: Lay) -> None:
    assert names(lay("holiday.jpg/x.png")) == ["holiday.jpg/x.png"]


def test_a_folder_that_will_not_open_is_noted(lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    root, scandir = lay("a/x.jpg", "b/y.jpg"), os.scandir

    def guarded(path: str) -> Any:
        if path.endswith("/b"):  # file modes would not do: the tests may run as root, whom nothing is closed to
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert [found.name for found in scan_folder(root).files] == ["a/x.jpg"]
    assert list(scan_folder(root).notes()) == ["could not open 1 folder: b"]


def test_a_folder_that_goes_away_is_noted(tmp_path: Path) -> None:
    assert scan_folder(tmp_path / "gone").unreadable == [str(tmp_path / "gone")]


def test_names_that_are_not_utf8_can_be_printed(lay: Lay) -> None:
    root = lay(os.fsdecode(b"a/caf\xe9.jpg"))
    (found,) = scan_folder(root).files
    assert found.name == "a/caf\\xe9.jpg"
    assert found.name.encode()
    assert found.path.read_bytes()


def test_readable_leaves_every_good_name_alone() -> None:
    assert readable("사진/é.jpg") == "사진/é.jpg"


def test_very_deep_folders_are_walked(lay: Lay) -> None:
    deep = "/".join("d" * 1 for _ in range(900))
    root = lay()
    os.makedirs(root / deep)  # noqa: PTH103
    (root / deep / "x.jpg").write_bytes(b"x")
    assert names(root) == [f"{deep}/x.jpg"]


def test_ten_thousand_files_are_listed_without_asking_after_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in range(100):
        folder = tmp_path / f"p{person:03}"
        folder.mkdir()
        for i in range(100):
            (folder / f"{i:03}.jpg").touch()
    asked: list[object] = []
    stat = os.stat

    def counted(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        asked.append(path)
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", counted)
    assert len(scan_folder(tmp_path).files) == 10_000
    assert len(asked) < 500


def test_a_folder_is_asked_for_by_the_name_the_user_knows(lay: Lay) -> None:
    root = lay("x.jpg")
    assert require_folder(root, "--images") == root
    with pytest.raises(DataError, match=r"--images must be a folder: .*x\.jpg is a file"):
        require_folder(root / "x.jpg", "--images")
    with pytest.raises(DataError, match=r"--images must be a folder: .*nope is not there"):
        require_folder(root / "nope", "--images")
