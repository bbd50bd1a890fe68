"""What each photo shows, for a check."""

from __future__ import annotations

import pickle
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from mien.curation.checks import photo_findings
from mien.curation.features import THUMB, ImageFeatures
from mien.curation.findings import Kind
from mien.models import APPEARANCE_EMBEDDER, IDENTITY_EMBEDDER
from mien.pipeline import extract_features as module
from mien.pipeline.annotate import Annotate, FaceAnnotator, PhotoReport
from mien.pipeline.execute import RunOptions, embed_photos
from mien.pipeline.extract_features import FeatureExtractor, MeasureFaces, check_spec, extract_features
from mien.pipeline.traits import available_traits
from mien.types import Embedding, Faces, Origin, Photo, PhotoRef, Reason, Rejected

MEASURES = {"side", "sharpness", "brightness", "contrast", "roll", "yaw", "pitch", "inside"}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MIEN_LICENCE", "MIEN_TRAITS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def refs(astronaut: bytes, hopper: bytes, album: Path) -> list[PhotoRef]:
    """Two portraits, a photo without a face, and one that is broken."""
    coffee = album / "inbox" / "coffee.png"
    return [
        PhotoRef(Origin("a/astronaut.png", "a"), data=astronaut),
        PhotoRef(Origin("b/hopper.jpg", "b", "train", group="g"), data=hopper),
        PhotoRef(Origin("b/coffee.png", "b"), coffee),
        PhotoRef(Origin("b/broken.jpg", "b"), data=hopper[:2000]),
    ]


def shown_by(refs: list[PhotoRef], drive: RunOptions, faces: str = "find") -> list[ImageFeatures]:
    return [
        each for each in extract_features(refs, check_spec("mtcnn", faces), drive) if isinstance(each, ImageFeatures)
    ]


def test_every_photo_comes_back_with_all_that_steps_look_at(
    models_home: Path, refs: list[PhotoRef], astronaut: bytes
) -> None:
    first, second, none, broken = extract_features(refs, check_spec("mtcnn"), RunOptions(1, cache=False))
    assert isinstance(broken, Rejected)
    assert broken.reason is Reason.UNREADABLE
    assert isinstance(first, ImageFeatures)
    assert isinstance(none, ImageFeatures)
    assert (first.width, first.height) == (512, 512)
    assert first.digest == sha256(astronaut).digest()
    assert second.origin == refs[1].origin
    assert len(none) == 0
    for each in (first, none):
        n = len(each)
        assert each.thumb.shape == (THUMB, THUMB)
        assert each.thumb.dtype == np.uint8
        assert each.colour.shape == ((18,) if n else (0,))
        assert each.boxes.shape == (n, 4)
        assert each.quality.keys() == MEASURES
        assert {name: vectors.shape for name, vectors in each.vectors.items()} == {
            IDENTITY_EMBEDDER: (n, 128),
            APPEARANCE_EMBEDDER: (n, 256),
        }
        assert {name: rows.shape for name, rows in each.traits.items()} == {"mask": (n, 3), "glasses": (n, 3)}
        columns = [*each.quality.values(), *each.vectors.values(), *each.traits.values(), each.boxes, each.scores]
        assert {column.dtype for column in columns} == {np.dtype(np.float32)}
        assert {len(column) for column in columns} == {n}


def test_faces_are_those_of_a_look_and_told_the_same(models_home: Path, refs: list[PhotoRef]) -> None:
    spec = check_spec("mtcnn")
    reports = FaceAnnotator(spec, available_traits(("mask", "glasses")).traits).reports(refs[:2], RunOptions(1))
    for seen, each in zip(reports, extract_features(refs[:2], spec, RunOptions(1, cache=False)), strict=True):
        assert isinstance(seen, PhotoReport)
        assert isinstance(each, ImageFeatures)
        assert len(seen.faces) == len(each)
        for i, face in enumerate(seen.faces):
            assert np.allclose(face.box, each.boxes[i])
            assert face.quality.sharpness == pytest.approx(float(each.quality["sharpness"][i]))
            for name, trait in face.traits.items():
                assert np.allclose(list(trait.scores.values()), each.traits[name][i], atol=1e-5)


def test_vectors_are_those_that_embedding_gives(models_home: Path, refs: list[PhotoRef]) -> None:
    embeddings = embed_photos(check_spec("mtcnn"), refs[:2], RunOptions(1, cache=False))
    wanted = [each for each in embeddings if isinstance(each, Embedding)]
    given = {each.key: each for each in shown_by(refs[:2], RunOptions(1, cache=False))}
    for each in wanted:
        assert np.allclose(given[each.key].vectors[IDENTITY_EMBEDDER][each.face.index], each.vector, atol=1e-5)


def test_the_second_time_nothing_is_looked_at(
    models_home: Path, home: Path, refs: list[PhotoRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shown_by(refs[:3], RunOptions(1))

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a photo was looked at again")

    monkeypatch.setattr(module.FeatureExtractor, "__call__", never)
    moved = [PhotoRef(Origin(f"new/{i}.jpg", "new"), ref.path, ref.data) for i, ref in enumerate(refs[:3])]
    second = shown_by(moved, RunOptions(1))
    assert [each.origin for each in second] == [ref.origin for ref in moved]
    for one, other in zip(first, second, strict=True):
        assert one.digest == other.digest
        assert np.array_equal(one.thumb, other.thumb)
        assert np.array_equal(one.vectors[IDENTITY_EMBEDDER], other.vectors[IDENTITY_EMBEDDER])
        assert np.array_equal(one.quality["yaw"], other.quality["yaw"], equal_nan=True)


def test_the_number_of_workers_changes_nothing(models_home: Path, refs: list[PhotoRef]) -> None:
    one, three = (shown_by(refs, RunOptions(workers, cache=False)) for workers in (1, 3))
    assert [each.key for each in one] == [each.key for each in three]
    assert all(
        np.allclose(a.vectors[APPEARANCE_EMBEDDER], b.vectors[APPEARANCE_EMBEDDER], atol=1e-5)
        for a, b in zip(one, three, strict=True)
    )


def test_a_picture_that_is_a_face_already_is_one_face(models_home: Path, refs: list[PhotoRef]) -> None:
    (shown,) = shown_by(refs[:1], RunOptions(1, cache=False), "cut")
    assert shown.boxes.tolist() == [[0, 0, 512, 512]]
    assert shown.landmarks is None
    assert np.isnan(shown.quality["yaw"]).all()
    assert np.isfinite(shown.vectors[IDENTITY_EMBEDDER]).all()
    assert np.isfinite(shown.vectors[APPEARANCE_EMBEDDER]).all()


def test_a_face_that_cannot_be_cut_keeps_its_row(models_home: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    boxes = np.array([[50, 50, 50, 50], [20, 20, 180, 180]], np.float32)
    faces = Faces(Photo(Origin("a"), pixels, 200, 200), boxes, np.ones(2, np.float32))
    way = FeatureExtractor(check_spec("mtcnn", "cut"), available_traits(("mask",), "cut").traits)
    (shown,) = MeasureFaces(way)([faces])
    assert isinstance(shown, ImageFeatures)
    for column in (*shown.vectors.values(), *shown.traits.values()):
        assert np.isnan(column[0]).all()
        assert np.isfinite(column[1]).all()


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_a_photo_on_its_side_is_measured_and_described_as_if_it_were_upright(
    models_home: Path, hopper: bytes, turned: int
) -> None:
    decode, detect = check_spec("mtcnn").detect_stages()
    (upright,) = detect(list(decode([PhotoRef(Origin("a.jpg"), data=hopper)])))
    assert isinstance(upright, Faces)
    lying = lie_down(upright, turned)
    measure = MeasureFaces(FeatureExtractor(check_spec("mtcnn"), available_traits(("mask", "glasses")).traits))
    first, second = (shown for shown in measure([upright, lying]) if isinstance(shown, ImageFeatures))
    assert (first.turned, second.turned) == (0, turned)
    assert np.allclose(first.colour, second.colour, atol=0.01)
    for name in ("roll", "yaw", "pitch", "inside", "side", "brightness"):
        assert second.quality[name] == pytest.approx(first.quality[name], abs=1), name
    assert [finding.kind for finding in photo_findings(second)] == [
        Kind.TURNED_PHOTO,
        *(finding.kind for finding in photo_findings(first)),
    ]
    (report,) = Annotate(FaceAnnotator(check_spec("mtcnn")))([lying])
    assert report.as_json()["turned"] == turned


def lie_down(faces: Faces, degrees: int) -> Faces:
    """The same faces in their photo turned clockwise."""
    photo, boxes, landmarks = faces.photo, faces.boxes, faces.landmarks
    assert landmarks is not None
    for _ in range(degrees // 90):
        pixels = np.ascontiguousarray(np.rot90(photo.pixels, -1))
        boxes = np.stack([photo.height - boxes[:, 3], boxes[:, 0], photo.height - boxes[:, 1], boxes[:, 2]], axis=1)
        landmarks = np.stack([photo.height - landmarks[..., 1], landmarks[..., 0]], axis=-1)
        photo = replace(photo, pixels=pixels, width=photo.height, height=photo.width)
    return replace(faces, photo=photo, boxes=boxes, landmarks=landmarks, turned=degrees)


def test_traits_that_are_turned_off_are_left_out_and_named(
    models_home: Path, refs: list[PhotoRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIEN_TRAITS", "glasses")
    told: list[str] = []
    (shown,) = shown_by(refs[:1], RunOptions(1, cache=False, note=told.append))
    assert set(shown.traits) == {"glasses"}
    assert np.isfinite(shown.vectors[APPEARANCE_EMBEDDER]).all()
    assert any("mask is left out" in word for word in told)


def test_what_decides_a_figure_decides_the_address(models_home: Path) -> None:
    both, one = available_traits(("mask", "glasses")).traits, available_traits(("mask",)).traits
    ways = [
        FeatureExtractor(check_spec("mtcnn"), both),
        FeatureExtractor(check_spec("mtcnn"), one),
        FeatureExtractor(check_spec("haar"), both),
        FeatureExtractor(check_spec("mtcnn", "cut"), available_traits(("mask", "glasses"), "cut").traits),
    ]
    assert len({way.digest() for way in ways}) == len(ways)
    assert ways[0].digest() == FeatureExtractor(check_spec("mtcnn"), both).digest()
    assert ways[0].digest() != check_spec("mtcnn").digest()


def test_it_travels_to_another_process(models_home: Path) -> None:
    stage = FeatureExtractor(check_spec("mtcnn"), available_traits(("mask",)).traits)
    assert pickle.loads(pickle.dumps(stage)).spec == stage.spec
