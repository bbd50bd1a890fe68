"""The options of each verb are those of its public function, so that what works in the shell works in Python."""

from __future__ import annotations

from inspect import signature
from typing import Any

import pytest

import mien
from mien.cli import (
    align,
    augment,
    check,
    classify,
    clean,
    embed,
    evaluate,
    explain,
    gallery,
    look,
    models,
    sort,
    study,
    train,
    verify,
)

VERBS: list[tuple[Any, Any]] = [
    (align.align, mien.align),
    (augment.augment, mien.augment),
    (check.check, mien.check),
    (classify.classify, mien.classify),
    (clean.clean, mien.clean),
    (embed.embed, mien.embed),
    (evaluate.evaluate, mien.evaluate),
    (explain.explain, mien.explain),
    (gallery.enroll, mien.Gallery.enroll),
    (gallery.identify, mien.Gallery.identify),
    (look.look, mien.look),
    (models.add, mien.add_model),
    (sort.sort, mien.sort),
    (study.study, mien.study),
    (train.train, mien.train),
    (verify.verify, mien.verify),
]
OF_THE_SHELL = {"json", "quiet", "no_cache", "top", "src", "report", "verdicts", "move"}
"""What only the command line has: how it prints, what it writes beside its result, and names of arguments."""
OF_PYTHON = {"self", "progress", "cache", "photos"}


@pytest.mark.parametrize(("verb", "function"), VERBS, ids=[verb.__name__ for verb, _ in VERBS])
def test_a_verb_has_the_options_of_its_function(verb: Any, function: Any) -> None:
    shell, python = signature(verb).parameters, signature(function).parameters
    assert set(shell) - set(python) <= OF_THE_SHELL
    assert set(python) - set(shell) <= OF_PYTHON


@pytest.mark.parametrize(("verb", "function"), VERBS, ids=[verb.__name__ for verb, _ in VERBS])
def test_an_option_has_the_same_default_in_both(verb: Any, function: Any) -> None:
    shell, python = signature(verb).parameters, signature(function).parameters
    for name in (set(shell) & set(python)) - {"out"}:
        assert shell[name].default == python[name].default, name
