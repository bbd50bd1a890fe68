"""What several verdicts on a photo come to, and which photo is meant."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from mien.curate.decisions import Decided, Decision, decide, spelt
from mien.curate.verdicts import Verdict
from mien.errors import DataError

TABLE, ROOT = Path("verdicts.csv"), Path("/data")
LABELS = {"Ana/1.jpg": "Ana", "Ana/2.jpg": "Ana", "Bo/é.jpg": "Bo", "loose.jpg": None}
BOX, OTHER = (1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0)
KEEP, OPEN, DROP = (Verdict("Ana/1.jpg", "Ana", word) for word in ("keep", "", "drop"))
TO_BO, TO_CY = (Verdict("Ana/1.jpg", "Ana", "move", to) for to in ("Bo", "Cy"))
FACE, OTHER_FACE = (Verdict("Ana/1.jpg", "Ana", "face", None, box) for box in (BOX, OTHER))


def decided(*verdicts: Verdict) -> Decided:
    return decide(verdicts, LABELS, TABLE, ROOT)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([KEEP], Decision()),
        ([OPEN], Decision()),
        ([DROP], Decision(drop=True)),
        ([TO_BO], Decision(to="Bo")),
        ([FACE], Decision(box=BOX)),
        ([KEEP, TO_BO, OPEN], Decision(to="Bo")),
        ([TO_BO, DROP, KEEP], Decision(drop=True)),
        ([TO_BO, TO_BO], Decision(to="Bo")),
        ([FACE, TO_BO], Decision(to="Bo", box=BOX)),
        ([TO_BO, TO_CY, DROP], Decision(drop=True)),
        ([Verdict("Ana/1.jpg", "Ana", "move", "Ana")], Decision()),
        ([Verdict("Ana/1.jpg", "Ana", "move", "bO")], Decision(to="Bo")),
    ],
)
def test_the_stronger_of_several_verdicts_on_a_photo_wins(verdicts: list[Verdict], expected: Decision) -> None:
    assert decided(*verdicts) == Decided({"Ana/1.jpg": expected}, [])
    assert expected.changes == (expected != Decision())


@pytest.mark.parametrize(("pair", "what"), [((TO_BO, TO_CY), "labels"), ((FACE, OTHER_FACE), "faces")])
def test_verdicts_that_contradict_each_other_are_named_by_their_lines(pair: tuple[Verdict, Verdict], what: str) -> None:
    first, second = (
        Verdict(v.path, v.label, v.verdict, v.to, v.box, v.kind, line) for line, v in zip((3, 9), pair, strict=True)
    )
    with pytest.raises(DataError, match=rf"lines 3 and 9 of verdicts\.csv name different {what} for Ana/1\.jpg"):
        decided(first, KEEP, second)


@pytest.mark.parametrize("path", ["Ana/1.jpg", "./Ana/1.jpg", " Ana/1.jpg", "/data/Ana/1.jpg", "Ana//1.jpg"])
def test_a_path_written_by_hand_is_understood(path: str) -> None:
    assert decided(Verdict(path, None, "drop")) == Decided({"Ana/1.jpg": Decision(drop=True)}, [])


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_path_may_stand_in_either_form_of_unicode(form: str) -> None:
    path = unicodedata.normalize(form, "Bo/é.jpg")  # type: ignore[arg-type]
    assert decided(Verdict(path, None, "drop")).photos == {"Bo/é.jpg": Decision(drop=True)}


def test_a_key_as_it_stands_goes_before_any_reading_of_it() -> None:
    labels = {unicodedata.normalize("NFD", "é"): "a", "é": "b", " x": "c", "x": "d", "../out.jpg": "e"}
    for key in labels:
        assert decide([Verdict(key, None, "drop")], labels, TABLE, ROOT).photos == {key: Decision(drop=True)}


@pytest.mark.parametrize("path", ["Ana/3.jpg", "ana/1.jpg", "1.jpg", "/elsewhere/Ana/1.jpg", "../data/Ana/1.jpg"])
def test_verdicts_on_photos_that_are_not_there_are_handed_back(path: str) -> None:
    verdict = Verdict(path, None, "drop")
    assert decided(verdict) == Decided({}, [verdict])


@pytest.mark.parametrize(
    ("label", "known", "expected"),
    [
        ("bob", ["Bob", "Ana"], "Bob"),
        ("bob", ["Bob", "bob"], "bob"),
        ("STRASSE", ["Straße"], "Straße"),
        (unicodedata.normalize("NFD", "Zoë"), ["Zoë"], "Zoë"),
        ("New", ["Bob"], "New"),
    ],
)
def test_a_label_is_taken_for_the_one_that_is_spelt_alike(label: str, known: list[str], expected: str) -> None:
    assert spelt(label, known) == expected
