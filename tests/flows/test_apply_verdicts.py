"""A data set as verdicts would have it: every form of it, in its order, and without a file touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mien.data import DataSet, open_data
from mien.errors import DataError
from mien.flows.clean import AppliedVerdicts, apply_verdicts, clean
from mien.images import decode, encode
from mien.types import PhotoRef
from tests.store.trees import harvest, plant

LABELS = ("Ana", "Ana", "Bo", "Bo", "Bo")
TREE = {
    f"{label}/{n}.png": encode(np.random.default_rng(n).integers(0, 255, (60, 60, 3), np.uint8), "png")
    for n, label in enumerate(LABELS)
}
KEYS = list(TREE)


def folders(tmp_path: Path) -> tuple[Path, list[str]]:
    return plant(tmp_path / "photos", TREE), KEYS


def table(tmp_path: Path) -> tuple[Path, list[str]]:
    plant(tmp_path / "images", TREE)
    rows = [f"images/{key},{label}" for key, label in zip(KEYS, LABELS, strict=True)]
    (tmp_path / "photos.csv").write_text("\n".join(["file,label", *rows]))
    return tmp_path / "photos.csv", [f"images/{key}" for key in KEYS]


def parquet(tmp_path: Path) -> tuple[Path, list[str]]:
    columns = {"image": [{"bytes": data, "path": None} for data in TREE.values()], "label": list(LABELS)}
    pq.write_table(pa.table(columns), tmp_path / "photos.parquet", row_group_size=2)
    return tmp_path / "photos.parquet", [f"photos.parquet#{n}" for n in range(len(KEYS))]


FORMS = [folders, table, parquet]


def judged(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "verdicts.csv"
    path.write_text("\n".join(["path,verdict,to,box", *lines]))
    return path


def shown(refs: list[PhotoRef]) -> list[tuple[str, str | None, tuple[int, ...]]]:
    """Key, label and size of each photo."""
    contents = [ref.data if ref.data is not None else ref.path.read_bytes() if ref.path else b"" for ref in refs]
    sizes = [decode(data, max_megapixels=1).pixels.shape[:2] for data in contents]
    return [(ref.key, ref.origin.label, size) for ref, size in zip(refs, sizes, strict=True)]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_data_is_read_as_was_decided(tmp_path: Path, form: object) -> None:
    data, keys = form(tmp_path)  # type: ignore[operator]
    lines = (f"{keys[0]},drop,,", f"{keys[1]},move,Cy,", f"{keys[2]},face,,20 20 40 40", f"{keys[3]},move,ana,")
    before = harvest(tmp_path)
    made, used = apply_verdicts(
        open_data(data), judged(tmp_path, *lines, "gone.png,drop,,", "gone.png,drop,,"), tmp_path
    )
    expected = [
        (keys[1], "Cy", (60, 60)),
        (keys[2], "Bo", (30, 30)),
        (keys[3], "Ana", (60, 60)),
        (keys[4], "Bo", (60, 60)),
    ]
    assert shown(list(made.refs)) == expected
    assert shown([made.refs[i] for i in range(len(made.refs))]) == expected
    assert shown(list(made.refs[1:3])) == expected[1:3]
    assert [(origin.uri, origin.label) for origin in made.origins] == [(key, label) for key, label, _ in expected]
    assert used == AppliedVerdicts(dropped=1, moved=2, cut=1, gone=1)
    assert harvest(tmp_path) == {**before, "verdicts.csv": (tmp_path / "verdicts.csv").read_bytes()}
    assert list(made.notes)[-2:] == [
        "verdicts of verdicts.csv: 1 left out, 2 relabelled, 1 cut to one face",
        "1 photo named in verdicts.csv is not in the data: gone.png",
    ]


def test_what_train_sees_is_what_clean_leaves(tmp_path: Path) -> None:
    data, keys = folders(tmp_path)
    lines = (f"{keys[0]},drop,,", f"{keys[1]},move,Bo,", f"{keys[2]},face,,20 20 40 40", f"{keys[3]},turn,90,")
    verdicts = judged(tmp_path, *lines, f"{keys[2]},turn,180,")
    made, used = apply_verdicts(open_data(data), verdicts, data)
    assert used == AppliedVerdicts(dropped=1, moved=1, cut=1, gone=0, turned=2)
    seen = sorted((label, size) for _, label, size in shown(list(made.refs)))
    pictures = sorted(_bytes(made))
    clean(data, verdicts=verdicts)
    assert sorted((label, size) for _, label, size in shown(list(open_data(data).refs))) == seen
    assert sorted(_bytes(open_data(data))) == pictures


def _bytes(data: DataSet) -> list[bytes]:
    return [ref.data if ref.data is not None else ref.path.read_bytes() if ref.path else b"" for ref in data.refs]


@pytest.mark.parametrize("spelling", ["relative", "slash", "absolute", "from inside"])
def test_a_folder_may_be_named_in_any_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str) -> None:
    data, keys = folders(tmp_path)
    monkeypatch.chdir(data / "Ana" if spelling == "from inside" else tmp_path)
    named = {"relative": Path("photos"), "slash": Path("./photos/"), "absolute": data, "from inside": Path("..")}
    _, used = apply_verdicts(open_data(named[spelling]), judged(tmp_path, f"{keys[0]},drop,,"), named[spelling])
    assert used.dropped == 1


def test_verdicts_that_change_nothing_change_nothing(tmp_path: Path) -> None:
    data, keys = folders(tmp_path)
    made, used = apply_verdicts(open_data(data), judged(tmp_path, f"{keys[0]},keep,,", f"{keys[1]},,,"), data)
    assert used == AppliedVerdicts(0, 0, 0, 0)
    assert shown(list(made.refs)) == shown(list(open_data(data).refs))
    assert list(made.notes) == ["verdicts of verdicts.csv: nothing to change"]


def test_verdicts_that_drop_all_photos_are_refused(tmp_path: Path) -> None:
    data, keys = folders(tmp_path)
    with pytest.raises(DataError, match="drop all photos: nothing is left"):
        apply_verdicts(open_data(data), judged(tmp_path, *(f"{key},drop,," for key in keys)), data)


def test_a_face_that_is_not_in_its_photo_is_told_with_the_photo(tmp_path: Path) -> None:
    data, keys = folders(tmp_path)
    made, _ = apply_verdicts(open_data(data), judged(tmp_path, f"{keys[2]},face,,200 200 240 240"), data)
    with pytest.raises(
        DataError, match=r"verdicts\.csv names a face of Bo/2\.png that is not there: .* 60 x 60 pixels"
    ):
        list(made.refs)


def test_a_photo_that_cannot_be_read_is_left_to_whoever_reads_it(tmp_path: Path) -> None:
    data, keys = folders(tmp_path)
    (data / keys[2]).write_bytes(b"no picture")
    made, _ = apply_verdicts(open_data(data), judged(tmp_path, f"{keys[2]},face,,20 20 40 40"), data)
    assert [ref.path for ref in made.refs] == [data / key for key in KEYS]
