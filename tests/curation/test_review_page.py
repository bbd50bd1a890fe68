"""The review page: what is in it, what it does in a real browser, its examples and its map."""

from __future__ import annotations

import json
import re
import shutil
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from mien.curation import review_page as module
from mien.curation.findings import Finding, Kind
from mien.curation.review_page import ReviewPage, map_faces, nearest_examples, render_review_page
from mien.curation.verdicts import Verdict, read_verdicts
from mien.images import decode, thumbnail
from mien.models import IDENTITY_EMBEDDER
from tests.curation.samples import album, page, page_photo, vector_photo

# The page on which findings are reviewed: what is in it, and what it does in a real browser.


HOSTILE = '</script><script>document.title="taken"</script>'
PHOTOS = [
    page_photo("a/0.jpg", "a"),
    page_photo("a/1.jpg", "a", 3),
    page_photo("b/2.jpg", "b"),
    page_photo("=b/3,x.jpg", "b", 0),
]
FINDINGS = [
    Finding(Kind.NO_FACE, "=b/3,x.jpg", "b", "drop", 0.9, "no face was found"),
    Finding(
        Kind.WRONG_PERSON, "b/2.jpg", "b", "a", 0.8, "labelled b (distance 0.74); most similar other person: a (0.31)"
    ),
    Finding(Kind.MANY_FACES, "a/1.jpg", "a", "face 1", 0.7, "3 faces", None, (40.0, 10.0, 70.0, 50.0)),
    Finding(Kind.COPY, "a/0.jpg", "a", "drop", 1.0, "the same bytes", "b/2.jpg"),
    Finding(Kind.BLURRED, "a/0.jpg", "a", "keep", 0.6, "sharpness 12"),
    Finding(Kind.FEW, None, "b", "keep", 1.0, "2 photos"),
]


def payload(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_nothing_is_fetched_and_only_its_own_scripts_may_run() -> None:
    text = render_review_page(page(PHOTOS, FINDINGS))
    assert not re.search(r"""(src|href|action)=["']?(https?:)?//""", text)
    assert not re.search(r"<[^>]*\son\w+=", text)
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert found
    policy = unescape(found[1])
    assert "default-src 'none'" in policy
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy
    assert "script-src 'unsafe" not in policy


def test_every_finding_about_a_photo_is_there_with_what_is_proposed() -> None:
    data = payload(render_review_page(page(PHOTOS, FINDINGS)))
    assert [each["verdict"] for each in data["findings"]] == ["drop", "move", "face", "drop", "keep"]
    assert data["findings"][1]["to"] == "a"
    assert data["findings"][2]["box"] == [40, 10, 70, 50]
    assert len(data["findings"][2]["faces"]) == 3
    photos = [data["photos"][each["photo"]]["path"] for each in data["findings"]]
    assert photos == [finding.path for finding in FINDINGS if finding.path]


def test_a_twin_and_the_nearest_photos_stand_beside_the_photo() -> None:
    data = payload(render_review_page(page(PHOTOS, FINDINGS)))
    (twin,) = data["findings"][3]["examples"]
    assert data["photos"][twin[0]]["path"] == "b/2.jpg"
    (near,) = data["findings"][1]["examples"]
    assert near[1] == "nearest in a: 0.31"


def test_names_of_strangers_do_nothing() -> None:
    nasty = [page_photo(f"{HOSTILE}/0.jpg", HOSTILE)]
    findings = [
        Finding(Kind.WRONG_PERSON, nasty[0].key, HOSTILE, HOSTILE, 0.5, HOSTILE, HOSTILE),
        Finding(Kind.FEW, None, HOSTILE, "keep", 1.0, HOSTILE, HOSTILE),
    ]
    text = render_review_page(replace(page(nasty, findings), name=HOSTILE, advice=[HOSTILE], facts={"Data": HOSTILE}))
    assert HOSTILE not in text
    assert "\\u003c/script>" in text
    assert payload(text)["photos"][0]["path"] == nasty[0].key


def test_a_page_without_findings_says_so() -> None:
    text = render_review_page(page(PHOTOS, []))
    assert "No problems were found." in text
    assert 'id="review"' not in text


def test_labels_are_shown_with_their_counts() -> None:
    photos = [page_photo(f"{label}/{i}.jpg", label) for label in "abc" for i in range("abc".index(label) + 1)]
    rows = re.findall(r"<bdi>([abc])</bdi></th><td>(\d)</td>", render_review_page(page(photos, [])))
    assert rows == [("c", "3"), ("b", "2"), ("a", "1")]


def test_what_was_left_without_a_picture_is_said() -> None:
    assert "2 photos are shown without a picture" in render_review_page(replace(page(PHOTOS, FINDINGS), unpictured=2))


# In a browser.

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
Review = Callable[[ReviewPage], Page]
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def review(browser: Browser, tmp_path: Path) -> Iterator[Review]:
    """Opens a page as a file, as a user would; the browser must have nothing to complain about."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(values: ReviewPage) -> Page:
        file = tmp_path / "check.html"
        file.write_text(render_review_page(values), "utf-8")
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light"))
        opened = contexts[-1].new_page()
        opened.on("console", lambda message: complaints.append(message.text))
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.goto(file.as_uri())
        return opened

    expect.set_options(timeout=30_000)
    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def press(opened: Page, *keys: str) -> None:
    for key in keys:
        opened.keyboard.press(key)


def saved(opened: Page, folder: Path) -> list[Verdict]:
    with opened.expect_download() as download:
        opened.keyboard.press("s")
    assert download.value.suggested_filename == "verdicts.csv"
    download.value.save_as(folder / "verdicts.csv")
    return read_verdicts(folder / "verdicts.csv")


def text(opened: Page, selector: str) -> str:
    return opened.text_content(selector) or ""


def progress(opened: Page) -> str:
    return text(opened, "#progress")


@in_browser
def test_keys_decide_and_the_table_is_read_back(review: Review, tmp_path: Path, hopper: bytes) -> None:
    picture = thumbnail(decode(hopper, max_megapixels=9).pixels, 160)
    one = review(page(PHOTOS, FINDINGS, {each.key: picture for each in PHOTOS}))
    assert progress(one) == "0 of 5 reviewed"
    assert "b/3,x.jpg" in text(one, "#path")
    press(one, "y")  # drop it, as proposed
    assert "Move to a, as proposed" in text(one, "#accept")
    assert one.locator("#pictures figure").count() == 2
    assert "nearest in a: 0.31" in text(one, "#pictures")
    press(one, "y", "2", "k", "d")
    assert progress(one) == "5 of 5 reviewed"
    assert saved(one, tmp_path) == [
        Verdict("=b/3,x.jpg", "b", "drop", None, None, "no-face"),
        Verdict("b/2.jpg", "b", "move", "a", None, "wrong-person"),
        Verdict("a/1.jpg", "a", "face", None, (80.0, 10.0, 110.0, 50.0), "many-faces"),
        Verdict("a/0.jpg", "a", "keep", None, None, "copy"),
        Verdict("a/0.jpg", "a", "drop", None, None, "blurred"),
    ]


@in_browser
def test_a_photo_on_its_side_is_shown_upright_beside_and_turned_or_kept(review: Review, tmp_path: Path) -> None:
    finding = Finding(Kind.TURNED_PHOTO, "a/0.jpg", "a", "turn 270", 0.9, "the photo lies on its side")
    one = review(page(PHOTOS, [finding, replace(finding, path="b/2.jpg", label="b")]))
    assert "Turn 90° counter-clockwise, as proposed" in text(one, "#accept")
    assert one.locator("#pictures figure.by-270").count() == 1
    press(one, "y", "k")
    assert saved(one, tmp_path) == [
        Verdict("a/0.jpg", "a", "turn", "270", None, "turned-photo"),
        Verdict("b/2.jpg", "b", "keep", None, None, "turned-photo"),
    ]
    press(one, "b")
    assert "turned 90° counter-clockwise" in text(one, "#decided")


@in_browser
def test_what_was_not_reviewed_stays_empty(review: Review, tmp_path: Path) -> None:
    one = review(page(PHOTOS, FINDINGS))
    press(one, "j", "d")
    assert [verdict.verdict for verdict in saved(one, tmp_path)] == ["", "drop", "", "", ""]


@in_browser
def test_a_verdict_can_be_taken_back(review: Review) -> None:
    one = review(page(PHOTOS, FINDINGS))
    press(one, "y", "k")
    assert progress(one) == "2 of 5 reviewed"
    press(one, "u")
    assert progress(one) == "1 of 5 reviewed"
    assert "b/2.jpg" in text(one, "#path")
    press(one, "u", "u", "u")
    assert progress(one) == "0 of 5 reviewed"


@in_browser
def test_arrows_lead_there_and_back_without_deciding(review: Review) -> None:
    one = review(page(PHOTOS, FINDINGS))
    press(one, "ArrowRight", "ArrowRight", "ArrowLeft")
    assert "b/2.jpg" in text(one, "#path")
    press(one, "ArrowLeft", "ArrowLeft", "b")
    assert "b/3,x.jpg" in text(one, "#path")
    assert progress(one) == "0 of 5 reviewed"


@in_browser
def test_a_photo_is_moved_to_a_label_that_is_typed(review: Review, tmp_path: Path) -> None:
    one = review(page(PHOTOS, FINDINGS))
    press(one, "m")
    expect(one.locator("#mover")).to_be_visible()
    one.keyboard.type("dusk")  # its letters are keys elsewhere
    press(one, "Enter")
    expect(one.locator("#progress")).to_have_text("1 of 5 reviewed")
    press(one, "m")
    one.click("#stay")
    expect(one.locator("#mover")).to_be_hidden()
    assert progress(one) == "1 of 5 reviewed"
    assert saved(one, tmp_path)[0] == Verdict("=b/3,x.jpg", "b", "move", "dusk", None, "no-face")


@in_browser
def test_the_mouse_does_what_the_keys_do(review: Review) -> None:
    one = review(page(PHOTOS, FINDINGS))
    one.click("#accept")
    one.click("#keep")
    one.click("#before")
    assert "Verdict: kept" in text(one, "#decided")
    one.click(".tile[title='a/1.jpg']")
    one.click("#drop")
    assert progress(one) == "3 of 5 reviewed"
    one.click("#undo")
    assert progress(one) == "2 of 5 reviewed"


@in_browser
def test_one_kind_is_gone_through_by_itself_and_accepted_at_once(review: Review) -> None:
    photos = [page_photo(f"a/{i}.jpg", "a") for i in range(6)]
    copies = [Finding(Kind.COPY, each.key, "a", "drop", 1.0, "the same bytes", "a/0.jpg") for each in photos[1:]]
    blurred = [Finding(Kind.BLURRED, "a/0.jpg", "a", "keep", 0.6, "sharpness 12")]
    one = review(page(photos, [*copies, *blurred]))
    one.click("[data-kind=copy]")
    assert one.locator(".tile").count() == 5
    assert "Accept all 5 left" in text(one, "#all")
    one.click("#all")
    assert progress(one) == "5 of 6 reviewed"
    press(one, "u")
    assert progress(one) == "0 of 6 reviewed"


@in_browser
def test_of_very_many_findings_the_first_are_shown_and_more_when_asked(review: Review) -> None:
    photos = [page_photo(f"a/{i}.jpg", "a") for i in range(1500)]
    one = review(page(photos, [Finding(Kind.COPY, each.key, "a", "drop", 1.0, "") for each in photos]))
    assert one.locator(".tile").count() == 200
    one.click(".more")
    assert one.locator(".tile").count() == 1200
    one.click("[data-kind=copy]")
    assert one.locator(".tile").count() == 1000
    one.click("#all")
    assert progress(one) == "1500 of 1500 reviewed"


@in_browser
def test_only_what_is_left_is_shown_where_asked(review: Review) -> None:
    one = review(page(PHOTOS, FINDINGS))
    press(one, "y", "y")
    one.click("#left")
    assert one.locator(".tile").count() == 3


@in_browser
def test_verdicts_are_there_when_the_page_is_opened_again(review: Review) -> None:
    one = review(page(PHOTOS, FINDINGS))
    press(one, "y", "k")
    one.reload()
    expect(one.locator("#progress")).to_have_text("2 of 5 reviewed")


@in_browser
def test_it_works_where_nothing_may_be_remembered(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "check.html"
    file.write_text(render_review_page(page(PHOTOS, FINDINGS)), "utf-8")
    context = browser.new_context()
    context.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('', 'SecurityError') }})"
    )
    one = context.new_page()
    complaints: list[str] = []
    one.on("pageerror", lambda error: complaints.append(str(error)))
    one.goto(file.as_uri())
    press(one, "y", "y")
    assert progress(one) == "2 of 5 reviewed"
    assert complaints == []
    context.close()


@in_browser
def test_hostile_names_are_shown_and_do_nothing(review: Review) -> None:
    nasty = [page_photo(f"{HOSTILE}/0\u202egpj.jpg", HOSTILE)]
    one = review(page(nasty, [Finding(Kind.WRONG_PERSON, nasty[0].key, "a", HOSTILE, 0.5, HOSTILE)]))
    press(one, "y")
    assert one.evaluate("document.title") == "photos: check"
    assert HOSTILE in text(one, "#path")
    assert "\\u202e" in text(one, "#path")
    assert HOSTILE in text(one, "#decided")
    assert one.locator("#review script").count() == 0


@in_browser
def test_the_map_names_the_photo_under_the_pointer_and_opens_a_suspect(review: Review) -> None:
    one = review(page(PHOTOS, FINDINGS))
    one.evaluate("document.querySelector('#map').scrollIntoView({block: 'center', behavior: 'instant'})")
    x, y = one.evaluate("spots[2].map((v, i) => v + canvas.getBoundingClientRect()[i ? 'y' : 'x'])")
    one.mouse.move(x, y)
    assert "b/2.jpg" in text(one, "#hover")
    one.mouse.click(x, y)
    assert "b/2.jpg" in text(one, "#path")


@in_browser
@pytest.mark.parametrize("size", [(360, 740), (1280, 900)])
def test_it_fits_a_phone_and_a_screen(review: Review, size: tuple[int, int]) -> None:
    one = review(page(PHOTOS, FINDINGS))
    one.emulate_media(color_scheme="dark" if size[0] < 400 else "light")
    one.set_viewport_size({"width": size[0], "height": size[1]})
    assert one.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert one.locator("button:not([type])").count() == 0
    fields = "[...document.querySelectorAll('button, select, input')]"
    assert one.evaluate(f"{fields}.every((e) => e.textContent || e.ariaLabel || e.labels?.length)")


# The photos that a doubtful face is shown beside.


SUSPECT = Finding(Kind.WRONG_PERSON, "a/0", "a", "b", 0.9, "")
PHOTOS_beside = [
    page_photo("a/0", "a", vector=(0, 1)),
    page_photo("a/1", "a", vector=(1, 0)),
    page_photo("a/2", "a", vector=(0.8, 0.6)),
    page_photo("b/0", "b", vector=(0.1, 0.99)),
    page_photo("b/1", "b", vector=(0.6, 0.8)),
    page_photo("c/0", "c", vector=(0, 1.01)),
]


def test_the_nearest_of_the_proposed_label_comes_first_and_then_that_of_its_own() -> None:
    found = nearest_examples([SUSPECT], PHOTOS_beside, IDENTITY_EMBEDDER)[0]
    assert [each.key for each in found] == ["b/0", "a/2"]
    assert found[0].distance == pytest.approx(0.1005, abs=1e-3)
    assert found[0].caption == "nearest in b: 0.10"


def test_a_copy_of_the_photo_is_no_neighbour() -> None:
    copy = page_photo("b/copy", "b", vector=(0, 1))
    found = nearest_examples([SUSPECT], [*PHOTOS_beside, copy], IDENTITY_EMBEDDER)[0]
    assert found[0].key == "b/0"


def test_a_photo_whose_own_label_is_in_doubt_speaks_for_none() -> None:
    other = Finding(Kind.LABEL_SUSPECT, "b/0", "b", "a", 0.9, "")
    found = nearest_examples([SUSPECT, other], PHOTOS_beside, IDENTITY_EMBEDDER)
    assert [each.key for each in found[0]] == ["b/1", "a/2"]


def test_only_doubtful_labels_are_asked_about() -> None:
    others = [
        Finding(Kind.BLURRED, "a/0", "a", "keep", 0.9, ""),
        Finding(Kind.SAME_PERSON, None, "a", "b", 0.9, "", "b"),
    ]
    assert nearest_examples(others, PHOTOS_beside, IDENTITY_EMBEDDER) == {}


def test_a_label_without_other_faces_has_none() -> None:
    alone = Finding(Kind.WRONG_PERSON, "c/0", "c", "drop", 0.9, "")
    assert nearest_examples([alone], PHOTOS_beside, IDENTITY_EMBEDDER) == {0: []}


def test_photos_without_a_face_or_a_vector_are_passed_over() -> None:
    uncut = page_photo("b/uncut", "b", vector=(np.nan, np.nan))
    found = nearest_examples([SUSPECT], [*PHOTOS_beside, page_photo("b/none", "b", 0), uncut], IDENTITY_EMBEDDER)[0]
    assert [each.key for each in found] == ["b/0", "a/2"]
    missing = Finding(Kind.WRONG_PERSON, "b/none", "b", "a", 0.9, "")
    assert nearest_examples([missing], [*PHOTOS_beside, page_photo("b/none", "b", 0)], IDENTITY_EMBEDDER) == {}


# The map of faces: who is alike lies together, and the same faces give the same map.


def test_photos_of_one_person_lie_together() -> None:
    photos = album(5, 12)
    found = map_faces(photos, IDENTITY_EMBEDDER)
    assert (found.method, found.keys) == ("t-sne", tuple(photo.key for photo in photos))
    assert found.points.shape == (60, 2)
    assert found.points.dtype == np.float32
    assert np.abs(found.points).max() == pytest.approx(1)
    gaps = np.linalg.norm(found.points[:, None] - found.points[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    assert (gaps.argmin(axis=1) // 12 == np.arange(60) // 12).all()


def test_many_faces_are_shown_from_their_widest_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_TSNE", 20)
    photos = album(2, 30)
    found = map_faces(photos, IDENTITY_EMBEDDER)
    assert found.method == "pca"
    middle = found.points[:, 0].mean()
    assert (found.points[:30, 0] > middle).all() != (found.points[30:, 0] > middle).all()


def test_the_same_faces_give_the_same_map() -> None:
    photos = album(3, 6)
    np.testing.assert_array_equal(
        map_faces(photos, IDENTITY_EMBEDDER).points, map_faces(photos, IDENTITY_EMBEDDER).points
    )


@pytest.mark.parametrize("n", [1, 2, 9])
def test_few_faces_have_a_map_too(n: int) -> None:
    found = map_faces(album(1, n), IDENTITY_EMBEDDER)
    assert (found.method, len(found.points)) == ("pca", n)
    assert np.isfinite(found.points).all()


def test_photos_without_such_vectors_are_left_out() -> None:
    lost = [
        vector_photo("a", "a", np.full((1, 64), np.nan, np.float32)),
        vector_photo("b", "a", np.empty((0, 64), np.float32)),
        vector_photo("c", "a", {"traits": np.ones((1, 8), np.float32)}),
    ]
    assert map_faces(lost, IDENTITY_EMBEDDER).keys == ()
    assert len(map_faces([*album(2, 6), *lost], IDENTITY_EMBEDDER).keys) == 12
