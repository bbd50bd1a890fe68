from __future__ import annotations

import math
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pytest
from jinja2 import UndefinedError

from mien.evaluation import About, measure, render_card, render_report
from mien.evaluation.study import StudyResult
from mien.evaluation.templating import markdown, printable
from mien.types import Prediction, Rejected
from tests.evaluation.factories import LABELS, crowd, pair, predicted, rejected, score

ABOUT = About("friends.mien", "photos", "2025-06-01", "mtcnn", "dlib-resnet")
EVIL = "<script>alert('x')</script>"

_VOID = {"meta", "link", "img", "br"}


class Outline(HTMLParser):
    """Collects tags and checks that each is closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outlined(html: str) -> Outline:
    outline = Outline()
    outline.feed(html)
    outline.close()
    assert outline.open == []
    return outline


def report(results: list[Prediction | Rejected], labels: list[str]) -> str:
    return render_report(measure(results, labels, 0.5), ABOUT)


def photo_of(uri: str) -> bytes:
    """A JPEG that compresses badly, as a face does."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (112, 112, 3), dtype=np.uint8), (5, 5), 0)
    ok, coded = cv2.imencode(".jpg", noise)
    assert ok
    return coded.tobytes()


@pytest.mark.parametrize("classes", [2, 7, 20, 21, 60, 61, 250, 400])
def test_pages_for_few_and_many_labels_are_well_formed_and_fetch_nothing(classes: int) -> None:
    html = report(*crowd(classes, photos=3 * classes + 40, strangers=30))
    tags = outlined(html).tags
    assert not {"script", "iframe", "object", "form", "base"} & {tag for tag, _ in tags}
    for _, attributes in tags:
        for name in ("src", "href", "srcset", "data", "action"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#"))
        assert not any(name.startswith("on") for name in attributes)
    assert "http" not in html.replace("http-equiv", "")
    assert "url(" not in html
    assert "@import" not in html


def test_the_policy_forbids_all_but_its_own_style_and_pictures() -> None:
    html = report(*crowd(3, 40))
    assert "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"" in html


def test_hostile_names_stay_text() -> None:
    results: list[Prediction | Rejected] = [
        predicted(f'a/{EVIL}".jpg', EVIL, "bob", labels=[EVIL, "bob"]),
        predicted('" onerror="x', "bob", EVIL, labels=[EVIL, "bob"]),
        rejected(f"b/{EVIL}\udcff\u202e.jpg", "bob"),
    ]
    about = About(EVIL, EVIL, EVIL, EVIL, EVIL, EVIL)
    html = render_report(measure(results, [EVIL, "bob"], 0.5), about, photo_of)
    html.encode("utf-8")
    assert "<script" not in html
    assert "\u202e" not in html
    tags = outlined(html).tags
    assert all("onerror" not in attributes for _, attributes in tags)
    assert sum(tag == "img" for tag, _ in tags) == 2


def test_every_picture_has_a_text_and_every_table_headers() -> None:
    html = render_report(measure(*crowd(30, 200, 50), 0.5), ABOUT, photo_of)
    tags = outlined(html).tags
    assert all(a.get("alt") for tag, a in tags if tag == "img")
    assert all(a.get("role") == "img" and a.get("aria-labelledby") for tag, a in tags if tag == "svg")
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for tag, a in tags if tag == "svg"} <= set(ids)
    assert all(a.get("scope") in {"row", "col"} for tag, a in tags if tag == "th")


def test_the_figures_on_the_page_are_those_of_the_evaluation() -> None:
    results: list[Prediction | Rejected] = [
        *(predicted(f"a{i}", "ann", "ann", probability=0.9) for i in range(9)),
        predicted("holiday/b.jpg", "bob", "ann", probability=0.77),
        rejected("c", "eve"),
    ]
    html = report(results, list(LABELS)).replace("\u00a0", " ")
    assert "Of 11 photos with a known label, 9 were named correctly, 1 incorrectly, and in 1 no usable face" in html
    assert "<strong>90.0 %</strong>" in html
    assert "<strong>81.8 %</strong>" in html
    assert re.search(r"bob</bdi>\s*→ <b><bdi>ann</bdi></b>, 77\.0 %", html)
    assert "<bdi>b.jpg</bdi> in <bdi>holiday</bdi>" in html
    assert "no face was found" in html
    assert "There were no faces of strangers in this data" in html


@pytest.mark.parametrize(
    "results",
    [
        pytest.param([predicted("1", "ann", "ann")], id="one photo"),
        pytest.param([rejected("1", "ann")], id="all rejected"),
        pytest.param([predicted("1", "zoe", "ann")], id="strangers only"),
        pytest.param([rejected("1", "zoe")], id="rejected strangers only"),
        pytest.param([predicted("1", "ann", "ann", probability=np.nan, familiarity=np.nan)], id="not numbers"),
    ],
)
def test_little_to_show_still_makes_a_page(results: list[Prediction | Rejected]) -> None:
    html = report(results, list(LABELS))
    outlined(html)
    assert "nan" not in re.sub(r"<style>.*</style>", "", html, flags=re.DOTALL).lower()
    assert ">None<" not in html


@pytest.mark.parametrize(
    "results",
    [
        pytest.param(crowd(classes=3, photos=60, strangers=20)[0], id="known and strangers"),
        pytest.param([predicted("1", "person 0", "person 0", labels=["person 0", "person 1"])], id="known only"),
        pytest.param([predicted("1", "zoe", "person 0", labels=["person 0", "person 1"])], id="strangers only"),
    ],
)
def test_a_bundle_without_a_threshold_shows_no_figure_at_it(results: list[Prediction | Rejected]) -> None:
    html = render_report(measure(results, [f"person {i}" for i in range(3)], -np.inf), ABOUT)
    outlined(html)
    text = re.sub(r"<style>.*</style>", "", html, flags=re.DOTALL)
    assert "friends.mien has no threshold for “unknown”: every stranger" in text
    assert "At the threshold" not in text
    assert "at the threshold" not in text
    assert "not called “unknown”" not in text
    assert "threshold in use" not in text
    assert "inf," not in text


def text_of(html: str, start: str, end: str) -> str:
    return html.split(start, 1)[1].split(end, 1)[0]


def test_the_weakest_labels_come_first_and_many_labels_are_folded_away() -> None:
    labels = [f"p{i:02}" for i in range(40)]
    results: list[Prediction | Rejected] = [
        predicted(f"{label}-{n}", label, label, labels=labels) for label in labels for n in range(4)
    ]
    results.append(predicted("x", "p33", "p07", labels=labels))
    table = text_of(report(results, labels), "<h2>Label by label</h2>", "<h2>")
    named = re.findall(r"<bdi>(p\d\d)</bdi>", table)
    assert set(named[:2]) == {"p07", "p33"}
    assert sorted(named) == labels
    assert "10 more labels" in table
    assert table.index("<details>") > table.index(named[29])


def test_the_commonest_confusion_comes_first() -> None:
    labels = [f"p{i:02}" for i in range(30)]
    results: list[Prediction | Rejected] = [predicted(label, label, label, labels=labels) for label in labels]
    results += [predicted(f"a{n}", "p05", "p09", labels=labels) for n in range(3)]
    results.append(predicted("b", "p01", "p02", labels=labels))
    pairs = text_of(report(results, labels), "Most confused pairs</caption>", "</table>")
    cells = [re.sub(r"<[^>]+>", " ", row).split() for row in pairs.split("<tr>")[2:]]
    assert cells == [["p05", "p09", "3", "4"], ["p01", "p02", "1", "2"]]


def test_a_page_without_mistakes_says_so_and_shows_none() -> None:
    html = report([predicted(str(i), "ann", "ann") for i in range(3)], list(LABELS))
    assert "No label was mistaken for another." in html
    assert "The worst mistakes" not in html
    assert "Rejected photos" not in html


def test_a_long_list_of_rejections_is_counted_and_only_begun() -> None:
    html = report([rejected(f"dark/{i:03}.jpg", "ann") for i in range(25)], list(LABELS))
    table = text_of(html, "<h2>Rejected photos</h2>", "</table>")
    assert "<td>25</td>" in table
    assert table.count("<li>") == 10
    assert "the first 10" in table


def test_the_same_evaluation_makes_the_same_page() -> None:
    results, labels = crowd(9, 120, 30)
    assert report(results, labels) == report(results, labels)


def test_thumbnails_are_asked_for_the_worst_only_and_may_be_missing() -> None:
    results, labels = crowd(5, 300)
    asked: list[str] = []

    def thumbnail(uri: str) -> bytes | None:
        asked.append(uri)
        return photo_of(uri) if len(asked) < 3 else None

    evaluation = measure(results, labels, 0.5)
    html = render_report(evaluation, ABOUT, thumbnail, most_mistakes=4)
    assert asked == [m.uri for m in evaluation.mistakes[:4]]
    assert html.count('src="data:image/jpeg;base64,') == 2
    assert html.count("no picture") == 2
    assert "; the 4 most confident are shown" in html


def test_sixty_thumbnails_stay_under_a_megabyte_and_a_half() -> None:
    html = render_report(measure(*crowd(20, 900), 0.5), ABOUT, photo_of)
    assert html.count("data:image/jpeg") == 60
    assert len(html.encode()) < 1_500_000


def test_a_thousand_labels_stay_under_a_megabyte() -> None:
    assert len(report(*crowd(1000, 3000)).encode()) < 1_000_000


def test_text_on_the_strongest_cell_can_be_read_in_both_schemes() -> None:
    html = report(*crowd(3, 40))
    inks = re.findall(r"--ink: (#\w{6})", html)
    hits, misses = re.findall(r"--hit: ([\d, ]+);", html), re.findall(r"--miss: ([\d, ]+);", html)
    assert len(inks) == len(hits) == len(misses) == 2
    for ink, *cells in zip(inks, hits, misses, strict=True):
        for cell in cells:
            assert contrast(rgb(ink), tuple(int(part) for part in cell.split(","))) >= 4.5


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """WCAG 2.1, "contrast ratio"."""

    def luminance(colour: tuple[int, ...]) -> float:
        linear = [c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_a_browser_opens_it_without_complaint(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium is installed")
    page = tmp_path / "report.html"
    page.write_text(render_report(measure(*crowd(25, 200, 50), 0.5), ABOUT, photo_of), encoding="utf-8")
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--enable-logging=stderr",
    ]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [browser, *flags, profile, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    assert "How good is" in done.stdout
    assert "CONSOLE" not in done.stderr


THREE = [score("none", 0.80, 5.0), score("gentle", 0.821, 9.0), score("extreme", 0.803, 11.0)]
PAIRS = [
    pair("gentle", "none", 2.1, 0.01),
    pair("gentle", "extreme", 1.8, 0.2),
    pair("extreme", "none", 0.3, 1.0),
]
MISSED = [rejected(f"{i}.jpg", "ann") for i in range(3)]
STUDY = StudyResult("faces", "augment", THREE, PAIRS, 500, MISSED, 0, ["a note"], 9.0)


def page_of(study: StudyResult) -> str:
    with TemporaryDirectory() as folder:
        return study.to_html(Path(folder) / "study.html").read_text("utf-8")


def test_the_page_is_well_formed_and_fetches_nothing() -> None:
    html = page_of(STUDY)
    tags = outlined(html).tags
    assert not {"script", "iframe", "object", "form", "base"} & {tag for tag, _ in tags}
    for _, attributes in tags:
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#"))
    assert "http" not in html.replace("http-equiv", "")


def test_the_page_says_the_verdict_the_figures_and_the_notes() -> None:
    html = page_of(STUDY).replace("\u00a0", " ")
    assert "gentle beats none by 2.1 points (p 0.01); extreme cannot be told apart from gentle and none" in html
    for text in ("82.1 %", "+16.9", "9.0 s", "Which variants of a photo help?", "a note", "3, for every variant"):
        assert text in html


def test_one_variant_is_shown_without_comparisons() -> None:
    html = page_of(replace(STUDY, scores=THREE[:1], comparisons=[], notes=[], rejected=[]))
    assert "Which differences are real" not in html
    assert "worse than the best" not in html
    outlined(html)


def test_many_pairs_are_folded_up_and_none_is_lost() -> None:
    many = [score(str(size), 0.7) for size in range(32, 40)]
    pairs = [pair(a.variant, b.variant, 0.1, 1.0) for i, a in enumerate(many) for b in many[i + 1 :]]
    html = page_of(replace(STUDY, over="size", scores=many, comparisons=pairs))
    assert html.count("not shown</td>") == len(pairs)
    assert "13 more pairs" in html
    assert "39 px" in html


def test_hostile_names_are_only_text() -> None:
    html = page_of(replace(STUDY, data=EVIL, scores=[replace(THREE[0], variant=EVIL)], comparisons=[]))
    assert "<script" not in html
    outlined(html)


RESULTS, NAMES = crowd(classes=4, photos=120, strangers=40)


def facts(**changes: Any) -> dict[str, Any]:
    return {
        "name": "friends",
        "date": "2025-06-01",
        "labels": {"person 0": 30, "person 1": 12, "person 2": 40, "person 3": 38},
        "recipe": "head",
        "detector": "mtcnn",
        "view": "dlib, 150 px",
        "embedder": "dlib-resnet",
        "weights": [
            {"name": "dlib-resnet", "licence": "CC0", "commercial": "yes"},
            {"name": "dlib-landmarks-68", "licence": "iBUG 300-W", "commercial": "no"},
        ],
        "measured": measure(RESULTS, NAMES, 0.5).as_json(),
        "how": "out of fold, in 5 folds",
        "unknown": {"threshold": 0.5, "false_accept_rate": 0.01, "estimated": "by leaving out labels in turn"},
    } | changes


def test_the_card_has_all_its_sections_and_figures() -> None:
    text = render_card(facts(seed=7, head="logistic regression", version="0.1", notes=["Photos of one evening."]))
    for heading in (
        "What it is for",
        "What it is not for",
        "Labels",
        "How it was trained",
        "Measured",
        "Unknown",
        "Limits",
    ):
        assert f"## {heading}\n" in text
    assert "| person 1 | 12 |" in text
    assert "| Seed | 7 |" in text
    assert "120 photos with a known label, 40 of strangers" in text
    assert "is meant to accept 1.0\u00a0% of strangers, estimated by leaving out labels in turn" in text
    assert "as few as 12 photos" in text
    assert "- Photos of one evening." in text


def test_weights_that_may_not_be_sold_are_named() -> None:
    assert "may be used commercially: see dlib-landmarks-68" in render_card(facts())
    free = facts(weights=[{"name": "mtcnn", "licence": "MIT", "commercial": "yes"}])
    assert "allow commercial use of all weights" in render_card(free)


def test_what_was_not_measured_is_said_and_not_invented() -> None:
    alone = measure([predicted("1", "ann", "ann")], LABELS, 0.5).as_json()
    text = render_card(facts(measured=alone))
    assert "no other faces of strangers" in text
    assert "nan" not in text.lower()
    assert "None" not in text


def test_without_a_threshold_nothing_is_said_to_be_measured_at_it() -> None:
    results = measure(RESULTS, NAMES, -math.inf).as_json()
    alone = measure([predicted("1", "ann", "ann")], LABELS, -math.inf).as_json()
    for measured in (results, alone):
        text = render_card(facts(measured=measured, unknown=None))
        assert 'never answers "unknown"' in text
        assert "at the threshold" not in text
        assert "accepted" not in text
        assert "inf" not in text.split("## Unknown")[1]


def test_a_threshold_that_is_a_guess_states_no_rate() -> None:
    guess = {"threshold": 0.5, "false_accept_rate": None, "estimated": "midway between known and strangers"}
    text = render_card(facts(unknown=guess))
    assert "The threshold is a guess, midway between known and strangers." in text
    assert "meant to" not in text


def test_many_labels_are_summed_up() -> None:
    text = render_card(facts(labels={f"person {i}": i + 1 for i in range(500)}))
    assert "500 labels, 125250 photos; 1 to 500 photos per label." in text
    assert "| person 3 | 4 |" not in text


def test_hostile_labels_stay_text() -> None:
    name = "<script>alert(1)</script> | [x](http://y) `z`\n# big"
    text = render_card(facts(labels={name: 3, "ann": 4}))
    row = next(line for line in text.splitlines() if "alert" in line)
    assert row.startswith("| \\<script\\>alert(1)\\</script\\> \\| \\[x\\](http://y) \\`z\\`")
    assert row.endswith("big | 3 |")


def test_a_missing_fact_is_an_error_and_not_an_empty_cell() -> None:
    incomplete = facts()
    del incomplete["detector"]
    with pytest.raises(UndefinedError, match="detector"):
        render_card(incomplete)


def test_control_and_turning_characters_are_replaced_and_letters_kept() -> None:
    assert printable("a\u202egpj.\x00\udcffb\n") == r"a\u202egpj.\x00\xffb\n"
    assert printable("김민수 می\u200cخواهم Zoë") == "김민수 می\u200cخواهم Zoë"
    assert printable(3) == 3


def test_markdown_is_escaped_once() -> None:
    assert markdown("a_b & <i>") == "a\\_b &amp; \\<i\\>"
    assert markdown(0.5) == 0.5
