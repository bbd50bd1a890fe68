"""A look names who is enrolled, where somebody is, and costs nothing where nobody is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mien.flows.naming import named

from tests.conftest import Mien


@pytest.fixture
def grace(album: Path) -> Path:
    return album / "originals" / "Grace Hopper.jpg"


def person(mien: Mien, *arguments: object) -> object:
    return mien("look", *arguments, "--traits", "none", "--json").last["faces"][0]["person"]


def test_somebody_is_named_and_a_stranger_is_not(mien: Mien, grace: Path, album: Path) -> None:
    assert person(mien, grace) is None
    assert mien("enroll", "Grace Hopper", grace, "--detector", "mtcnn").code == 0
    assert person(mien, grace) == {"id": 1, "name": "Grace Hopper", "distance": 0.0}
    stranger = next((album / "held-out" / "Eileen Collins").iterdir())
    assert person(mien, stranger) is None
    assert "Grace Hopper  distance 0.000" in mien("look", grace).out


def test_by_another_detector_nobody_is_named_and_that_is_said(mien: Mien, grace: Path) -> None:
    assert mien("enroll", "Grace Hopper", grace, "--detector", "mtcnn").code == 0
    ran = mien("look", grace, "--detector", "hog", "--json")
    assert ran.last["faces"][0]["person"] is None
    assert "people are not named: their faces were found by mtcnn" in ran.err


def test_auto_is_the_gallery_s_detector(mien: Mien, grace: Path) -> None:
    assert mien("enroll", "Grace Hopper", grace, "--detector", "hog").code == 0
    ran = mien("look", grace, "--json")
    assert ran.last["detector"] == "hog"
    assert ran.last["faces"][0]["person"]["name"] == "Grace Hopper"


def test_a_gallery_that_cannot_be_opened_spoils_no_look(mien: Mien, grace: Path, own_gallery: Path) -> None:
    own_gallery.write_text("this is no database")
    ran = mien("look", grace, "--json")
    assert (ran.code, ran.last["faces"][0]["person"]) == (0, None)
    assert "people are not named" in ran.err


def test_a_gallery_of_nobody_names_nobody(mien: Mien, grace: Path) -> None:
    assert mien("enroll", "Grace Hopper", grace, "--detector", "mtcnn").code == 0
    assert mien("forget", "Grace Hopper").code == 0
    assert person(mien, grace) is None


def test_without_a_gallery_no_database_is_loaded() -> None:
    with named("auto") as found:
        assert found == (None, None)
    code = (
        "from mien.flows.naming import named\nwith named('auto'): pass\nimport sys; print('sqlalchemy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"
