"""Identifying: answers follow the gallery, whoever changes it, and strangers are unknown."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mien.errors import DataError
from mien.gallery import search
from mien.gallery.gallery import Gallery
from mien.gallery.records import EmbeddingSpec, FaceSample
from mien.pipeline.identify import (
    Identification,
    Identifier,
    embedding_spec,
    enrollment_spec,
    gallery_spec,
    namer_for_look,
    stored_spec,
)
from mien.pipeline.spec import build_spec
from mien.types import UNKNOWN, Detection, Embedding, Floats, Origin
from tests.gallery.samples import face_samples, nothing_cached, vectors

pytestmark = pytest.mark.usefixtures("models_home")


@pytest.fixture
def gallery(own_gallery: Path) -> Iterator[Gallery]:
    with Gallery(str(own_gallery)) as opened:
        yield opened


@pytest.fixture
def pin(models_home: Path) -> EmbeddingSpec:
    return embedding_spec(build_spec("mtcnn", which="all"))


def fill(gallery: Gallery, pin: EmbeddingSpec, people: Sequence[int]) -> None:
    for i in people:
        gallery.enroll(f"person {i}", face_samples(i), pin)


def labels(answers: Sequence[Identification]) -> list[str]:
    return [answer.label for answer in answers]


def embeddings(vectors: Floats) -> list[Embedding]:
    face = Detection(0, (0.0, 0.0, 9.0, 9.0), 1.0)
    return [Embedding(Origin(f"{i}.jpg"), face, vector) for i, vector in enumerate(vectors)]


def asked(people: Sequence[int]) -> list[Embedding]:
    """A photo of each that nobody was enrolled with."""
    return embeddings(np.concatenate([vectors(i, 4)[3:] for i in people]))


def test_everybody_gets_their_name_and_strangers_none(gallery: Gallery, pin: EmbeddingSpec) -> None:
    fill(gallery, pin, range(12))
    answers = Identifier(gallery).identify(asked(range(14)))
    assert labels(answers) == [*(f"person {i}" for i in range(12)), UNKNOWN, UNKNOWN]
    assert answers[0].person is not None
    assert answers[0].as_json() == {
        "image": "0.jpg",
        "face": answers[0].face.as_json(),
        "label": "person 0",
        "person": {"id": answers[0].person.id, "name": "person 0", "distance": round(answers[0].person.distance, 4)},
        "rival": None,
        "threshold": round(answers[0].threshold.distance, 4) if answers[0].threshold else None,
    }
    assert answers[12].as_json()["person"] is None


def test_no_answer_depends_on_what_is_asked_beside_it(gallery: Gallery, pin: EmbeddingSpec) -> None:
    fill(gallery, pin, range(12))
    identifier, faces = Identifier(gallery), asked(range(14))
    assert labels(identifier.identify(faces)) == [identifier.identify([face])[0].label for face in faces]
    assert identifier.identify(faces[:0]) == []


def test_where_nobody_is_enrolled_everybody_is_unknown(gallery: Gallery) -> None:
    identifier = Identifier(gallery)
    assert identifier.threshold() is None
    assert labels(identifier.identify(asked([1, 2]))) == [UNKNOWN, UNKNOWN]
    assert identifier.too_close([1]) == {}


def test_what_others_change_is_seen_by_the_next_question(
    own_gallery: Path, gallery: Gallery, pin: EmbeddingSpec
) -> None:
    identifier, faces = Identifier(gallery), asked(range(4))
    with Gallery(str(own_gallery)) as other:
        for step, expected in (
            (lambda: fill(other, pin, range(2)), ["person 0", "person 1", UNKNOWN, UNKNOWN]),
            (lambda: fill(other, pin, range(2, 4)), [f"person {i}" for i in range(4)]),
            (lambda: other.forget("person 1", nothing_cached), ["person 0", UNKNOWN, "person 2", "person 3"]),
            (lambda: other.enroll("person 2", face_samples(1), pin), None),
        ):
            step()
            answers = identifier.identify(faces)
            assert expected is None or labels(answers) == expected
        for i in (0, 2, 3):
            other.forget(f"person {i}", nothing_cached)
        assert labels(identifier.identify(faces)) == [UNKNOWN] * 4
        fill(other, pin, [3])
        assert labels(identifier.identify(faces)) == [UNKNOWN] * 3 + ["person 3"]


def test_a_copy_that_followed_all_changes_answers_as_a_new_one(gallery: Gallery, pin: EmbeddingSpec) -> None:
    fill(gallery, pin, range(60))
    identifier = Identifier(gallery)
    identifier.threshold()
    for i in range(0, 60, 7):
        gallery.forget(f"person {i}", nothing_cached)
        fill(gallery, pin, [100 + i])
        identifier.threshold()
    faces = asked(range(170))
    assert labels(identifier.identify(faces)) == labels(Identifier(gallery).identify(faces))


def test_the_search_changes_with_the_number_of_people(
    gallery: Gallery, pin: EmbeddingSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "EXACT_UP_TO", 20)
    identifier = Identifier(gallery)
    for last in (10, 30):
        fill(gallery, pin, range(last))
        assert labels(identifier.identify(asked(range(last)))) == [f"person {i}" for i in range(last)]
    for i in range(15):
        gallery.forget(f"person {i}", nothing_cached)
    assert labels(identifier.identify(asked(range(30)))) == [UNKNOWN] * 15 + [f"person {i}" for i in range(15, 30)]


def test_threads_may_ask_while_people_come_and_go(own_gallery: Path, gallery: Gallery, pin: EmbeddingSpec) -> None:
    fill(gallery, pin, range(10))
    identifier, faces = Identifier(gallery), asked(range(10))
    with Gallery(str(own_gallery)) as other, ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(identifier.identify, faces) for _ in range(40)]
        for i in range(20, 26):
            fill(other, pin, [i])
            other.forget(f"person {i}", nothing_cached)
        assert {tuple(labels(each.result())) for each in answers} == {tuple(f"person {i}" for i in range(10))}


def test_one_person_under_two_names_is_told_as_too_close_and_as_a_rival(gallery: Gallery, pin: EmbeddingSpec) -> None:
    fill(gallery, pin, range(8))
    again = gallery.enroll("twin", face_samples(3, 3, first=10), pin).person.id
    third = gallery.find("person 3").id
    identifier = Identifier(gallery)
    close = identifier.too_close([person.id for person in gallery.people()])
    assert {person: [match.id for match in matches] for person, matches in close.items()} == {
        again: [third],
        third: [again],
    }
    (answer,) = identifier.identify(asked([3]))
    assert answer.rival is not None
    assert {answer.label, answer.rival.name} == {"person 3", "twin"}
    assert answer.person is not None
    assert answer.person.distance <= answer.rival.distance


def test_vectors_of_another_machine_are_refused(gallery: Gallery) -> None:
    spec = build_spec("mtcnn", which="all")
    gallery.enroll("Ada", face_samples(1), EmbeddingSpec(embedding_spec(spec).spec, "0" * 64))
    assert stored_spec(gallery) == spec
    with pytest.raises(DataError, match="install the same ones, or enroll everybody again"):
        gallery_spec(gallery)


def test_another_detector_or_embedder_than_the_gallerys_is_refused(gallery: Gallery, pin: EmbeddingSpec) -> None:
    gallery.enroll("Ada", face_samples(1), pin)
    assert enrollment_spec(gallery, "auto", "dlib-resnet-int8").detector == "mtcnn"
    for detector, embedder in (("hog", "auto"), ("auto", "dlib-resnet")):
        with pytest.raises(
            DataError, match="omit --detector and --embedder, or start another gallery with MIEN_GALLERY"
        ):
            enrollment_spec(gallery, detector, embedder)


def test_an_embedder_without_a_threshold_is_refused(gallery: Gallery) -> None:
    with pytest.raises(DataError, match="'dlib-resnet-block' states no threshold"):
        enrollment_spec(gallery, "mtcnn", "dlib-resnet-block")


def test_faces_of_any_length_are_compared_by_direction(gallery: Gallery, pin: EmbeddingSpec) -> None:
    long = [FaceSample(face.sha256, face.vector * 7, face.side, face.score) for face in face_samples(1)]
    gallery.enroll("Ada", long, pin)
    assert labels(Identifier(gallery).identify(embeddings(vectors(1, 4)[3:] * 3))) == ["Ada"]


def test_without_a_gallery_nobody_is_named_and_no_database_is_loaded() -> None:
    with namer_for_look("auto") as namer:
        assert namer == (None, None)
    code = (
        "from mien.pipeline.identify import namer_for_look\nwith namer_for_look('auto'): pass\n"
        "import sys; print('sqlalchemy' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "False\n"
