"""What is printed: strangers' names stay words, on any terminal, and one result stays one line of JSON."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Any, Protocol

import pytest

from mien.cli.output import Output
from mien.types import Origin, Reason, Rejected


class Said(Protocol):
    def __call__(self, *results: tuple[dict[str, Any], str], json: bool = False, encoding: str = "utf-8") -> str: ...


_BROKEN = os.fsdecode(b"caf\xe9.jpg")


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    """What results look like on a stdout of some encoding that fails at anything else."""

    def collect(*results: tuple[dict[str, Any], str], json: bool = False, encoding: str = "utf-8") -> str:
        buffer = io.BytesIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding, "strict", write_through=True))
            for fields, text in results:
                Output(json=json).record(fields, text)
            return buffer.getvalue().decode(encoding)

    return collect


def test_control_characters_in_a_result_are_spelt_out(said: Said) -> None:
    assert said(({}, "\x1b]0;owned\x07a.jpg: \u202egpj")) == "\\x1b]0;owned\\x07a.jpg: \\u202egpj\n"


def test_a_line_break_in_a_name_is_spelt_out_and_one_of_the_text_stays(said: Said) -> None:
    name = "a\nmien: all is well"
    shown = said(({"image": name, "top": [{"label": "b\nc"}]}, f"{name}: b\nc\n  two faces"))
    assert shown.splitlines() == [r"a\nmien: all is well: b\nc", "  two faces"]


def test_a_file_name_that_is_not_utf_8_is_printed(said: Said) -> None:
    assert said(({"image": _BROKEN}, f"{_BROKEN}: Zo\xeb")) == "caf\\xe9.jpg: Zo\xeb\n"


def test_a_file_name_that_is_not_utf_8_comes_back_out_of_json(said: Said) -> None:
    assert os.fsencode(json.loads(said(({"image": _BROKEN}, ""), json=True))["image"]) == b"caf\xe9.jpg"


@pytest.mark.parametrize("name", ["\x1b[31m", "a\nb", "\x9b31m", "\u202egpj", "\ud800", "\u2028"])
def test_json_is_one_line_that_no_terminal_acts_on(said: Said, name: str) -> None:
    [line] = said(({name: name}, ""), json=True).splitlines()
    assert json.loads(line) == {name: name}
    assert line.isprintable()


def test_json_stays_readable_where_it_can(said: Said) -> None:
    assert said(({"label": "김민수"}, ""), json=True) == '{"label": "김민수"}\n'


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_with_few_letters_gets_the_others_spelt_out(said: Said, encoding: str) -> None:
    result = ({"label": "김 \U0001f600"}, "김 \U0001f600")
    assert said(result, encoding=encoding) == "\\uae40 \\U0001f600\n"
    assert json.loads(said(result, json=True, encoding=encoding)) == {"label": "김 \U0001f600"}


def test_names_in_notes_are_spelt_out(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output()
    out.note("\nstep one\x1b[2J")
    out.notes(["left out: a\nb"])
    out.rejections([Rejected(Origin("x\n\x1b[31m"), "decode", Reason.EMPTY)])
    said = capsys.readouterr().err
    assert said.splitlines()[:3] == ["", r"step one\x1b[2J", r"note: left out: a\nb"]
    assert r"(x\n\x1b[31m)" in said


def test_who_asked_for_quiet_gets_results_only(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(quiet=True)
    out.note("a word")
    out.notes(["another"])
    out.rejections([Rejected(Origin("x"), "decode", Reason.EMPTY)])
    out.record({}, "a result")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("a result\n", "")
