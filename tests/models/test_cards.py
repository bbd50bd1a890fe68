from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError
from importlib.resources import files

import pytest

from mien.alignment.views import VIEWS
from mien.errors import UnknownName
from mien.models import CARDS, get_card
from mien.models.cards import (
    BUILT_IN,
    Card,
    CardGroup,
    Conversion,
    Download,
    Graft,
    ManualFile,
    PackageFile,
    Quantisation,
    Truncation,
)

NAMES = {
    "dlib-resnet",
    "dlib-resnet-int8",
    "dlib-resnet-block",
    "traits",
    "expression-features",
    "mtcnn",
    "mtcnn-pnet",
    "mtcnn-rnet",
    "mtcnn-onet",
    "dlib-landmarks-5",
    "dlib-landmarks-68",
    "hog",
    "haar",
    "yunet",
    "sface",
    "arcface",
    "scrfd",
    "mobilefacenet",
}


def is_sha256(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def test_the_names_that_other_rooms_use_are_there() -> None:
    assert set(BUILT_IN) == NAMES


@pytest.mark.parametrize("found", BUILT_IN.values(), ids=BUILT_IN)
def test_a_card_says_what_a_user_must_know(found: Card) -> None:
    assert found.kind in ("detector", "embedder", "landmarks")
    assert found.commercial in ("yes", "no", "unknown")
    assert found.title
    assert found.licence
    assert found.data


@pytest.mark.parametrize("found", BUILT_IN.values(), ids=BUILT_IN)
def test_every_file_has_a_checksum(found: Card) -> None:
    match found.source:
        case (
            PackageFile(sha256=digest)
            | Conversion(file=PackageFile(sha256=digest))
            | Graft(file=PackageFile(sha256=digest))
            | Download(sha256=digest)
        ):
            assert is_sha256(digest)
        case ManualFile(hint):
            assert hint
    assert all(is_sha256(known.sha256) for known in found.known)


@pytest.mark.parametrize("found", BUILT_IN.values(), ids=BUILT_IN)
def test_a_card_that_refers_to_others_refers_to_cards(found: Card) -> None:
    match found.source:
        case CardGroup(cards):
            assert set(cards) <= set(BUILT_IN)
        case Truncation(other) | Graft(other):
            assert other in BUILT_IN
        case Quantisation(other, ranges):
            assert other in BUILT_IN
            assert json.loads(files("mien.models").joinpath(ranges).read_text())["ranges"]


@pytest.mark.parametrize("found", [c for c in BUILT_IN.values() if c.kind == "embedder"], ids=lambda c: c.name)
def test_an_embedder_says_what_it_takes_and_gives(found: Card) -> None:
    assert found.dim == math.prod(found.layout) if found.layout else found.dim in (128, 256, 512)
    assert found.input is not None
    assert found.input.view in VIEWS
    assert found.input.size in (48, 112, 150)
    assert 0 < found.input.scale <= 1


def test_no_checksum_belongs_to_two_cards() -> None:
    digests = [known.sha256 for found in BUILT_IN.values() for known in found.known]
    assert len(digests) == len(set(digests))


def test_downloads_come_from_their_owners_over_https() -> None:
    owners = ("https://github.com/ShiqiYu/", "https://github.com/opencv/", "https://github.com/deepinsight/")
    downloads = [found.source for found in BUILT_IN.values() if isinstance(found.source, Download)]
    assert downloads
    assert all(source.url.startswith(owners) and source.bytes > 0 for source in downloads)


def test_licences_that_exclude_commercial_use_are_marked() -> None:
    assert {name for name, found in BUILT_IN.items() if found.commercial == "no"} == {
        "dlib-landmarks-68",
        "scrfd",
        "arcface",
        "expression-features",
    }
    assert get_card("mobilefacenet").commercial == "unknown"


def test_a_card_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        get_card("yunet").commercial = "no"  # type: ignore[misc]
    with pytest.raises(TypeError):
        CARDS["mine"] = get_card("yunet")  # type: ignore[index]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        UnknownName, match=r"no weights called 'yunnet'; did you mean yunet\? \(there are: dlib-resnet,"
    ):
        get_card("yunnet")
