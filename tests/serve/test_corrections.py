"""A label that was put right is kept with its face alone, can be trained on, and can be removed."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from mien.data import open_data
from mien.errors import DataError
from mien.serve.corrections import CorrectionStore, cut_face
from mien.serve.settings import ServiceConfig, ServiceLimits
from tests.conftest import Mien
from tests.serve.conftest import Served, Serving, parts

pytestmark = pytest.mark.anyio

BOX = "177.1,114.6,350.2,328.6"
SAID = {"about": "mask", "label": "with_mask", "was": "without_mask", "box": BOX, "consent": "by word of mouth"}


async def test_a_correction_is_kept_with_its_face_and_exported(served: Served, hopper: bytes, tmp_path: Path) -> None:
    correction = (await served.http.post("/v1/corrections", data=SAID, files=parts(("a.jpg", hopper)))).json()
    assert {name: correction[name] for name in ("about", "label", "was", "consent")} == {
        name: SAID[name] for name in ("about", "label", "was", "consent")
    }
    await served.http.post("/v1/corrections", data={**SAID, "about": "glasses"}, files=parts(("a.jpg", hopper)))
    answer = await served.http.get("/v1/corrections/export?about=mask")
    file = tmp_path / "corrections.parquet"
    file.write_bytes(answer.content)
    data = open_data(file)
    (ref,) = data.refs
    assert ref.origin.label == "with_mask"
    assert ref.data is not None
    with Image.open(io.BytesIO(ref.data)) as face:
        assert face.size == (346, 428)  # the box, and half of it on each side
        assert not face.getexif()
    assert [line["action"] for line in served.audited()] == ["correct", "correct", "export"]


async def test_a_face_that_was_kept_is_found_again(served: Served, hopper: bytes, mien: Mien) -> None:
    correction = (await served.http.post("/v1/corrections", data=SAID, files=parts(("a.jpg", hopper)))).json()
    picture = served.app.state.service.config.corrections / f"{correction['id']}.jpg"
    assert len(mien("look", picture, "--traits", "none", "--detector", "mtcnn", "--json").last["faces"]) == 1


async def test_what_was_corrected_can_be_trained_on(served: Served, album: Path, mien: Mien, tmp_path: Path) -> None:
    for name in ("Grace Hopper", "Eileen Collins"):
        for photo in sorted((album / "photos" / name).iterdir())[:6]:
            with Image.open(photo) as picture:
                box = f"{picture.width / 4},{picture.height / 4},{picture.width * 3 / 4},{picture.height * 3 / 4}"
            fields = {"about": "person", "label": name, "box": box, "consent": "for tests"}
            answer = await served.http.post(
                "/v1/corrections", data=fields, files=parts((photo.name, photo.read_bytes()))
            )
            assert answer.status_code == 201, answer.text
    file = tmp_path / "people.parquet"
    file.write_bytes((await served.http.get("/v1/corrections/export?about=person")).content)
    ran = mien("train", file, "--out", tmp_path / "again.mien", "--detector", "mtcnn", "--json")
    assert ran.code == 0, ran.err
    assert ran.last["labels"] == ["Eileen Collins", "Grace Hopper"]


async def test_a_correction_can_be_removed_and_only_that(served: Served, hopper: bytes, tmp_path: Path) -> None:
    correction = (await served.http.post("/v1/corrections", data=SAID, files=parts(("a.jpg", hopper)))).json()
    folder = served.app.state.service.config.corrections
    (tmp_path / "service" / "x.json").write_text("{}")
    assert (await served.http.delete("/v1/corrections/..%2Fx")).status_code in (404, 422)
    assert (await served.http.delete("/v1/corrections/x")).status_code == 404
    export = await served.http.delete("/v1/corrections/export")
    assert (export.status_code, export.headers["allow"]) == (405, "GET")
    assert (await served.http.delete(f"/v1/corrections/{correction['id']}")).status_code == 204
    assert (await served.http.delete(f"/v1/corrections/{correction['id']}")).status_code == 404
    assert list(folder.iterdir()) == []
    assert (await served.http.get("/v1/corrections/export?about=mask")).status_code == 404


async def test_what_cannot_be_kept_is_refused(served: Served, hopper: bytes) -> None:
    async def status(photo: bytes = hopper, **changed: str) -> int:
        fields = {name: value for name, value in {**SAID, **changed}.items() if value != "-"}
        return (await served.http.post("/v1/corrections", data=fields, files=parts(("a", photo)))).status_code

    assert await status(consent="-") == 422
    assert await status(consent="  ") == 422
    assert await status(label="") == 422
    assert await status(label="a\nb\x00") == 409
    assert await status(about="nothing") == 404
    assert await status(about="../mask") == 404
    assert await status(photo=b"broken") == 409
    for box in ("1,2,3", "a,b,c,d", "nan,nan,nan,nan", "inf,0,1,1", "1,2,3,4\n", "1e99,0,1,1"):
        assert await status(box=box) == 422, box
    for box in ("600,0,700,100", "10,10,5,5", "-50,-50,-10,-10"):
        assert await status(box=box) == 409, box
    assert list(served.app.state.service.config.corrections.glob("*")) == []
    assert await status(was="-") == 201


async def test_there_is_an_end_to_what_is_kept(serving: Serving, config: ServiceConfig, hopper: bytes) -> None:
    async with serving(replace(config, limits=ServiceLimits(corrections=1))) as served:
        sent = parts(("a", hopper))
        assert (await served.http.post("/v1/corrections", data=SAID, files=sent)).status_code == 201
        assert (await served.http.post("/v1/corrections", data=SAID, files=sent)).status_code == 409


def test_a_picture_whose_line_was_never_written_is_no_correction(tmp_path: Path) -> None:
    store = CorrectionStore(tmp_path, 10)
    correction = store.add("mask", "with_mask", "", "yes", b"picture")
    (tmp_path / "0123456789abcdef.jpg").write_bytes(b"left by a kill")
    assert store.all() == [correction]
    assert store.all("glasses") == []


def test_a_large_face_is_kept_smaller(hopper: bytes) -> None:
    with Image.open(io.BytesIO(hopper)) as picture:
        buffer = io.BytesIO()
        picture.resize((4096, 4800)).save(buffer, "JPEG")
    face = cut_face(buffer.getvalue(), (500, 500, 3500, 4500), 100)
    with Image.open(io.BytesIO(face)) as picture:
        assert max(picture.size) <= 800


def test_a_photo_over_the_limit_is_not_decoded(hopper: bytes) -> None:
    with pytest.raises(DataError, match="cannot be used"):
        cut_face(hopper, (0, 0, 100, 100), 0.1)
