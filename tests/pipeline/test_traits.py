"""Traits of all faces at once: each network runs once, and what may not be said is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.data import photos
from mien.embedding.stage import OnnxEmbedder
from mien.errors import UnknownName, WeightsError
from mien.models import builtin_traits
from mien.pipeline.annotate import FaceAnnotator, PhotoReport
from mien.pipeline.embed_faces import BATCH_SIZE
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import build_spec
from mien.pipeline.traits import NO_TRAITS, Traits, open_traits
from mien.run.runners import run_stages
from mien.types import UNCERTAIN, Faces, Floats
from tests.flows.silent import answering

pytestmark = pytest.mark.usefixtures("models_home")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MIEN_LICENCE", "MIEN_TRAITS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def found(album: Path) -> list[Faces]:
    stages = build_spec("mtcnn", which="all").detect_stages()
    faces = list(run_stages(stages, photos([album / "originals", album / "inbox" / "012.jpg"]), False))
    return [each for each in faces if isinstance(each, Faces)]


def told(opened: Traits) -> list[str]:
    return sorted(name for classifiers in opened.classifiers for name in classifiers)


def test_all_traits_of_every_face_with_all_their_labels(found: list[Faces]) -> None:
    answers = open_traits().traits(found)
    assert [len(photo) for photo in answers] == [len(faces) for faces in found]
    for face in (face for photo in answers for face in photo):
        assert list(face) == [name for name in builtin_traits.TRAITS if name in face]
        assert set(builtin_traits.TRAITS) - set(face) <= {"gender"}
        for name, trait in face.items():
            assert tuple(trait.scores) == builtin_traits.get_trait(name).labels
            assert sum(trait.scores.values()) == pytest.approx(1, abs=1e-5)
            assert trait.score == max(trait.scores.values())
            assert trait.label in (UNCERTAIN, max(trait.scores, key=lambda label: trait.scores[label]))


def test_several_photos_give_what_each_gives_by_itself(found: list[Faces]) -> None:
    opened = open_traits().traits
    singly = [opened([faces])[0] for faces in found]
    for one, other in zip(opened(found), singly, strict=True):
        for mine, same in zip(one, other, strict=True):
            assert {name: trait.label for name, trait in mine.items()} == {n: t.label for n, t in same.items()}
            for name in mine:
                assert mine[name].scores == pytest.approx(same[name].scores, abs=1e-4)


def test_each_network_runs_once_over_all_faces_and_their_mirror_images(
    found: list[Faces], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[tuple[str, int]] = []
    run = OnnxEmbedder.__call__

    def counted(self: OnnxEmbedder, crops: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Floats:
        runs.append((self.name, len(crops)))
        return run(self, crops)

    monkeypatch.setattr(OnnxEmbedder, "__call__", counted)
    faces = sum(map(len, found))
    assert faces <= BATCH_SIZE
    open_traits().traits(found)
    assert sorted(set(runs)) == [("expression-features", faces), ("traits", faces)]
    assert len(runs) <= 4


def test_only_the_wanted_ones_are_told(found: list[Faces]) -> None:
    opened = open_traits("glasses,mask")
    assert opened.notes == ()
    assert {tuple(face) for photo in opened.traits(found) for face in photo} == {("mask", "glasses")}


def test_none_costs_nothing(found: list[Faces], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnnxEmbedder, "__call__", lambda *_: pytest.fail("a network ran"))
    assert open_traits("none").traits == NO_TRAITS
    assert open_traits("none").traits(found) == [[{} for _ in range(len(faces))] for faces in found]


def test_an_empty_batch_gives_nothing() -> None:
    assert open_traits().traits([]) == []


def test_a_name_that_there_is_not_is_refused() -> None:
    with pytest.raises(UnknownName, match="there are: expression, mask"):
        open_traits("mood")


def test_what_the_licence_in_force_refuses_is_left_out_of_all_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_LICENCE", "commercial")
    opened = open_traits()
    assert told(opened.traits) == ["age", "gender", "glasses", "mask"]
    (note,) = opened.notes
    assert note.startswith("expression is left out: weights 'expression-features'")
    with pytest.raises(WeightsError, match="refused under MIEN_LICENCE=commercial"):
        open_traits("expression,mask")


def test_what_is_turned_off_is_left_out_of_all_and_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_TRAITS", "mask,glasses")
    assert told(open_traits().traits) == ["glasses", "mask"]
    assert open_traits().notes == ()
    with pytest.raises(WeightsError, match="'age' is turned off by MIEN_TRAITS=mask,glasses"):
        open_traits("age")


def test_without_their_files_all_is_none_and_says_why(
    found: list[Faces], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtin_traits, "FOLDER", tmp_path)
    opened = open_traits()
    assert opened.traits == NO_TRAITS
    assert len(opened.notes) == len(builtin_traits.TRAITS)
    with pytest.raises(WeightsError, match="not part of this installation"):
        open_traits("mask")


@pytest.mark.parametrize("wanted", ["all", "gender"])
def test_no_gender_is_given_where_the_age_group_is_the_youngest(
    found: list[Faces], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    answering(monkeypatch, tmp_path, {"age": "0-2", "gender": "Female"})
    assert not any("gender" in face for photo in open_traits(wanted).traits(found) for face in photo)


def test_of_all_others_a_gender_is_given(found: list[Faces], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, tmp_path, {"age": "3-9", "gender": "Female"})
    assert {face["gender"].label for photo in open_traits().traits(found) for face in photo} == {"Female"}


def test_below_the_certain_probability_the_label_is_uncertain(
    found: list[Faces], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, tmp_path, {"mask": "incorrect"}, certain=0.99)
    for face in (face for photo in open_traits("mask").traits(found) for face in photo):
        assert face["mask"].label == UNCERTAIN
        assert max(face["mask"].scores, key=lambda label: face["mask"].scores[label]) == "incorrect"


def test_a_face_that_cannot_be_cut_has_no_traits(found: list[Faces], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.pipeline.embed_faces.cut_faces", lambda _, views: [[] for _ in views])
    assert open_traits().traits(found) == [[{} for _ in range(len(faces))] for faces in found]


def test_looking_gives_traits_to_every_face(album: Path) -> None:
    annotator = FaceAnnotator(build_spec("mtcnn", which="all"), open_traits("mask").traits)
    reports = list(annotator.reports(photos([album / "originals"]), RunOptions(1)))
    assert all(
        isinstance(report, PhotoReport) and all(list(face.traits) == ["mask"] for face in report.faces)
        for report in reports
    )
