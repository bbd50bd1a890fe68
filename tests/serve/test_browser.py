"""The pages in a real browser, over the real service: what a person would do, with eyes or without."""

from __future__ import annotations

import io
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

import mien
from mien.serve import pages
from mien.serve.auth import KeyStore, Scope
from mien.serve.settings import ServiceConfig
from tests.serve.serving import serving

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE = 60_000  # milliseconds
Visit = Callable[..., Page]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, shared_home: Path, people: Path) -> Iterator[str]:
    """A service with the traits, and with a bundle that knows two people."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(people, folder / "bundles" / "people.mien")
    config = ServiceConfig(folder / "data", folder / "bundles", detector="mtcnn", workers=1)
    with serving(config, shared_home) as address:
        yield address


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, astronaut: bytes) -> Path:
    """A film of a real face that moves a little, as Chromium's fake camera plays it."""
    path = tmp_path_factory.mktemp("camera") / "face.mjpeg"
    with Image.open(io.BytesIO(astronaut)) as photo, path.open("wb") as file:
        for step in range(6):
            frame = Image.new("RGB", (640, 480))
            frame.paste(photo, (60 + 5 * step, -20))
            frame.save(file, "JPEG", quality=90)
    return path


@pytest.fixture(scope="module")
def browser(film: Path) -> Iterator[Browser]:
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    flags = ["--no-sandbox", *camera, f"--use-file-for-fake-video-capture={film}"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield running
        running.close()


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    """Opens a page in a context of its own; at the end the browser must have had nothing to complain about.

    refusals: statuses with which a test expects to be refused.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(path: str = "/", *, refusals: tuple[int, ...] = (), **options: Any) -> Page:
        context = browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()

        def record(kind: str, text: str) -> None:
            expected = any(f"status of {status}" in text for status in refusals)
            if kind in ("error", "warning", "assert") and not expected:
                complaints.append(text)

        page.on("console", lambda message: record(message.type, message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path if path.startswith(("http", "file")) else address + path)
        return page

    expect.set_options(timeout=PATIENCE)
    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def nobody(address: str) -> str:
    """The address of a service where nobody is enrolled."""
    for person in httpx.get(f"{address}/v1/people").json()["people"]:
        httpx.delete(f"{address}/v1/people/{person['id']}").raise_for_status()
    return address


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory, astronaut: bytes, hopper: bytes) -> Path:
    """Photos of one face, two, none, one whose pixels lie on their side, and something that is not a photo."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "hopper.jpg").write_bytes(hopper)
    with Image.open(io.BytesIO(hopper)) as single, Image.open(io.BytesIO(astronaut)) as other:
        both = Image.new("RGB", (860, 600))
        both.paste(single, (0, 0))
        both.paste(other.crop((160, 20, 290, 190)).resize((300, 392)), (540, 20))
        both.save(folder / "both.jpg")
        turned = single.transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[0x0112] = 6  # to be shown turned by a quarter, clockwise
        turned.save(folder / "turned.jpg", exif=exif)
        turned.save(folder / "lying.jpg")
    Image.new("RGB", (300, 200), "teal").save(folder / "nobody.png")
    (folder / "broken.jpg").write_bytes(hopper[:2000])
    return folder


def look(page: Page, *files: Path) -> None:
    """Choose photos, and wait for the traits of the last one."""
    page.set_input_files("#files", files)
    expect(page.locator("#results .photo").last.locator(".told.chosen .trait").nth(4)).to_be_visible()


def go(page: Page, name: str) -> None:
    """Follow a link in the head of a page."""
    page.get_by_role("navigation").locator("a").nth(list(pages.PAGES).index(name)).click()
    expect(page.locator(f"main[data-page={name}]")).to_be_visible()


def enroll(page: Page, name: str, *files: Path) -> None:
    """Fill in the form on the page of people, and wait for the outcome."""
    page.fill("#person-name", name)
    page.fill("#consent", "by letter, May 2026")
    page.check("#agreed")
    page.set_input_files("#files", files)
    page.click("#enroll > button")
    expect(page.locator("#enrolled :is(.good, .problem)").first).to_be_visible()


def focused(page: Page) -> str:
    """What has the keyboard: its id, or what a screen reader would say."""
    return str(page.evaluate("(e => e.id || e.ariaLabel || e.innerText || e.tagName)(document.activeElement)"))


def test_a_photo_shows_its_face_and_its_traits(visit: Visit, photos: Path) -> None:
    page = visit()
    look(page, photos / "hopper.jpg")
    expect(page.locator("#results .facts")).to_contain_text(re.compile(r"512 × 600 · 1 face · \d[\d,]* ms"))
    expect(page.locator("[data-what=glasses] .answer")).to_have_attribute("data-label", "glasses")
    expect(page.locator("#status")).to_have_text("hopper.jpg: 1 face")
    expect(page.locator("#results img")).to_have_attribute("alt", "hopper.jpg, 1 face marked")
    expect(page.locator(".chip")).to_have_count(0)


AT = """([x, y]) => {
  const photo = document.querySelector("#results img"), { left, top, width } = photo.getBoundingClientRect();
  const scale = width / photo.naturalWidth;
  return [...document.querySelectorAll("#results :is(.box, circle)")].some((mark) => {
    const { left: a, top: b, right: c, bottom: d } = mark.getBoundingClientRect();
    const [px, py] = [left + x * scale, top + y * scale];
    if (mark.tagName === "circle") return Math.hypot((a + c) / 2 - px, (b + d) / 2 - py) < 2;
    return Math.min(Math.abs(a - px), Math.abs(c - px)) < 4 && py > b && py < d;
  });
}"""


def test_boxes_and_landmarks_are_drawn_where_the_service_found_them(visit: Visit, photos: Path, address: str) -> None:
    page = visit()
    look(page, photos / "hopper.jpg")
    answer = httpx.post(f"{address}/v1/look", files={"photo": (photos / "hopper.jpg").read_bytes()}).json()
    face = answer["results"][0]["faces"][0]
    x1, y1, _, y2 = face["box"]
    for width in (1280, 500):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(AT, [x1, (y1 + y2) / 2])
        assert all(page.evaluate(AT, point) for point in face["landmarks"])
        assert not page.evaluate(AT, [20, 20])


def test_of_several_faces_one_is_chosen_by_mouse_or_keyboard(visit: Visit, photos: Path) -> None:
    page = visit()
    look(page, photos / "both.jpg")
    chips = page.locator(".chip input")
    glasses = page.locator(".told.chosen [data-what=glasses] .answer")
    expect(chips.nth(0)).to_be_checked()
    expect(glasses).to_have_attribute("data-label", "glasses")
    page.locator("#results .overlay [data-face='1'] .box").click()
    expect(chips.nth(1)).to_be_checked()
    expect(glasses).to_have_attribute("data-label", "none")
    chips.nth(1).focus()
    page.keyboard.press("ArrowRight")
    expect(chips.nth(0)).to_be_checked()
    expect(glasses).to_have_attribute("data-label", "glasses")


def test_a_photo_that_lies_on_its_side_is_marked_upright(visit: Visit, photos: Path) -> None:
    page = visit()
    look(page, photos / "turned.jpg")
    expect(page.locator("#results .facts")).to_contain_text("512 × 600")
    box = page.locator("#results .overlay svg").bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == pytest.approx(512 / 600, abs=0.01)
    assert page.evaluate("document.querySelector('#results img').naturalWidth") == 512


def test_a_photo_that_lies_on_its_side_without_saying_so_is_told_in_both_languages(visit: Visit, photos: Path) -> None:
    for language, words in (
        ("en", "lies on its side (turned counter-clockwise)"),
        ("ko", "옆으로 누운 사진(시계 반대 방향)"),
    ):
        page = visit(f"/?lang={language}")
        look(page, photos / "lying.jpg")
        expect(page.locator("#results .facts")).to_contain_text(words)


def test_photos_without_a_face_and_broken_ones_say_so(visit: Visit, photos: Path) -> None:
    page = visit()
    look(page, photos / "nobody.png", photos / "broken.jpg", photos / "hopper.jpg")
    panels = page.locator("#results .panel")
    expect(panels.nth(0)).to_have_text("No face was found.")
    expect(panels.nth(1)).to_have_text("This file is not a readable picture, or it is damaged.")


def test_a_format_that_the_browser_cannot_show_is_answered_all_the_same(
    visit: Visit, tmp_path: Path, hopper: bytes
) -> None:
    with Image.open(io.BytesIO(hopper)) as photo:
        photo.save(tmp_path / "hopper.tif")
    page = visit()
    look(page, tmp_path / "hopper.tif")
    expect(page.locator(".picture .hint")).to_be_visible()
    box = page.locator("#results .overlay svg").bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == pytest.approx(512 / 600, abs=0.02)


MOVED = """async (kind) => {
  const moved = new DataTransfer();
  moved.items.add(new File([await (await fetch("/static/favicon.svg")).blob()], "one.svg", {type: "image/svg+xml"}));
  document.body.dispatchEvent(kind === "paste"
    ? new ClipboardEvent("paste", {clipboardData: moved, bubbles: true, cancelable: true})
    : new DragEvent("drop", {dataTransfer: moved, bubbles: true, cancelable: true}));
}"""


def test_photos_may_be_pasted_or_dropped(visit: Visit) -> None:
    page = visit()
    for n, kind in enumerate(("paste", "drop"), 1):
        page.evaluate(MOVED, kind)
        expect(page.locator(".photo .problem")).to_have_count(n)
    expect(page.locator(".photo img")).to_have_count(2)


def test_a_download_is_what_the_program_prints(visit: Visit, photos: Path, address: str) -> None:
    page = visit()
    look(page, photos / "hopper.jpg")
    files = {"photo": ("hopper.jpg", (photos / "hopper.jpg").read_bytes())}
    printed = httpx.post(f"{address}/v1/look", files=files).json()["results"][0]
    for button, name in ((".photo .json a", "hopper.jpg.json"), ("#all-json", "faces.jsonl")):
        with page.expect_download() as download:
            page.click(button)
        assert download.value.suggested_filename == name
        assert json.loads(Path(download.value.path()).read_text("utf-8")) == printed


def test_a_bundle_can_be_asked_instead_of_the_traits(visit: Visit, photos: Path) -> None:
    page = visit()
    look(page, photos / "hopper.jpg")
    page.select_option("#ask", "people")
    expect(page.locator("[data-what=people] .answer")).to_have_text("Grace Hopper")
    expect(page.locator(".told .trait:not([data-what=person])")).to_have_count(1)


@pytest.mark.parametrize(("locale", "shown"), [("en-GB", "Mask: none"), ("ko-KR", "마스크: 쓰지 않음")])
def test_a_photo_is_explained_and_again_by_another_bundle(visit: Visit, photos: Path, locale: str, shown: str) -> None:
    page = visit("/explain", locale=locale)
    page.set_input_files("#files", photos / "hopper.jpg")
    expect(page.get_by_role("heading", name=shown)).to_be_visible()
    expect(page.locator("#explained .map img").first).to_be_visible()
    assert page.evaluate("[...document.querySelectorAll('#explained img')].every((image) => image.naturalWidth > 0)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    page.select_option("#ask", "people")
    expect(page.get_by_role("heading", name="people: Grace Hopper")).to_be_visible()
    page.set_input_files("#files", photos / "nobody.png")
    expect(page.locator("#explained .map")).to_have_count(0)


def test_the_page_that_is_written_changes_its_language_without_a_script(
    visit: Visit, photos: Path, tmp_path: Path, models_home: Path
) -> None:
    written = mien.explain(photos / "hopper.jpg", out=tmp_path, traits="mask", workers=1).page
    assert written is not None
    page = visit(written.as_uri())
    expect(page.get_by_role("heading", name=re.compile("Mask ?: none"))).to_be_visible()
    page.check("#ko")
    expect(page.get_by_role("heading", name=re.compile("마스크 ?: 쓰지 않음"))).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile("Mask ?: none"))).to_be_hidden()
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_somebody_is_enrolled_recognised_and_forgotten(visit: Visit, photos: Path, nobody: str) -> None:
    page = visit("/people")
    expect(page.locator("#people")).to_contain_text("Nobody is enrolled yet.")
    enroll(page, "Grace Hopper", photos / "hopper.jpg", photos / "nobody.png")
    expect(page.locator("#enrolled .good")).to_have_text("Grace Hopper: 1 new photo, 1 in total.")
    expect(page.locator("#enrolled li")).to_have_text("nobody.png: No face was found.")
    facts = page.locator(".people .facts")
    expect(facts).to_contain_text("1 photo · since ")
    expect(facts).to_contain_text("by letter, May 2026")
    expect(page.locator("#person-name")).to_have_value("")
    expect(page.locator("#chosen")).to_have_text("No photos chosen yet.")

    go(page, "look")
    page.set_input_files("#files", photos / "both.jpg")
    name = page.locator(".told.chosen [data-what=person] .answer")
    expect(name).to_have_text("Grace Hopper")
    page.click(".chip:nth-of-type(2)")
    expect(name).to_have_text("unknown")

    go(page, "people")
    page.click(".people button")
    expect(page.locator("dialog h2")).to_have_text("Forget Grace Hopper?")
    assert focused(page) == "Cancel"
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_be_hidden()
    expect(page.locator(".people li")).to_have_count(1)
    page.click(".people button")
    page.click("dialog .danger")
    expect(page.locator("#receipt h3")).to_have_text("Grace Hopper was forgotten")
    expect(page.locator("#receipt code")).to_have_text(re.compile("^[0-9a-f]{64}$"))
    expect(page.locator("#receipt .notice")).to_be_focused()
    expect(page.locator("#people")).to_contain_text("Nobody is enrolled yet.")
    assert httpx.get(f"{nobody}/v1/people").json()["people"] == []


def test_many_photos_are_sent_in_several_requests(
    visit: Visit, photos: Path, nobody: str, tmp_path: Path, hopper: bytes
) -> None:
    page = visit("/people")
    files = []
    for i in range(18):
        files.append(tmp_path / f"{i}.jpg")
        files[-1].write_bytes(hopper + b"\0" * i)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    enroll(page, "Grace Hopper", *files)
    expect(page.locator("#enrolled .good")).to_have_count(2)
    assert len(sent) == 2
    assert [person["photos"] for person in httpx.get(f"{nobody}/v1/people").json()["people"]] == [18]


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("#person-name", "Enter a name."),
        ("#consent", "Enter how the person gave consent."),
        ("#agreed", "tick the box"),
    ],
)
def test_nobody_is_enrolled_without_a_name_and_consent(
    visit: Visit, photos: Path, nobody: str, missing: str, sentence: str
) -> None:
    page = visit("/people")
    for field, text in (("#person-name", "Somebody"), ("#consent", "by letter")):
        page.fill(field, "  " if field == missing else text)
    if missing != "#agreed":
        page.check("#agreed")
    page.set_input_files("#files", photos / "hopper.jpg")
    page.click("#enroll > button")
    expect(page.locator("#enrolled")).to_contain_text(sentence)
    expect(page.locator(missing)).to_be_focused()
    expect(page.locator(missing)).to_have_attribute("aria-invalid", "true")
    assert httpx.get(f"{nobody}/v1/people").json()["people"] == []


def test_a_name_that_is_a_script_is_shown_as_text(visit: Visit, photos: Path, nobody: str) -> None:
    name = "<script>window.hit=1</script><img src=x onerror=window.hit=1>"
    page = visit("/people")
    enroll(page, name, photos / "hopper.jpg")
    expect(page.locator(".people h3")).to_have_text(name)
    go(page, "look")
    look(page, photos / "hopper.jpg")
    expect(page.locator("[data-what=person] .answer")).to_have_text(name)
    assert page.evaluate("window.hit ?? 0") == 0
    expect(page.locator("main script, main img[src=x]")).to_have_count(0)


def test_a_wrong_label_is_corrected_listed_exported_and_removed(visit: Visit, photos: Path) -> None:
    page = visit()
    look(page, photos / "hopper.jpg")
    page.click("[data-what=expression] summary")
    form = page.locator("[data-what=expression] form")
    outcome = form.get_by_role("status")
    form.get_by_role("button").click()
    expect(outcome).to_have_text("Choose the correct label or write it.")
    form.locator("input[value=happy]").check()
    form.get_by_role("button").click()
    expect(outcome).to_have_text("The face can be stored only if the person agrees.")
    form.get_by_role("checkbox").check()
    form.get_by_role("button").click()
    expect(outcome).to_have_text("Saved: happy.")

    go(page, "corrections")
    expect(page.locator("#count")).to_have_text("1 correction")
    cells = page.locator("tbody td")
    assert [cells.nth(i).inner_text() for i in range(3)] == ["Expression", "neutral", "happy"]
    with page.expect_download() as download:
        page.click("a[download]")
    assert download.value.suggested_filename == "corrections-expression.parquet"
    assert Path(download.value.path()).read_bytes()[:4] == b"PAR1"
    page.click("tbody button")
    expect(page.locator("#count")).to_have_text("No corrections yet")
    expect(page.locator("#count")).to_be_focused()


COUNTED = """() => {
  const real = window.fetch;
  window.most = window.now = window.asked = 0;
  window.fetch = async (...all) => {
    window.asked += 1;
    window.now += 1;
    window.most = Math.max(window.most, window.now);
    try { return await real(...all); } finally { window.now -= 1; }
  };
}"""


def test_the_camera_is_looked_at_one_picture_at_a_time_until_it_is_stopped(visit: Visit) -> None:
    page = visit()
    page.evaluate(COUNTED)
    page.click("#camera-start")
    expect(page.locator("#camera .told.chosen .row").nth(4)).to_be_visible()
    until = time.monotonic() + PATIENCE / 1000
    while page.evaluate("window.asked") < 5:
        assert time.monotonic() < until
        page.wait_for_timeout(100)
    assert page.evaluate("window.most") == 1
    expect(page.locator("#camera-rate")).to_contain_text("pictures per second")
    expect(page.locator("#camera .told.chosen [data-what=glasses] .answer")).to_have_attribute("data-label", "none")
    expect(page.locator("#camera-stop")).to_be_focused()
    page.click("#camera-take")
    expect(page.locator("#results .photo")).to_have_count(1)
    page.click("#camera-stop")
    expect(page.locator("#camera")).to_be_hidden()
    assert page.evaluate("document.querySelector('#camera-video').srcObject.getTracks()[0].readyState") == "ended"
    expect(page.locator("#results .told .trait").nth(4)).to_be_visible()
    asked = page.evaluate("window.asked")
    page.wait_for_timeout(500)
    assert page.evaluate("window.asked") == asked


def test_photos_are_still_there_after_a_visit_to_another_page(visit: Visit, photos: Path) -> None:
    page = visit()
    look(page, photos / "hopper.jpg")
    page.evaluate("window.same = true")
    go(page, "people")
    expect(page).to_have_title("People · mien")
    expect(page.locator("nav [aria-current]")).to_have_text("People")
    expect(page.locator("#content")).to_be_focused()
    page.go_back()
    expect(page.locator("main[data-page=look] .photo .trait").nth(4)).to_be_visible()
    assert page.evaluate("window.same")
    page.click("[data-what=mask] summary")
    page.locator("[data-what=mask] form").get_by_role("button").click()
    expect(page.locator("[data-what=mask] .outcome")).not_to_be_empty()  # its form still works
    page.click("#clear")
    expect(page.locator(".photo")).to_have_count(0)


def test_everything_can_be_reached_by_the_keyboard_alone(visit: Visit, photos: Path) -> None:
    page = visit()
    look(page, photos / "hopper.jpg")
    page.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(24):
        page.keyboard.press("Tab")
        reached.append(focused(page))
    expected = ["Skip to content", "mien", "Look", "Explain", "People", "Corrections", "Bundles", "한국어"]
    expected += ["files", "camera-start", "ask"]
    assert reached[: len(expected)] == expected
    assert "all-json" in reached
    assert any(name.startswith("Glasses: glasses, ") for name in reached)
    page.focus("[data-what=expression] summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-what=expression] input:checked")).to_have_count(1)


@pytest.mark.parametrize("path", pages.PAGES.values())
@pytest.mark.parametrize("locale", ["en-GB", "ko-KR"])
def test_a_page_fits_a_small_phone_in_both_languages(
    visit: Visit, photos: Path, nobody: str, path: str, locale: str
) -> None:
    page = visit(path, viewport={"width": 320, "height": 640}, locale=locale, color_scheme="dark")
    if path == "/people":
        enroll(page, "Hubert-Blaine-Wolfeschlegelsteinhausenbergerdorff", photos / "hopper.jpg")
        expect(page.locator(".people li")).to_be_visible()
    if path == "/":
        look(page, photos / "both.jpg")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    wide = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
    assert page.evaluate(f"{wide}.map(e => e.outerHTML.slice(0, 80))") == []


def test_korean_is_shown_where_it_is_preferred(visit: Visit, photos: Path) -> None:
    page = visit(locale="ko-KR")
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    look(page, photos / "hopper.jpg")
    expect(page.locator("h1")).to_have_text("얼굴 살펴보기")
    expect(page.locator("[data-what=glasses] .answer")).to_have_text("안경")
    expect(page.locator("#results .facts")).to_contain_text("얼굴 1개")
    page.click(".language")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("h1")).to_have_text("Look at faces")
    page.wait_for_load_state()
    look(page, photos / "hopper.jpg")
    expect(page.locator("[data-what=glasses] .answer")).to_have_text("glasses")


def test_a_refusal_is_shown_in_the_reader_s_language(visit: Visit, photos: Path, nobody: str) -> None:
    page = visit("/people", locale="ko-KR", refusals=(409,))
    enroll(page, "아무개", photos / "nobody.png", photos / "both.jpg")
    expect(page.locator("#enrolled p")).to_have_text("쓸 수 있는 사진이 없어 등록하지 못했습니다.")
    expect(page.locator("#enrolled li")).to_have_text(
        ["nobody.png: 얼굴을 찾지 못했습니다.", "both.jpg: 얼굴이 여럿이라 누구인지 정할 수 없습니다."]
    )
    page.evaluate("document.querySelector('#person-name').maxLength = 999")
    page.fill("#person-name", "x" * 300)
    page.click("#enroll > button")
    expect(page.locator("#enrolled")).to_contain_text("1~200자")
    assert httpx.get(f"{nobody}/v1/people").json()["people"] == []


def test_bundles_show_their_cards_and_their_reports(visit: Visit, address: str) -> None:
    page = visit("/bundles", viewport={"width": 320, "height": 640})
    expect(page.locator(".bundle")).to_have_count(6)
    expect(page.locator(".bundle h2").first).to_have_text("Age")
    expect(page.locator(".bundle").last.locator(".labels")).to_contain_text("Grace Hopper")
    card = page.locator(".bundle").nth(4)
    card.locator("summary").click()
    expect(card.locator(".text h3").first).to_have_text("mask")
    expect(card.locator(".text th").first).to_have_text("what")
    expect(card.locator(".text td").first).to_contain_text("street photos kept apart")
    assert card.locator(".text ul li").count() > 3
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    with page.context.expect_page() as opened:
        page.click("a[href$=report]")
    assert opened.value.url == f"{address}/v1/bundles/people/report"
    expect(opened.value.locator("h1")).to_contain_text("people")
    font = "getComputedStyle(document.body).fontFamily"
    assert opened.value.evaluate(font) != page.evaluate(font)  # its own styles are allowed


@pytest.fixture
def locked(tmp_path: Path, people: Path, shared_home: Path) -> Iterator[tuple[str, str]]:
    """The address of a service that needs a key, and a key that may read; its bundle is a trap."""
    config = ServiceConfig(tmp_path / "keyed", tmp_path / "bundles", detector="mtcnn", workers=1, keyed=True)
    shutil.copytree(people, tmp_path / "bundles" / "trap.mien")
    trap = "<h1>trap</h1><script>document.title = 'hit'</script><img src=x onerror=\"document.title = 'hit'\">"
    (tmp_path / "bundles" / "trap.mien" / "report.html").write_text(f"<!doctype html><title>trap</title>{trap}")
    (tmp_path / "bundles" / "trap.mien" / "card.md").write_text("# trap\n\n<b>bold</b> [here](javascript:hit)")
    _, key = KeyStore(config.database).add(Scope.READ)
    with serving(config, shared_home) as address:
        yield address, key


def test_a_report_that_is_a_trap_catches_nobody_and_opens_with_a_key(browser: Browser, locked: tuple[str, str]) -> None:
    address, key = locked
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{address}/bundles")
        expect(page.locator("#key")).to_be_visible()
        page.fill("#key-text", key)
        page.keyboard.press("Enter")
        page.locator(".bundle").last.locator("summary").click()
        expect(page.locator(".text p")).to_have_text("<b>bold</b> [here](javascript:hit)")
        with context.expect_page() as opened:
            page.click("a[href$=report]")
        expect(opened.value).to_have_title("trap")
        expect(opened.value.locator("h1")).to_have_text("trap")
        assert page.evaluate("document.cookie") == ""  # it belongs to the report's path, and is gone in a moment


def test_a_key_is_asked_for_only_where_the_server_needs_one(
    locked: tuple[str, str], visit: Visit, photos: Path
) -> None:
    page = visit()
    expect(page.locator("#key")).to_be_hidden()
    address, key = locked
    page = visit(address, refusals=(401, 403))
    expect(page.locator("#key-text")).to_be_focused()
    page.set_input_files("#files", photos / "hopper.jpg")
    expect(page.locator(".panel .problem")).to_have_text("This server needs a key, or does not know this one.")
    page.fill("#key-text", key)
    page.keyboard.press("Enter")
    expect(page.locator("#results .told .trait").nth(4)).to_be_visible()
    expect(page.locator("#key")).to_be_hidden()
    expect(page.locator("#ask option")).to_have_count(2)
    stored = page.evaluate("[JSON.stringify(localStorage), document.cookie, sessionStorage.length]")
    assert stored == ["{}", "", 1]
    go(page, "people")
    expect(page.locator("#people")).to_have_text("This key does not allow that.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [*pages.PAGES.values(), "/docs"])
def test_axe_finds_nothing_wrong_and_headings_are_in_order(visit: Visit, photos: Path, path: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = visit(path, color_scheme=scheme, bypass_csp=True)
    if path == "/":
        look(page, photos / "both.jpg")
        page.click(".told.chosen [data-what=expression] summary")
        expect(page.locator(".told.chosen form:visible")).to_be_visible()
    elif path == "/explain":
        page.set_input_files("#files", photos / "hopper.jpg")
        expect(page.locator("#explained .map").first).to_be_visible()
    elif path != "/docs":
        expect(page.locator("main [aria-live]").first).not_to_contain_text("Loading")
    violations = axe.Axe().run(page).response["violations"]
    assert [(item["id"], [node["html"] for node in item["nodes"]]) for item in violations] == []
    headings = page.locator("main").locator("h1, h2, h3")
    levels = [int(tag[1]) for tag in headings.evaluate_all("all => all.map(e => e.tagName)")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    if path != "/docs":
        assert page.locator("[role=status][aria-live=polite]").count() >= 1
        assert page.locator("main, header.site, footer.site, nav[aria-label]").count() == 4


def test_a_server_that_is_gone_is_reported_in_a_sentence(browser: Browser, address: str, photos: Path) -> None:
    with browser.new_context(locale="en-GB") as context:
        page = context.new_page()
        page.goto(address)
        expect(page.locator("#ask option")).to_have_count(2)
        context.set_offline(True)
        page.set_input_files("#files", photos / "hopper.jpg")
        expect(page.locator("#results .panel")).to_have_text("The server does not respond. Is it still running?")
