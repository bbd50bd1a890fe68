"""Measuring from Python: figures, pages and what is said beside them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import mien
from mien.data import DataSet, open_data
from mien.errors import BundleError, DataError, MienWarning

pytestmark = pytest.mark.usefixtures("models_home")


def test_a_bundle_is_measured_by_its_path_or_opened_and_the_figures_are_the_same(people: Path, album: Path) -> None:
    report = mien.evaluate(people, album / "held-out", workers=1)
    assert (report.n, report.accuracy.value, report.detector, report.trained_on) == (12, 1.0, "yunet", 0)
    assert str(report.accuracy) == "100 % (75.8 to 100)"
    opened = mien.load(people)
    for again in (mien.evaluate(opened, str(album / "held-out")), opened.evaluate(album / "held-out")):
        assert again.as_json() == report.as_json()
    assert opened.evaluate(open_data(album / "held-out")).as_json() == report.as_json()


def test_the_report_writes_its_page_then_and_later(people: Path, album: Path, tmp_path: Path) -> None:
    report = mien.evaluate(people, album / "held-out", report=tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<bdi>held-out</bdi>" in page
    assert report.to_html(tmp_path / "again.html").read_text("utf-8") == page
    assert "Confusion" not in report._repr_html_()
    assert "Eileen Collins" in report._repr_html_()


def test_where_no_page_can_be_written_nothing_is_measured(people: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="could not be written"):
        mien.evaluate(people, "nowhere", report=tmp_path / "file" / "report.html")


def test_a_bundle_that_is_loaded_has_the_report_of_its_training(people: Path) -> None:
    report = mien.load(people).report
    assert report is not None
    assert report.n == 24
    assert report.confusion is None
    assert set(report.to_pandas().index) == {"Eileen Collins", "Grace Hopper"}
    assert mien.load("mask").report is None


def test_photos_of_the_training_set_are_warned_about(people: Path, album: Path) -> None:
    with pytest.warns(MienWarning, match="24 of 24 photos were in the training set; results are optimistic"):
        report = mien.evaluate(people, album / "photos")
    assert report.trained_on == 24


def test_labels_that_are_not_known_are_warned_about(people: Path, album: Path, tmp_path: Path) -> None:
    shutil.copytree(album / "held-out" / "Grace Hopper", tmp_path / "data" / "G. Hopper")
    with pytest.warns(MienWarning, match="the bundle knows none of these labels"):
        assert mien.evaluate(people, tmp_path / "data").n == 0


def test_the_held_out_split_is_measured_and_said(people: Path, album: Path, tmp_path: Path) -> None:
    shutil.copytree(album / "photos", tmp_path / "data" / "train")
    shutil.copytree(album / "held-out", tmp_path / "data" / "test")
    with pytest.warns(MienWarning, match="measured on the split test of data"):
        assert mien.evaluate(people, tmp_path / "data").n == 12


def test_faces_may_be_prepared_in_another_way(people: Path, album: Path) -> None:
    with pytest.warns(MienWarning, match="trained with --faces find"):
        assert mien.evaluate(people, album / "held-out", faces="cut").n == 12


def test_what_cannot_be_measured_is_refused(people: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        mien.evaluate(people, DataSet.of([], []))
    with pytest.raises(BundleError):
        mien.evaluate(tmp_path / "nobody.mien", tmp_path)
