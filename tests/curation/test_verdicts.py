"""Verdicts: the table, and what all of them mean for each photo."""

from __future__ import annotations

import csv
import io
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.curation.findings import DROP, KEEP, Finding, Kind
from mien.curation.verdicts import (
    COLUMNS,
    Decision,
    Decisions,
    Verdict,
    decide,
    match_label,
    propose_verdict,
    propose_verdicts,
    read_verdicts,
    write_verdicts,
)
from mien.errors import DataError

# The table of verdicts is read as spreadsheets write it, and what cannot be meant is told with its line.


HEAD = "path,label,verdict,to,box,kind\n"
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


def table(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "verdicts.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def finding(proposed: str, kind: Kind = Kind.WRONG_PERSON, sure: float = 0.9, **fields: Any) -> Finding:
    return replace(Finding(kind, "Ana/1.jpg", "Ana", proposed, sure, ""), **fields)


def test_a_line_says_what_shall_become_of_a_photo(tmp_path: Path) -> None:
    lines = (
        "Ana/1.jpg,Ana,drop,,,copy\n"
        "Ana/2.jpg,Ana,move,Bo,,wrong-person\n"
        "Ana/3.jpg,Ana,face,,10.5 20 110.5 140,many-faces\n"
        "Ana/4.jpg,Ana,keep,,,blurred\n"
        "Ana/5.jpg,,,,,\n"
        "Ana/6.jpg,Ana,turn,270,,turned-photo\n"
        "Ana/7.jpg,Ana,turn,-90,,\n"
    )
    assert read_verdicts(table(tmp_path, HEAD + lines)) == [
        Verdict("Ana/1.jpg", "Ana", "drop", kind="copy"),
        Verdict("Ana/2.jpg", "Ana", "move", "Bo", kind="wrong-person"),
        Verdict("Ana/3.jpg", "Ana", "face", None, (10.5, 20, 110.5, 140), "many-faces"),
        Verdict("Ana/4.jpg", "Ana", "keep", kind="blurred"),
        Verdict("Ana/5.jpg", None, ""),
        Verdict("Ana/6.jpg", "Ana", "turn", "270", kind="turned-photo"),
        Verdict("Ana/7.jpg", "Ana", "turn", "270"),
    ]
    assert [verdict.line for verdict in read_verdicts(tmp_path / "verdicts.csv")] == [2, 3, 4, 5, 6, 7, 8]


def test_columns_may_stand_in_any_order_beside_others(tmp_path: Path) -> None:
    text = 'Verdict,my notes,PATH\ndrop,"blurred, I think",Ana/1.jpg\n'
    assert read_verdicts(table(tmp_path, text)) == [Verdict("Ana/1.jpg", None, "drop")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_it_is_read_as_spreadsheets_of_the_world_save_it(tmp_path: Path, delimiter: str, mark: bytes, end: str) -> None:
    rows = [COLUMNS, ("Ana/1, or 2; or 3.jpg", "Ana", " Drop ", "", "", "copy"), ("", "", "", "", "", "")]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(
        [*rows, ("김/ü.jpg", "김", "MOVE", "이", "", "x")]
    )
    found = read_verdicts(table(tmp_path, mark + text.getvalue().encode()))
    expected = [
        Verdict("Ana/1, or 2; or 3.jpg", "Ana", "drop", kind="copy"),
        Verdict("김/ü.jpg", "김", "move", "이", kind="x"),
    ]
    assert found == expected


def test_labels_are_brought_into_the_form_in_which_data_is_read(tmp_path: Path) -> None:
    text = HEAD + unicodedata.normalize("NFD", "Ana/1.jpg,Ana,move,Zoë,,x\n")
    assert read_verdicts(table(tmp_path, text))[0].to == unicodedata.normalize("NFC", "Zoë")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Ana/1.jpg,Ana,delete,,,x", "line 3 of .*: 'delete' is not a verdict: use keep, drop, move, face, turn"),
        ("Ana/1.jpg,Ana,move,,,x", "line 3 of .*: 'move' needs the new label"),
        ("Ana/1.jpg,Ana,face,,,x", "line 3 of .*: the box of a face is four numbers, x1 y1 x2 y2, not ''"),
        ("Ana/1.jpg,Ana,face,,1 2 3,x", "line 3 of .*: the box of a face is four numbers"),
        ("Ana/1.jpg,Ana,face,,9 2 3 4,x", "line 3 of .*: the box '9 2 3 4' is empty"),
        ("Ana/1.jpg,Ana,face,,1 2 inf nan,x", "line 3 of .*: the box '1 2 inf nan' is empty"),
        ("Ana/1.jpg,Ana,turn,45,,x", "line 3 of .*: 'turn' needs degrees clockwise, 90, 180 or 270, .* not '45'"),
        ("Ana/1.jpg,Ana,turn,left,,x", "line 3 of .*: 'turn' needs degrees clockwise"),
        ("Ana/1.jpg,Ana,turn,,,x", "line 3 of .*: 'turn' needs degrees clockwise"),
        (",Ana,drop,,,x", "line 3 of .*: it names no photo"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_line(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_verdicts(table(tmp_path, f"{HEAD}Ana/0.jpg,Ana,keep,,,x\n{line}\n"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", r"has no column path \(its columns: none\)"),
        (b"photo,verdict\na,drop\n", r"has no column path \(its columns: photo, verdict\)"),
        (b"path,label\na,b\n", r"has no column verdict"),
        ("path,verdict\nü.jpg,drop\n".encode("cp1252"), "are not text in UTF-8: save them as 'CSV UTF-8'"),
        ("path,verdict\nü.jpg,drop\n".encode("utf-16"), "are not text in UTF-8"),
        (b"path,verdict\n" + b"x" * 200_000 + b",drop\n", "line 2 of .* cannot be read as CSV"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused_in_one_sentence(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_verdicts(table(tmp_path, content))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read the verdicts .*gone\.csv: No such file"):
        read_verdicts(tmp_path / "gone.csv")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (finding(DROP), Verdict("Ana/1.jpg", "Ana", "drop", kind="wrong-person")),
        (finding(KEEP), Verdict("Ana/1.jpg", "Ana", "keep", kind="wrong-person")),
        (finding("Bo"), Verdict("Ana/1.jpg", "Ana", "move", "Bo", kind="wrong-person")),
        (finding("Ana"), Verdict("Ana/1.jpg", "Ana", "keep", kind="wrong-person")),
        (finding("face 1", box=(1, 2, 3, 4)), Verdict("Ana/1.jpg", "Ana", "face", None, (1, 2, 3, 4), "wrong-person")),
        (finding("face 1"), Verdict("Ana/1.jpg", "Ana", "move", "face 1", kind="wrong-person")),  # a label of that name
        (finding("turn 90", Kind.TURNED_PHOTO), Verdict("Ana/1.jpg", "Ana", "turn", "90", kind="turned-photo")),
        (finding("turn 90"), Verdict("Ana/1.jpg", "Ana", "move", "turn 90", kind="wrong-person")),  # a label, too
        (finding(KEEP, Kind.FEW, path=None), None),
    ],
)
def test_a_proposal_becomes_a_verdict(given: Finding, expected: Verdict | None) -> None:
    assert propose_verdict(given) == expected


def test_a_table_of_proposals_can_be_followed_as_it_is(tmp_path: Path) -> None:
    findings = [
        finding("Bo", sure=0.7),
        finding("Cy", Kind.LABEL_SUSPECT, sure=0.8),
        finding(DROP, Kind.BLURRED, sure=0.1),
        finding("Bo", sure=0.2, path="Ana/2.jpg"),
        finding(KEEP, Kind.IMBALANCE, path=None),
    ]
    read = read_verdicts(table(tmp_path, write_verdicts(propose_verdicts(findings))))
    assert [(v.path, v.verdict, v.to) for v in read] == [
        ("Ana/1.jpg", "", "Bo"),
        ("Ana/1.jpg", "move", "Cy"),
        ("Ana/1.jpg", "drop", None),
        ("Ana/2.jpg", "move", "Bo"),
    ]


def test_what_a_person_decided_is_written_as_it_was_decided(tmp_path: Path) -> None:
    verdicts = [Verdict("a", "x", "move", "Bo"), Verdict("a", "x", "move", "Cy"), Verdict("b", None, "")]
    assert read_verdicts(table(tmp_path, write_verdicts(verdicts))) == verdicts


def test_a_spreadsheet_sees_utf_8_and_computes_nothing(tmp_path: Path) -> None:
    path = '=HYPERLINK("http://example.org")/1.jpg'
    made = write_verdicts([Verdict(path, "'-x", "move", "+1")])
    assert made.startswith(b"\xef\xbb\xbfpath,label,verdict")
    rows = list(csv.reader(io.StringIO(made.decode("utf-8-sig"))))
    assert not [cell for cell in rows[1] if cell.startswith(("=", "+", "-", "@"))]
    assert read_verdicts(table(tmp_path, made)) == [Verdict(path, "'-x", "move", "+1")]


@given(path=TEXT.filter(str.strip), to=TEXT.map(str.strip).filter(bool), line=st.sampled_from(["", "'", "=", "''="]))
def test_any_name_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, path: str, to: str, line: str) -> None:
    verdict = Verdict(line + path, None, "move", unicodedata.normalize("NFC", line + to).strip())
    folder = tmp_path_factory.mktemp("names")
    assert read_verdicts(table(folder, write_verdicts([verdict]))) == [verdict]


# What several verdicts on a photo come to, and which photo is meant.


TABLE, ROOT = Path("verdicts.csv"), Path("/data")
LABELS = {"Ana/1.jpg": "Ana", "Ana/2.jpg": "Ana", "Bo/é.jpg": "Bo", "loose.jpg": None}
BOX, OTHER = (1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0)
KEPT, UNDECIDED, DROPPED = (Verdict("Ana/1.jpg", "Ana", word) for word in ("keep", "", "drop"))
TO_BO, TO_CY = (Verdict("Ana/1.jpg", "Ana", "move", to) for to in ("Bo", "Cy"))
LEFT, RIGHT = (Verdict("Ana/1.jpg", "Ana", "turn", degrees) for degrees in ("270", "90"))
FACE, OTHER_FACE = (Verdict("Ana/1.jpg", "Ana", "face", None, box) for box in (BOX, OTHER))


def decided(*verdicts: Verdict) -> Decisions:
    return decide(verdicts, LABELS, TABLE, ROOT)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([KEPT], Decision()),
        ([UNDECIDED], Decision()),
        ([DROPPED], Decision(drop=True)),
        ([TO_BO], Decision(to="Bo")),
        ([FACE], Decision(box=BOX)),
        ([KEPT, TO_BO, UNDECIDED], Decision(to="Bo")),
        ([TO_BO, DROPPED, KEPT], Decision(drop=True)),
        ([TO_BO, TO_BO], Decision(to="Bo")),
        ([FACE, TO_BO], Decision(to="Bo", box=BOX)),
        ([LEFT], Decision(turn=270)),
        ([LEFT, KEPT, LEFT, FACE, TO_BO], Decision(to="Bo", box=BOX, turn=270)),
        ([LEFT, DROPPED], Decision(drop=True)),
        ([TO_BO, TO_CY, DROPPED], Decision(drop=True)),
        ([Verdict("Ana/1.jpg", "Ana", "move", "Ana")], Decision()),
        ([Verdict("Ana/1.jpg", "Ana", "move", "bO")], Decision(to="Bo")),
    ],
)
def test_the_stronger_of_several_verdicts_on_a_photo_wins(verdicts: list[Verdict], expected: Decision) -> None:
    assert decided(*verdicts) == Decisions({"Ana/1.jpg": expected}, [])
    assert expected.changes == (expected != Decision())


@pytest.mark.parametrize(
    ("pair", "what"), [((TO_BO, TO_CY), "labels"), ((FACE, OTHER_FACE), "faces"), ((LEFT, RIGHT), "angles")]
)
def test_verdicts_that_contradict_each_other_are_named_by_their_lines(pair: tuple[Verdict, Verdict], what: str) -> None:
    first, second = (
        Verdict(v.path, v.label, v.verdict, v.to, v.box, v.kind, line) for line, v in zip((3, 9), pair, strict=True)
    )
    with pytest.raises(DataError, match=rf"lines 3 and 9 of verdicts\.csv name different {what} for Ana/1\.jpg"):
        decided(first, KEPT, second)


@pytest.mark.parametrize("path", ["Ana/1.jpg", "./Ana/1.jpg", " Ana/1.jpg", "/data/Ana/1.jpg", "Ana//1.jpg"])
def test_a_path_written_by_hand_is_understood(path: str) -> None:
    assert decided(Verdict(path, None, "drop")) == Decisions({"Ana/1.jpg": Decision(drop=True)}, [])


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
    assert decided(verdict) == Decisions({}, [verdict])


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
    assert match_label(label, known) == expected
