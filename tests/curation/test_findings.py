"""A finding is one line of JSON, whose fields and kinds have fixed names."""

from __future__ import annotations

from mien.curation.findings import DROP, Finding, Kind


def test_the_kinds_are_those_that_results_are_checked_through() -> None:
    fixed = "no-face many-faces small blurred dark bright turned turned-photo cut-off covered unreadable copy near-copy"
    fixed += " label-suspect wrong-person same-person few imbalance leak"
    assert {str(kind) for kind in Kind} == set(fixed.split())


def test_a_finding_says_what_where_and_what_to_do() -> None:
    finding = Finding(Kind.COPY, "a/1.jpg", "a", DROP, 0.99999, "the same bytes", "a/2.jpg", (1, 2.25, 3, 4))
    assert finding.as_json() == {
        "kind": "copy",
        "path": "a/1.jpg",
        "label": "a",
        "proposed": "drop",
        "other": "a/2.jpg",
        "confidence": 1.0,
        "detail": "the same bytes",
        "box": [1, 2.2, 3, 4],
    }
