"""A folder of crops over several runs: whose files they are, what is done, and what a kill leaves."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest

from mien import fileio
from mien.alignment.views import view
from mien.errors import DataError, MienError
from mien.flows.align import AlignResult, align
from mien.images import decode
from mien.models import CARDS
from mien.pipeline.progress import NoProgress, Progress
from mien.pipeline.spec import build_spec

pytestmark = pytest.mark.usefixtures("models_home")

T = TypeVar("T")


def run(
    src: Path,
    dst: Path,
    *,
    all_faces: bool = False,
    view: str = "box",
    workers: int = 1,
    progress: bool | Progress = False,
) -> AlignResult:
    return align(src, dst, view=view, all_faces=all_faces, detector="mtcnn", workers=workers, progress=progress)


class Totals(NoProgress):
    """Notes how many items each loop has."""

    def __init__(self) -> None:
        self.totals: list[int] = []

    def track(self, items: Iterable[T], total: int, what: str, /) -> Iterable[T]:
        self.totals.append(total)
        return items


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))


def lay(folder: Path, **files: bytes) -> Path:
    """Photos by name, with `__` for the dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def pair(astronaut: bytes, hopper: bytes) -> bytes:
    """One photo of two people."""
    halves = [cv2.resize(decode(data, max_megapixels=1).pixels, (400, 400)) for data in (astronaut, hopper)]
    return cv2.imencode(".png", np.hstack(halves)[..., ::-1])[1].tobytes()


@pytest.fixture(scope="module")
def nobody() -> bytes:
    return cv2.imencode(".png", np.full((200, 200, 3), 90, np.uint8))[1].tobytes()


def rejected(dst: Path) -> list[dict[str, str]]:
    with (dst / "rejected.csv").open() as file:
        return list(csv.DictReader(file))


def test_crops_do_not_go_among_the_photos(tmp_path: Path, pair: bytes, hopper: bytes) -> None:
    src = lay(tmp_path / "same", x__png=pair, **{"x-face1__jpg": hopper})
    with pytest.raises(DataError, match="another folder"):
        run(src, src, all_faces=True)
    (tmp_path / "link").symlink_to(src)
    with pytest.raises(DataError, match="another folder"):
        run(src, tmp_path / "link", all_faces=True)
    assert (src / "x-face1.jpg").read_bytes() == hopper
    assert sorted(path.name for path in src.iterdir()) == ["x-face1.jpg", "x.png"]


def test_a_file_that_no_run_wrote_is_not_replaced(tmp_path: Path, pair: bytes) -> None:
    src = lay(tmp_path / "src", x__png=pair, y__png=pair, z__png=pair)
    mine = {"x__jpg": b"mine", "Y-face1__jpg": b"mine", "z__png": b"mine"}
    dst = lay(tmp_path / "dst", **mine)
    run(src, dst, all_faces=True)
    for name, data in mine.items():
        assert (dst / name.replace("__", ".")).read_bytes() == data
    ours = {"x-1.jpg", "x-1-face1.jpg", "y-1.jpg", "y-1-face1.jpg", "z.jpg", "z-face1.jpg"}
    assert set(names(dst)) == {"x.jpg", "Y-face1.jpg"} | ours


def test_a_file_put_in_the_place_of_a_photo_without_a_face_stays(
    tmp_path: Path, nobody: bytes, astronaut: bytes
) -> None:
    src = lay(tmp_path / "src", x__png=nobody)
    run(src, tmp_path / "dst")
    lay(tmp_path / "dst", x__jpg=b"mine")
    lay(src, x__png=astronaut)
    run(src, tmp_path / "dst")
    assert (tmp_path / "dst" / "x.jpg").read_bytes() == b"mine"
    assert names(tmp_path / "dst") == ["x-1.jpg", "x.jpg"]


def test_further_faces_never_take_the_name_of_another_photo(tmp_path: Path, pair: bytes) -> None:
    src = lay(tmp_path / "src", x__png=pair, **{"x-face1__png": pair, "X-FACE2__png": pair, "y__png": pair})
    done = run(src, tmp_path / "dst", all_faces=True)
    assert done.crops == 8
    assert len(names(tmp_path / "dst")) == 8


def test_a_photo_is_done_only_when_all_of_its_faces_are_written(
    tmp_path: Path, pair: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    src, dst = lay(tmp_path / "src", x__png=pair, y__png=pair), tmp_path / "dst"
    write, seen = fileio.write, []

    def killed(path: Path, data: bytes) -> None:
        if path.suffix == ".jpg":
            seen.append(path)
        if len(seen) == 2:
            raise KeyboardInterrupt
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(fileio, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            run(src, dst, all_faces=True)
    assert names(dst) == ["x.jpg"]
    done = run(src, dst, all_faces=True)
    assert (done.crops, done.there) == (4, 0)
    assert names(dst) == ["x-face1.jpg", "x.jpg", "y-face1.jpg", "y.jpg"]


def test_a_crop_that_is_gone_brings_its_photo_back(tmp_path: Path, pair: bytes) -> None:
    src, dst = lay(tmp_path / "src", x__png=pair, y__png=pair), tmp_path / "dst"
    run(src, dst, all_faces=True)
    (dst / "x-face1.jpg").unlink()
    done = run(src, dst, all_faces=True)
    assert (done.crops, done.there) == (2, 1)
    assert len(names(dst)) == 4


def test_a_new_photo_gets_a_new_name_and_the_others_keep_theirs(
    tmp_path: Path, astronaut: bytes, hopper: bytes
) -> None:
    src, dst = lay(tmp_path / "src", x__png=astronaut), tmp_path / "dst"
    run(src, dst)
    before = (dst / "x.jpg").stat().st_mtime_ns
    lay(src, x__jpg=hopper)
    done = run(src, dst)
    assert (done.crops, done.there) == (1, 1)
    assert names(dst) == ["x-1.jpg", "x.jpg"]
    assert (dst / "x.jpg").stat().st_mtime_ns == before
    assert run(src, dst).there == 2


def test_two_folders_are_cut_into_one(tmp_path: Path, astronaut: bytes, hopper: bytes) -> None:
    a, b = lay(tmp_path / "a" / "P", **{"1__jpg": hopper}), lay(tmp_path / "b" / "P", **{"1__jpg": astronaut})
    run(a.parent, tmp_path / "dst")
    done = run(b.parent, tmp_path / "dst")
    assert (done.crops, done.there, done.counts) == (1, 0, {"P": 2})
    assert names(tmp_path / "dst") == ["P/1-1.jpg", "P/1.jpg"]


def test_a_photo_that_changed_is_cut_again_in_its_own_place(
    tmp_path: Path, pair: bytes, hopper: bytes, nobody: bytes
) -> None:
    src, dst = lay(tmp_path / "src", x__png=pair, y__png=pair), tmp_path / "dst"
    run(src, dst, all_faces=True)
    before = (dst / "x.jpg").read_bytes()
    lay(src, x__png=hopper, y__png=nobody)
    done = run(src, dst, all_faces=True)
    assert (done.crops, done.there, len(done.rejected)) == (1, 0, 1)
    assert names(dst) == ["x.jpg"], "what a photo no longer gives is gone"
    assert (dst / "x.jpg").read_bytes() != before


def test_a_photo_without_a_face_is_not_looked_at_again(tmp_path: Path, nobody: bytes, hopper: bytes) -> None:
    src = lay(tmp_path / "src", x__png=nobody, y__jpg=hopper, z__jpg=b"no picture")
    run(src, tmp_path / "dst")
    first = rejected(tmp_path / "dst")
    progress = Totals()
    done = run(src, tmp_path / "dst", progress=progress)
    assert progress.totals == [1], "what cannot be read may have been mended"
    assert (len(done.rejected), done.there) == (2, 1)
    assert rejected(tmp_path / "dst") == first
    assert [row["reason"] for row in first] == ["no-face", "unreadable"]


def test_crops_below_the_photos_are_not_cut_again(tmp_path: Path, hopper: bytes) -> None:
    src = lay(tmp_path / "src", x__jpg=hopper)
    dst = src / "crops"
    for _ in range(3):
        done = run(src, dst)
    assert (done.photos, done.crops, done.there) == (1, 0, 1)
    assert names(dst) == ["x.jpg"]


def test_photos_below_the_crops_are_photos(tmp_path: Path, hopper: bytes) -> None:
    src = lay(tmp_path / "project" / "photos", x__jpg=hopper)
    assert run(src, tmp_path / "project").crops == 1
    assert run(src, tmp_path / "project").there == 1
    assert names(tmp_path / "project") == ["photos/x.jpg", "x.jpg"]


def test_a_folder_that_holds_nothing_but_crops_is_refused(tmp_path: Path, hopper: bytes) -> None:
    src = lay(tmp_path / "src", x__jpg=hopper)
    run(src, src / "crops")
    (src / "x.jpg").unlink()
    with pytest.raises(DataError, match="no photos"):
        run(src, src / "crops")


def test_a_run_that_is_refused_leaves_nothing(tmp_path: Path, hopper: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    src = lay(tmp_path / "src", x__jpg=hopper)
    monkeypatch.setenv("MIEN_LICENCE", "commercial")
    with pytest.raises(MienError):
        run(src, tmp_path / "dst", view="openface")
    assert not (tmp_path / "dst").exists()


def test_a_name_that_cannot_be_written_costs_only_its_photo(tmp_path: Path, hopper: bytes, pair: bytes) -> None:
    long = "n" * 246 + ".png"  # with -face1 it is longer than any file system takes
    src = lay(tmp_path / "src", a__jpg=hopper, z__jpg=hopper)
    (src / long).write_bytes(pair)
    (tmp_path / "dst" / "z.jpg").mkdir(parents=True)
    (src / "g").mkdir()
    (src / "g" / "1.jpg").write_bytes(hopper)
    (tmp_path / "dst" / "g").write_bytes(b"a file where a folder should be")
    done = run(src, tmp_path / "dst", all_faces=True)
    assert {"a.jpg", "z-1.jpg"} <= set(names(tmp_path / "dst"))
    reasons = {(Path(row["path"]).name, row["stage"], row["reason"]) for row in rejected(tmp_path / "dst")}
    assert reasons == {(long, "save", "error"), ("1.jpg", "save", "error")}
    assert any("too long" in item.detail for item in done.rejected)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may write anywhere")
def test_a_folder_that_may_not_be_written_stops_the_run(tmp_path: Path, hopper: bytes) -> None:
    src, dst = lay(tmp_path / "src", a__jpg=hopper), tmp_path / "dst"
    dst.mkdir(mode=0o500)
    with pytest.raises(DataError, match="could not be written"):
        run(src, dst)


def test_a_full_disk_stops_the_run(tmp_path: Path, hopper: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    write = fileio.write

    def full(path: Path, data: bytes) -> None:
        if path.suffix == ".jpg":
            error = OSError(28, "No space left on device")
            raise fileio.write_error(path, error) from error
        write(path, data)

    monkeypatch.setattr(fileio, "write", full)
    with pytest.raises(DataError, match="disk is full"):
        run(lay(tmp_path / "src", a__jpg=hopper), tmp_path / "dst")


def test_a_torn_record_is_no_reason_to_begin_anew(tmp_path: Path, astronaut: bytes, hopper: bytes) -> None:
    src, dst = lay(tmp_path / "src", x__png=astronaut, y__jpg=hopper), tmp_path / "dst"
    run(src, dst)
    record = dst / ".mien" / "align.jsonl"
    record.write_bytes(record.read_bytes()[:-20])
    done = run(src, dst, workers=2)
    assert (done.crops, done.there) == (1, 1)
    assert names(dst) == ["x.jpg", "y.jpg"]
    assert all(json.loads(line) for line in record.read_bytes().splitlines())


def test_thousands_of_photos_that_are_done_take_a_moment(tmp_path: Path, nobody: bytes) -> None:
    src, dst = lay(tmp_path / "src", x__png=nobody), tmp_path / "dst"
    run(src, dst)
    head, (begin, done) = {}, (dst / ".mien" / "align.jsonl").read_text().splitlines()
    for i in range(3000):
        os.link(src / "x.png", src / f"{i}.png")
        head[i] = "".join(
            line.replace("x.png", f"{i}.png").replace("x.jpg", f"{i}.jpg") + "\n" for line in (begin, done)
        )
    with (dst / ".mien" / "align.jsonl").open("a") as file:
        file.write("".join(head.values()))
    again = run(src, dst)
    assert (again.photos, len(again.rejected)) == (3001, 3001)
    assert again.seconds < 5


@pytest.mark.parametrize("detector", ["hog", "haar", "mtcnn"])
def test_the_landmarks_that_may_stand_in_are_pinned(detector: str) -> None:
    made = replace(build_spec(detector), view=view("arcface"))
    assert "dlib-landmarks-5" not in made.weights()
    assert made.weights().keys() >= ({detector, "yunet"} & CARDS.keys())
    made = replace(made, second_look=False)
    assert "dlib-landmarks-5" in made.weights()
    assert "dlib-landmarks-5" not in replace(made, view=view("box")).weights()
    assert "dlib-landmarks-68" in replace(made, view=view("openface")).weights()
