"""A folder of variants over several runs: what lies where, whose files they are, and that a family stays together."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import pytest

from mien import fileio
from mien.augmentation.policy import load_policy
from mien.data import open_data
from mien.errors import DataError, MissingExtra
from mien.flows.align import align
from mien.flows.augment import augment
from mien.flows.augment_folder import AugmentOptions, AugmentResult, WholeImageCrop, face_stages
from mien.images import decode, encode
from mien.pipeline.progress import NoProgress
from mien.pipeline.spec import build_spec
from mien.training.folds import assign_folds, find_units
from mien.training.splits import prepare
from mien.types import Pixels

pytestmark = pytest.mark.usefixtures("models_home")

MIRRORED = Path(__file__).with_name("mirrored.toml")
DEFAULTS: dict[str, Any] = {
    "policy": str(MIRRORED),
    "variants": 4,
    "format": "png",
    "faces": "cut",
    "detector": "mtcnn",
    "workers": 1,
}
FIND: dict[str, Any] = {"faces": "find", "view": "box", "size": 32}

T = TypeVar("T")


def run(src: Path, dst: Path | None, **options: Any) -> AugmentResult:
    """Four variants of each picture, which is a face already cut, unless the options say otherwise."""
    return augment(src, dst, **{**DEFAULTS, **options})


def picture(value: int, height: int = 20, width: int = 16) -> bytes:
    rng = np.random.default_rng(value)
    return encode(rng.integers(0, 256, (height, width, 3)).astype(np.uint8), "png")


def lay(folder: Path, *names: str) -> Path:
    """Small pictures of these names, each another one."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture(number))
    return folder


def names(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and ".mien" not in path.parts and path.suffix != ".csv"
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names(folder)}


def read(path: Path) -> Pixels:
    return decode(path.read_bytes(), max_megapixels=100).pixels


def test_without_sheets_the_label_folders_lie_in_the_folder_itself(tmp_path: Path) -> None:
    done = run(lay(tmp_path / "src", "anna/x.png", "b/y.bmp.png"), tmp_path / "dst")
    assert (done.photos, done.faces, done.variants, done.grids, done.there) == (2, 2, 8, 0, 0)
    assert names(tmp_path / "dst") == [
        *(f"anna/x~0{i}.png" for i in range(4)),
        *(f"b/y.bmp~0{i}.png" for i in range(4)),
    ]
    assert (read(tmp_path / "dst/anna/x~00.png") == read(tmp_path / "src/anna/x.png")).all()


def test_a_sheet_can_be_cut_into_the_files_again(tmp_path: Path) -> None:
    done = run(lay(tmp_path / "src", "anna/x.png", "ben/y.png"), tmp_path / "dst", variants=64, grid=True)
    assert (done.faces, done.variants, done.grids) == (2, 128, 2)
    assert len(names(tmp_path / "dst/grid_after/anna")) == 64
    sheet = read(tmp_path / "dst/grid/anna/x.png")
    assert sheet.shape == (8 * 20, 8 * 16, 3)
    for number in (0, 7, 8, 63):
        row, column = divmod(number, 8)
        tile = sheet[row * 20 : row * 20 + 20, column * 16 : column * 16 + 16]
        assert (tile == read(tmp_path / f"dst/grid_after/anna/x~{number:02d}.png")).all()


def test_the_same_seed_gives_the_same_files_wherever_and_however(tmp_path: Path) -> None:
    src = lay(tmp_path / "src", "a/1.png", "a/2.png", "b/3.png")
    again = lay(tmp_path / "elsewhere", "a/1.png", "a/2.png", "b/3.png")
    run(src, tmp_path / "one", policy="extreme", variants=9, seed=5)
    run(again, tmp_path / "two", policy="extreme", variants=9, seed=5, workers=3)
    run(src, tmp_path / "other", policy="extreme", variants=9, seed=6)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    first, other = contents(tmp_path / "one"), contents(tmp_path / "other")
    assert first.keys() == other.keys()
    assert all((first[name] == other[name]) == name.endswith("~00.png") for name in first)


def test_a_second_run_makes_nothing_and_a_missing_file_brings_its_face_back(tmp_path: Path) -> None:
    src, dst = lay(tmp_path / "src", "a/1.png", "a/2.png"), tmp_path / "dst"
    run(src, dst, grid=True)
    before = contents(dst)
    again = run(src, dst, grid=True)
    assert (again.faces, again.variants, again.grids, again.there) == (0, 0, 0, 2)
    (dst / "grid_after/a/1~02.png").unlink()
    assert run(src, dst, grid=True).faces == 1
    (dst / "grid/a/2.png").unlink()
    assert run(src, dst, grid=True).there == 1
    assert contents(dst) == before


def test_a_run_that_was_killed_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    src, dst = lay(tmp_path / "src", "a/1.png", "a/2.png", "a/3.png"), tmp_path / "dst"
    write, written = fileio.write, []

    def killed(path: Path, data: bytes) -> None:
        if path.suffix == ".png":
            written.append(path)
        if len(written) == 10:
            raise KeyboardInterrupt
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(fileio, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            run(src, dst)
    assert len(names(dst)) == 9
    done = run(src, dst)
    assert (done.there, done.faces) == (1, 2)
    run(src, tmp_path / "whole")
    assert contents(dst) == contents(tmp_path / "whole")


def test_a_photo_that_changed_is_varied_again(tmp_path: Path) -> None:
    src, dst = lay(tmp_path / "src", "a/1.png", "a/2.png"), tmp_path / "dst"
    run(src, dst)
    (src / "a/1.png").write_bytes(picture(99, 30, 30))
    done = run(src, dst)
    assert (done.faces, done.there) == (1, 1)
    assert read(dst / "a/1~03.png").shape == (30, 30, 3)
    (src / "a/1.png").write_bytes(b"broken")
    assert [it.reason for it in run(src, dst).rejected] == ["unreadable"]
    assert [name for name in names(dst) if "1~" in name] == []


def test_variants_of_two_kinds_are_not_mixed(tmp_path: Path) -> None:
    src, dst = lay(tmp_path / "src", "a/1.png"), tmp_path / "dst"
    run(src, dst)
    others: list[dict[str, Any]] = [{"seed": 1}, {"variants": 5}, {"policy": "gentle"}]
    for other in others:
        with pytest.raises(DataError, match="made with other settings"):
            run(src, dst, **other)
    assert run(src, dst).there == 1


def test_the_photos_themselves_and_files_of_others_are_left_alone(tmp_path: Path) -> None:
    src = lay(tmp_path / "src", "a/1.png", "a/2.png")
    with pytest.raises(DataError, match="choose another folder"):
        run(src, src)
    mine = lay(tmp_path / "dst", "a/1~02.png", "a/note.png")
    before = contents(mine)
    run(src, mine)
    assert {name: data for name, data in contents(mine).items() if name in before} == before
    assert {name for name in names(mine) if name.startswith("a/1-1~")} == {f"a/1-1~0{i}.png" for i in range(4)}
    assert run(src, mine).there == 2


def test_a_foreign_sheet_is_not_replaced(tmp_path: Path) -> None:
    src, dst = lay(tmp_path / "src", "a/1.png"), lay(tmp_path / "dst", "grid/a/1.png")
    before = (dst / "grid/a/1.png").read_bytes()
    run(src, dst, grid=True)
    assert (dst / "grid/a/1.png").read_bytes() == before
    assert (dst / "grid/a/1-1.png").exists()


def test_photos_of_one_stem_all_get_their_variants(tmp_path: Path) -> None:
    src = lay(tmp_path / "src", "a/x.png", "a/X.bmp.png", "a/x.webp", "a/y.png")
    done = run(src, tmp_path / "dst")
    assert done.variants == 16
    assert {name.split("~")[0] for name in names(tmp_path / "dst")} == {"a/x.png", "a/X.bmp", "a/x.webp", "a/y"}


def test_names_of_any_script_and_of_no_encoding(tmp_path: Path) -> None:
    src = lay(tmp_path / "src", "한글/얼굴 1.png", "b\udcff/x\udcfe.png")
    assert run(src, tmp_path / "dst").variants == 8
    assert (tmp_path / "dst/한글/얼굴 1~03.png").exists()


def test_variants_below_the_photos_are_no_photos(tmp_path: Path) -> None:
    src = lay(tmp_path / "src", "a/1.png")
    for _ in range(2):
        done = run(src, src / "more")
    assert (done.photos, done.there) == (1, 1)


def test_one_photo_is_enough(tmp_path: Path) -> None:
    src = lay(tmp_path / "src", "a/1.png", "a/2.png")
    assert run(src / "a/1.png", tmp_path / "dst").variants == 4
    assert names(tmp_path / "dst") == [f"1~0{i}.png" for i in range(4)]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 30), (48, 48)])
def test_faces_that_are_cut_keep_their_size(tmp_path: Path, height: int, width: int) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/x.png").write_bytes(picture(1, height, width))
    run(tmp_path / "src", tmp_path / "dst", policy="extreme", grid=True)
    assert read(tmp_path / "dst/grid_after/x~03.png").shape == (height, width, 3)
    assert read(tmp_path / "dst/grid/x.png").shape == (2 * height, 2 * width, 3)


def test_large_pictures_have_a_limit_and_size_sets_the_longer_side(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/x.png").write_bytes(picture(1, 1000, 3000))
    run(tmp_path / "src", tmp_path / "dst")
    assert read(tmp_path / "dst/x~01.png").shape == (171, 512, 3)
    run(tmp_path / "src", tmp_path / "small", size=96)
    assert read(tmp_path / "small/x~01.png").shape == (32, 96, 3)
    run(lay(tmp_path / "tiny", "x.png"), tmp_path / "larger", size=40)
    assert read(tmp_path / "larger/x~01.png").shape == (40, 32, 3)


def test_memory_has_a_limit_that_is_told_before_the_work_begins(tmp_path: Path) -> None:
    src = lay(tmp_path / "src", "x.png")
    with pytest.raises(DataError, match="64 variants of 2048 x 2048 pixels are more than one sheet can hold"):
        run(src, tmp_path / "dst", variants=64, size=2048)
    with pytest.raises(DataError, match="fewer with --variants, or smaller ones with --size"):
        run(src, tmp_path / "dst", **{**FIND, "size": 400, "variants": 1024})
    assert not (tmp_path / "dst").exists()
    _, whole = face_stages(build_spec("mtcnn", faces="cut"), AugmentOptions(load_policy(str(MIRRORED)), variants=1024))
    assert whole == WholeImageCrop(None, 312)


def test_a_grey_picture_gives_grey_files(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    grey = np.random.default_rng(0).integers(0, 256, (24, 24)).astype(np.uint8)
    (tmp_path / "src/x.png").write_bytes(encode(grey, "png"))
    run(tmp_path / "src", tmp_path / "dst", policy="sixty-four", variants=16, format="jpeg")
    for number in range(16):
        made = read(tmp_path / f"dst/x~{number:02d}.jpg")
        assert (made[..., 0] == made[..., 2]).all()


def test_colours_of_a_printer_come_out_as_colours(tmp_path: Path, data: Path) -> None:
    (tmp_path / "src").mkdir()
    source = next(path for path in sorted((data / "bad_input").rglob("*cmyk*")) if path.suffix in (".jpg", ".jpeg"))
    (tmp_path / "src/x.jpg").write_bytes(source.read_bytes())
    run(tmp_path / "src", tmp_path / "dst")
    assert read(tmp_path / "dst/x~01.png").ndim == 3


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, astronaut: bytes, hopper: bytes) -> Path:
    """Two photos of people, one of two people, one of nobody, and one that is broken."""
    src = tmp_path_factory.mktemp("mixed")
    halves = [cv2.resize(decode(data, max_megapixels=1).pixels, (400, 400)) for data in (astronaut, hopper)]
    both = encode(np.hstack(halves).astype(np.uint8), "png")
    nobody = encode(np.full((200, 200, 3), 90, np.uint8), "png")
    files = {"e.png": astronaut, "g.jpg": hopper, "both.png": both, "nobody.png": nobody, "broken.jpg": b"no picture"}
    for name, data in files.items():
        (src / "people").mkdir(exist_ok=True)
        (src / "people" / name).write_bytes(data)
    return src


def test_a_photo_without_a_face_costs_only_itself(mixed: Path, tmp_path: Path) -> None:
    done = run(mixed, tmp_path / "dst", **FIND)
    assert (done.faces, done.variants) == (3, 12)
    assert read(tmp_path / "dst/people/g~01.png").shape == (32, 32, 3)
    with (tmp_path / "dst/rejected.csv").open() as file:
        rows = {Path(row["path"]).name: row["reason"] for row in csv.DictReader(file)}
    assert rows == {"nobody.png": "no-face", "broken.jpg": "unreadable"}
    again = run(mixed, tmp_path / "dst", **FIND)
    assert (again.there, len(again.rejected)) == (3, 2)


def test_all_faces_of_a_photo_have_names_of_their_own(mixed: Path, tmp_path: Path) -> None:
    done = run(mixed, tmp_path / "dst", **FIND, all_faces=True)
    found = {name.split("~")[0] for name in names(tmp_path / "dst")}
    assert {"people/both", "people/both-face1", "people/e", "people/g"} <= found
    assert len(found) == done.faces
    assert run(mixed, tmp_path / "dst", **FIND, all_faces=True).there == 3


def test_faces_that_align_cut_are_varied_as_they_are(mixed: Path, tmp_path: Path) -> None:
    align(mixed, tmp_path / "crops", view="box", size=32, format="png", detector="mtcnn", workers=1)
    run(tmp_path / "crops", tmp_path / "dst")
    assert (read(tmp_path / "dst/people/e~00.png") == read(tmp_path / "crops/people/e.png")).all()


def test_where_no_photo_shows_a_face_that_is_one_sentence_with_a_way_out(tmp_path: Path) -> None:
    src = lay(tmp_path / "src", "a/1.png", "a/2.png")
    with pytest.raises(DataError, match=r"no face in 2 photos could be varied \(2 no-face\): .*give --faces cut"):
        run(src, tmp_path / "dst", **FIND)
    assert (tmp_path / "dst/rejected.csv").exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may write anywhere")
def test_a_folder_that_may_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "dst").mkdir(mode=0o500)
    with pytest.raises(DataError, match="could not be written"):
        run(lay(tmp_path / "src", "1.png"), tmp_path / "dst")


def test_a_full_disk_stops_the_run_and_a_name_that_cannot_be_only_its_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    src = lay(tmp_path / "src", "a.png", "n" * 249 + ".png")
    done = run(src, tmp_path / "dst")
    assert (done.faces, [it.reason for it in done.rejected]) == (1, ["error"])
    assert "too long" in done.rejected[0].detail
    write = fileio.write

    def full(path: Path, data: bytes) -> None:
        if path.suffix == ".png":
            error = OSError(28, "No space left on device")
            raise fileio.write_error(path, error) from error
        write(path, data)

    monkeypatch.setattr(fileio, "write", full)
    with pytest.raises(DataError, match="disk is full"):
        run(src, tmp_path / "full")


def test_progress_counts_photos(tmp_path: Path) -> None:
    seen = []

    class Watcher(NoProgress):
        def track(self, items: Iterable[T], total: int, what: str, /) -> Iterable[T]:
            seen.append((total, what))
            return items

    run(lay(tmp_path / "src", "1.png", "2.png"), tmp_path / "dst", progress=Watcher())
    assert seen == [(2, "photos")]


def test_a_family_and_its_original_stay_on_one_side_of_a_split(tmp_path: Path) -> None:
    """Variants beside their originals, as somebody has them who throws all into one folder."""
    src = lay(tmp_path / "all", *(f"{who}/{i}.png" for who in "ab" for i in range(12)), "a/0.webp")
    run(src, tmp_path / "dst")
    for name in names(tmp_path / "dst"):
        (tmp_path / "dst" / name).rename(src / name)
    data = open_data(src)
    keys = [origin.uri for origin in data.origins]
    assert len(keys) == 25 * 5
    vectors = np.random.default_rng(0).normal(size=(len(keys), 16)).astype(np.float32)
    groups = [origin.group for origin in data.origins]
    prepared = prepare(vectors, [origin.label or "" for origin in data.origins], groups=groups)
    units = find_units(prepared.train)
    assert units.number == 25
    fold = assign_folds(prepared.train.y, units, 5, seed=0)
    sides: dict[str, set[int]] = {}
    for row, number in zip(prepared.train_rows, fold, strict=True):
        whole = keys[row].split("~")[0].removesuffix(".png")
        sides.setdefault({"a/0.webp": "a/0.webp"}.get(whole, whole), set()).add(int(number))
    assert len(sides) == 25
    assert all(len(folds) == 1 for folds in sides.values())
    assert len({number for folds in sides.values() for number in folds}) == 5


def test_without_torch_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    src = lay(tmp_path / "src", "a/x.png")
    for name in [name for name in sys.modules if name.startswith("mien.augmentation.engine")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'mien\[train\]'"):
        run(src, tmp_path / "dst")
    with pytest.raises(MissingExtra, match=r"pip install 'mien\[train\]'"):
        run(src, None, preview=tmp_path / "sheet.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["src"]
