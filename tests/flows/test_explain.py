"""`mien.explain`: the way of a photo to its answer is that of the other verbs, and the page shows all of it."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

import mien
from mien.errors import DataError, MissingExtra, UnknownName
from mien.flows.explain import LANGUAGES, Explanation, template_text
from mien.images import decode, encode
from mien.pipeline.explain import ExplainedPhoto
from mien.types import Floats, Pixels

pytestmark = pytest.mark.usefixtures("models_home")

TRAITS = "mask,glasses"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MIEN_LICENCE", "MIEN_TRAITS"):
        monkeypatch.delenv(name, raising=False)


def explained(image: Any, **options: Any) -> ExplainedPhoto:
    (photo,) = mien.explain(image, workers=1, **options)
    assert isinstance(photo, ExplainedPhoto)
    return photo


def turned(photo: bytes, degrees: int) -> bytes:
    """A photo that lies on its side, turned clockwise."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(photo)) as upright:
        upright.rotate(-degrees, expand=True).save(buffer, "PNG")
    return buffer.getvalue()


def heat(data: bytes) -> Floats:
    """A map -> how red (above 0) or blue each of its pixels is."""
    pixels = decode(data, max_megapixels=1).pixels.astype(np.float32)
    return np.asarray(pixels[..., 0] - pixels[..., 2], np.float32)


def test_the_answers_are_those_of_look(hopper: bytes) -> None:
    (face,) = mien.look(hopper, traits=TRAITS)
    (line,) = mien.explain(hopper, traits=TRAITS).as_json()
    assert line["image"] == "image-0"
    (explained,) = line["faces"]
    assert explained["box"] == face.as_json()["box"]
    assert explained["landmarks"] == face.as_json()["landmarks"]
    assert explained["traits"].keys() == {"mask", "glasses"}
    for name, trait in face.traits.items():
        assert explained["traits"][name]["label"] == trait.label
        assert explained["traits"][name]["scores"] == pytest.approx(trait.as_json()["scores"], abs=1e-3)


def test_the_answer_of_a_bundle_is_that_of_classify(people: Path, hopper: bytes) -> None:
    (line,) = mien.explain(hopper, bundle=people).as_json()
    (prediction,) = mien.classify(people, hopper)
    assert line["detector"] == "yunet"
    (face,) = line["faces"]
    assert face["label"] == prediction.label == "Grace Hopper"
    assert face["top"][0]["score"] == pytest.approx(prediction.score, abs=1e-3)
    assert face["traits"] == {}
    assert mien.explain(hopper, bundle=people, detector="haar").as_json()[0]["detector"] == "haar"


def test_the_glasses_are_where_the_answer_glasses_hangs_on(hopper: bytes) -> None:
    (face,) = explained(hopper, traits="glasses").faces
    (reading, identity) = face.readings
    (answer,) = reading.answers
    assert (answer.what, answer.label) == ("glasses", "glasses")
    assert answer.covered < answer.before - 0.05
    assert answer.heat is not None
    rows = heat(answer.heat).clip(0).mean(axis=1)
    assert rows[60:130].mean() > 2 * rows[160:].mean()  # the eyes, and the chin
    assert identity.network.startswith("dlib-resnet")
    assert identity.answers[0].covered > 0


def test_the_mirror_image_is_shown_where_a_network_sees_it(hopper: bytes) -> None:
    (face,) = explained(hopper, traits="mask").faces
    traits, identity = (reading.inputs for reading in face.readings)
    assert [picture.what for picture in traits] == ["input-colour"]
    taken, mirrored = (decode(picture.data, max_megapixels=1).pixels for picture in identity)
    assert (taken[:, ::-1] == mirrored).all()
    assert traits[0].facts["order"] == "RGB"


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_photo_on_its_side_is_shown_upright_and_its_boxes_are_in_the_photo_as_it_is(
    hopper: bytes, degrees: int
) -> None:
    upright, photo = explained(hopper, traits="none"), explained(turned(hopper, degrees), traits="none")
    assert photo.found.turned == degrees
    assert photo.size == upright.size == (512, 600)
    assert photo.boxes == pytest.approx(upright.boxes, abs=12)
    assert photo.faces[0].landmarks == pytest.approx(upright.faces[0].landmarks, abs=6)
    assert photo.faces[0].frame == pytest.approx(upright.faces[0].frame, abs=16)
    (face,) = mien.look(turned(hopper, degrees), traits="none")
    assert photo.as_json()["faces"][0]["box"] == face.as_json()["box"]
    assert "turned clockwise" in Explanation((photo,)).fragment("en")


def test_what_was_too_weak_for_a_face_is_shown_where_it_lies(astronaut: bytes) -> None:
    pixels = decode(astronaut, max_megapixels=1).pixels[0:280, 100:380]
    line = next(line for line in map(_line, _fading(pixels)) if line["weak"] and not line["faces"])
    assert line["rejected"]["reason"] == "no-face"
    (weak,) = line["weak"]
    assert 0.4 <= weak["score"] < 0.6
    x1, y1, x2, y2 = weak["box"]
    assert x1 < 128 < x2
    assert y1 < 120 < y2


def _fading(pixels: Pixels) -> Sequence[Pixels]:
    """A face that can be seen less and less."""
    blurred = [cv2.GaussianBlur(pixels, (0, 0), sigma) for sigma in range(40, 4, -1)]
    return [np.asarray(picture, np.uint8) for picture in blurred]


def _line(pixels: Pixels) -> dict[str, Any]:
    (line,) = mien.explain(pixels, traits="none", workers=1).as_json()
    return line


def test_a_photo_without_a_face_shows_how_close_the_best_candidate_came(astronaut: bytes) -> None:
    pixels = decode(astronaut, max_megapixels=1).pixels[250:, :]
    explanation = mien.explain(pixels, traits="none", detector="mtcnn")
    (line,) = explanation.as_json()
    assert (line["faces"], line["weak"], line["rejected"]["reason"]) == ([], [], "no-face")
    assert "No face was found." in explanation.fragment("en")


def test_the_gradients_are_drawn_where_that_detector_is_asked_for(
    hopper: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dlib")
    found = mien.explain(hopper, traits="none", detector="hog")
    assert "Gradients" in found.fragment("en")
    assert "Gradients" not in mien.explain(hopper, traits="none").fragment("en")
    monkeypatch.setattr("mien.flows.explain.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'mien\[demo\]'"):
        mien.explain(hopper, traits="none", detector="hog")


def test_views_and_points_that_dlib_is_needed_for_are_left_out_without_it(
    hopper: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dlib")
    (face,) = explained(hopper, traits="none").faces
    assert face.contours is not None
    assert face.contours.shape == (68, 2)
    assert [view.facts["name"] for view in face.views] == ["openface", "dlib", "arcface", "fer", "box"]
    monkeypatch.setenv("MIEN_LICENCE", "commercial")
    (face,) = explained(hopper, traits="none").faces
    assert face.contours is None
    assert [view.facts["name"] for view in face.views] == ["dlib", "arcface", "fer", "box"]


def test_only_the_first_faces_of_a_crowd_are_followed(hopper: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.pipeline.explain.MOST_FACES", 1)
    pixels = decode(hopper, max_megapixels=1).pixels
    explanation = mien.explain(np.concatenate([pixels, pixels], axis=1), traits="mask")
    (line,) = explanation.as_json()
    assert [sorted(face.keys() & {"score", "traits"}) for face in line["faces"]] == [["score", "traits"], ["score"]]
    assert "1 more faces have a box only" in explanation.fragment("en")


def test_faces_already_cut_need_no_detector(album: Path, people: Path, tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    mien.align(album / "photos", faces, view="dlib", workers=1)
    with pytest.warns(mien.MienWarning):
        mien.train(faces, tmp_path / "cut.mien", faces="cut", workers=1)
    photo = explained(next(faces.rglob("*.jpg")), bundle=tmp_path / "cut.mien")
    assert photo.detector == ""
    assert photo.as_json()["faces"][0]["label"] in ("Eileen Collins", "Grace Hopper")
    assert "already cut" in Explanation((photo,)).fragment("en")


def test_somebody_who_is_enrolled_is_named(hopper: bytes) -> None:
    pytest.importorskip("sqlalchemy")
    mien.enroll("Grace <Hopper>", [hopper])
    explanation = mien.explain(hopper, traits="none")
    assert explanation.as_json()[0]["faces"][0]["person"]["name"] == "Grace <Hopper>"
    assert "Grace &lt;Hopper&gt;, distance 0.00" in explanation.fragment("en")


def test_the_page_stands_alone_and_holds_both_languages(hopper: bytes, tmp_path: Path) -> None:
    broken = tmp_path / "<i>.jpg"
    broken.write_bytes(hopper[:1000])
    (tmp_path / "hopper.jpg").write_bytes(hopper)
    explanation = mien.explain(tmp_path, out=tmp_path / "out", traits="mask,gender", language="ko")
    assert explanation.page == tmp_path / "out" / "explain.html"
    text = explanation.page.read_text("utf-8")
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in text
    assert not re.findall(r"<script|\son\w+=|(?:src|href)=\"(?!data:)|<i>", text)
    assert 'id="ko" checked' in text
    assert '<span class="said" lang="en">Mask</span><span class="said" lang="ko">마스크</span>' in text
    lines = {Path(line["image"]).name: line for line in explanation.as_json()}
    assert lines["<i>.jpg"]["rejected"]["reason"] == "unreadable"
    assert {line["page"] for line in lines.values()} == {str(explanation.page)}
    assert len(explanation) == 2
    assert explanation._repr_html_().startswith("<style>")
    english, korean = (explanation.fragment(language) for language in LANGUAGES)
    assert not re.search("[가-힣]", english)
    assert "said" not in english + korean


def test_every_text_is_there_in_both_languages_and_is_used() -> None:
    import tomllib

    texts = tomllib.loads(template_text("explain.toml"))
    for key, (english, korean) in texts.items():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", korean)), key
        assert re.search("[가-힣%]", korean), key
    templates = template_text("explain.html") + template_text("explained.html")
    named = set(re.findall(r"'([a-z-]+)'", templates))
    steps = {"upright", "grey", "gradients", "view", "input", "input-colour", "mirror"}
    assert set(texts) - named <= steps | {f"{step}-title" for step in steps}


def test_what_cannot_be_done_is_a_sentence(hopper: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--language fr: use 'en' or 'ko'"):
        mien.explain(hopper, language="fr")
    with pytest.raises(DataError, match="101 photos are too many for one page"):
        mien.explain([hopper] * 101)
    with pytest.raises(UnknownName, match="no built-in trait called 'mood'"):
        mien.explain(hopper, traits="mood")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="could not be written"):
        mien.explain(hopper, out=tmp_path / "file")
    tiny = encode(np.zeros((4, 4, 3), np.uint8), "png")
    assert mien.explain(tiny, traits="none", detector="haar").as_json()[0]["rejected"]["reason"] == "no-face"
