from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mien.cli.models import _bar, app
from mien.errors import MienError, WeightsError
from mien.models import CARDS, download, ensure, weights
from mien.models.builtin_traits import TRAITS
from mien.models.cards import Download
from tests.flows.test_models import network


def run(*words: str) -> str:
    """What the command prints; its error, if it has one, is raised as `mien` itself would see it."""
    done = CliRunner().invoke(app, list(words))
    if isinstance(done.exception, MienError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def lines(*words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(*words, "--json").splitlines()]


def test_the_list_names_every_card_with_its_licence_and_place(home: Path) -> None:
    rows = {row["name"]: row for row in lines("list")}
    assert list(rows) == [*CARDS, *TRAITS]
    assert rows["mask"]["kind"] == "trait"
    assert "with_mask" in rows["mask"]["title"]
    assert rows["expression"]["commercial"] == "no"
    assert rows["yunet"] == {
        "name": "yunet",
        "kind": "detector",
        "licence": "MIT",
        "commercial": "yes",
        "where": "made on first use",
        "bytes": None,
        "title": CARDS["yunet"].title,
        "data": "WIDER FACE",
        "url": "https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet",
    }
    shown = run("list").splitlines()
    assert shown[0].split() == ["name", "kind", "commercial", "where", "size", "licence"]
    assert len(shown) == len(CARDS) + len(TRAITS) + 1
    assert not any(line != line.rstrip() for line in shown)


def test_a_real_file_can_be_added_and_listed(home: Path, test_models: Path) -> None:
    said = run("add", str(test_models / "scrfd_2.5g_bnkps.onnx"))
    assert said.startswith("scrfd: known by its checksum (licence: InsightFace models: non-commercial")
    (row,) = (row for row in lines("list") if row["name"] == "scrfd")
    assert (row["where"], row["bytes"]) == ("cache", 3290207)
    (row,) = lines("add", str(test_models / "mobilefacenet.onnx"), "--as", "mobilefacenet")
    assert (row["name"], row["known"], row["commercial"]) == ("mobilefacenet", True, "unknown")


def test_a_network_of_ones_own_can_be_added_and_removed(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    path.write_bytes(network())
    words = ("add", str(path), "--as", "mine", "--scale", "128", "--licence", "MIT", "--commercial", "yes")
    (row,) = lines(*words)
    assert row["input"] == {"view": "arcface", "size": 112, "colour": "rgb", "mean": 127.5, "scale": 128}
    assert (row["kind"], row["dim"], row["threshold"], row["commercial"]) == ("embedder", 147, None, "yes")
    said = run(*words)
    assert said.startswith("mine: 147 values from 112 x 112 pixels; in a photo the mirror image of a face was 0.")
    assert "(arcface, rgb, mean 127.5, scale 128) (licence: MIT; commercial use: yes)" in said
    (row,) = (row for row in lines("list") if row["name"] == "mine")
    assert (row["kind"], row["where"], row["licence"], row["title"]) == ("embedder", "cache", "MIT", "own.onnx")
    with pytest.raises(WeightsError, match=r"'mine' cannot be downloaded .* type 'mien models add FILE --as mine"):
        run("pull", "mine")
    (row,) = lines("remove", "mine")
    assert [Path(file).suffix for file in row["files"]] == [".json", ".onnx"]
    assert "mine" not in {row["name"] for row in lines("list")}


def test_a_file_that_does_not_fit_is_an_error(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("no network")
    with pytest.raises(WeightsError, match="say with --as"):
        run("add", str(path))
    with pytest.raises(WeightsError, match="not an ONNX file"):
        run("add", str(path), "--as", "sface")


def test_pull_says_what_came_and_under_which_licence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sent(source: Download, progress: download.Progress) -> bytes:
        progress(source.bytes, source.bytes)
        return b"network"

    monkeypatch.setattr(download, "download", sent)
    (row,) = lines("pull", "sface")
    assert row["name"] == "sface"
    assert Path(row["path"]).read_bytes() == b"network"
    assert run("pull", "sface").startswith("sface: ")


def test_pull_refuses_what_is_not_offered(home: Path) -> None:
    with pytest.raises(WeightsError, match="nothing to pull"):
        run("pull", "mtcnn")
    with pytest.raises(MienError, match="no weights called"):
        run("pull", "nothing")


def test_verify_tells_sound_files_from_changed_ones(home: Path) -> None:
    ensure("mtcnn-pnet")
    assert {row["state"] for row in lines("verify")} == {"ok"}
    path = weights.add_to_cache("sface", weights.EXTERNAL_KEY, b"network")
    assert f"sface                ok  {path}" in run("verify").splitlines()
    path.write_bytes(b"Network")
    with pytest.raises(WeightsError, match=r"1 of \d+ files of weights are missing or changed: .*sface.* \(changed\)"):
        run("verify")


def test_every_command_explains_itself() -> None:
    for words in ([], ["list"], ["pull"], ["add"], ["remove"], ["verify"]):
        done = CliRunner().invoke(app, [*words, "--help"])
        assert done.exit_code == 0
        assert "Usage" in done.stdout


def test_the_bar_speaks_on_stderr_only(capfd: pytest.CaptureFixture[str]) -> None:
    with _bar("yunet", shown=True) as progress:
        assert progress is not None
        progress(1, 2)
    assert capfd.readouterr().out == ""
    with _bar("yunet", shown=False) as progress:
        assert progress is None
