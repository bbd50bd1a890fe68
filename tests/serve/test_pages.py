from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from mien.models.builtin_traits import TRAITS
from mien.serve import pages
from mien.types import Reason
from tests.house.source import PACKAGE

HERE = PACKAGE / "serve"
STATIC = HERE / "static"
TEXTS = [
    *sorted((HERE / "templates").rglob("*.html")),
    *sorted(path for path in STATIC.glob("*.js") if "min" not in path.name),
]
FAMILIES = ("label", "trait", "reason", "problem")
"""Groups of texts that are looked up by a name from elsewhere."""

GROUPS = {key.split(".")[0] for key in pages.wording("en")}


class Client:
    """Asks the pages without a socket."""

    def __init__(self) -> None:
        app = FastAPI()
        pages.mount(app)
        self._transport = httpx.ASGITransport(app)

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async def answer() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://localhost") as client:
                return await client.get(path, headers=headers)

        return asyncio.run(answer())


@pytest.fixture(scope="module")
def client() -> Client:
    return Client()


@pytest.mark.parametrize("path", pages.PAGES.values())
def test_a_page_allows_only_scripts_and_styles_of_its_own(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", pages.PAGES.values())
def test_nothing_in_a_page_comes_from_elsewhere_or_runs_inline(client: Client, path: str) -> None:
    text = client.get(path).text
    named = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert all(url.startswith(("/", "#")) and not url.startswith("//") for url in named)
    assert re.findall(r"<script(?![^>]*(?:src=|application/json))", text) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", text) == []
    for file in re.findall(r'"(/static/[^"]+)"', text):
        assert client.get(file).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        ("en-GB,en;q=0.9,ko;q=0.8", "en"),
        ("fr, ko;q=0.3", "ko"),
        ("ko;q=0, fr", "en"),
        ("fr", "en"),
        ("*", "en"),
        ("ko;q=1.5,,;;=", "en"),
    ],
)
def test_the_language_is_the_one_that_the_browser_likes_best(client: Client, accepted: str, language: str) -> None:
    answer = client.get("/", headers={"Accept-Language": accepted})
    assert f'<html lang="{language}">' in answer.text
    assert answer.headers["content-language"] == language
    assert answer.headers["vary"] == "Accept-Language"


def test_a_language_that_was_chosen_stays_chosen_on_the_way_to_other_pages(client: Client) -> None:
    text = client.get("/people?lang=ko", headers={"Accept-Language": "en"}).text
    assert '<html lang="ko">' in text
    assert 'href="/corrections?lang=ko"' in text
    assert 'href="/people?lang=en"' in text
    assert 'lang="en"' in client.get('/?lang="><script>').text


def test_a_file_is_asked_for_again_only_if_it_changed(client: Client) -> None:
    first = client.get("/static/mien.css")
    assert first.headers["cache-control"] == "no-cache"
    assert client.get("/static/mien.css", headers={"If-None-Match": first.headers["etag"]}).status_code == 304


@pytest.mark.parametrize("path", ["/static/", "/static/../pages.py", "/static/%2e%2e/pages.py", "/static/nothing.js"])
def test_no_folder_is_listed_and_nothing_beside_the_files_is_given(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_every_text_that_a_page_shows_is_in_the_table_and_none_is_left_over() -> None:
    known = pages.wording("en").keys()
    text = "".join(file.read_text("utf-8") for file in TEXTS)
    said = {f"script.{key}" for key in re.findall(r'\bsay\("([a-z-]+)"', text)}
    said |= {f"script.{key}" for key in re.findall(r'"(camera-[a-z]+)"', text)} & known
    counted = {f"{key}-n" for key in re.findall(r'text\.count\("([a-z.-]+)"', text)}
    shown = {key for key in re.findall(r'"([a-z]+\.[a-z][a-z0-9-]*)"', text) if key.split(".")[0] in GROUPS}
    shown = shown - ({key.removesuffix("-n") for key in counted} - known) | {f"site.{page}" for page in pages.PAGES}
    used = shown | said | counted | {"problem.other"}
    assert sorted(used - known) == []
    left = {key for key in known - used if key.split(".")[0] not in FAMILIES and not re.search(r"-[012]$", key)}
    assert sorted(left) == []


def test_both_languages_say_everything_with_the_same_things_filled_in() -> None:
    english, korean = pages.wording("en"), pages.wording("ko")
    assert english.keys() == korean.keys()
    for key, text in english.items():
        assert text
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", korean[key])), key
        own = re.sub(r"\{\w+\}", "", text)
        assert re.search("[가-힣]", korean[key]) or key == "site.other" or not re.search("[a-z]{3}", own), key


def test_every_trait_label_and_reason_has_words_of_its_own() -> None:
    known = pages.wording("ko")
    assert [name for name in TRAITS if f"trait.{name}" not in known] == []
    assert [reason for reason in Reason if f"reason.{reason}" not in known] == []
    for name in TRAITS:
        manifest = json.loads((PACKAGE / "models" / "shipped" / f"{name}.mien" / "bundle.json").read_text("utf-8"))
        assert [label for label in manifest["labels"] if f"label.{label}" not in known] == []


def schemes() -> list[dict[str, str]]:
    """The colours of the two schemes; the dark one changes what it names."""
    light, dark = (STATIC / "mien.css").read_text("utf-8").split("prefers-color-scheme: dark", 1)
    first = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    second = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark.split("\n}\n", 1)[0]))
    assert first.keys() == second.keys()
    return [first, second]


@pytest.mark.parametrize("colours", schemes(), ids=["light", "dark"])
def test_every_text_can_be_read_on_every_ground_and_every_bar_seen(colours: dict[str, str]) -> None:
    for ink in ("ink", "soft", "accent", "bad", "good"):
        for ground in ("ground", "paper", "tint"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, f"{ink} on {ground}"
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
    assert contrast(colours["soft"], colours["track"]) >= 4.5
    for seen in ("accent", "person", "unsure", "edge"):
        assert contrast(colours[seen], colours["paper"]) >= 3, seen


def contrast(first: str, second: str) -> float:
    """WCAG 2.1, "contrast ratio"."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_no_colour_stands_outside_of_the_two_schemes() -> None:
    rules = (STATIC / "mien.css").read_text("utf-8").split("*, ::before", 1)[1]
    assert re.findall(r"#[0-9a-f]{3,8}\b", rules) == []


def test_htmx_lies_beside_its_licence_and_all_files_together_are_small() -> None:
    assert (STATIC / "htmx.LICENSE").read_text("utf-8").startswith("Zero-Clause BSD")
    files = [path for path in STATIC.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 100_000
    assert all(path.stat().st_size < 12_000 for path in files if path.suffix == ".js" and "htmx" not in path.name)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_script_reads_text_as_html(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\|\s*safe", text) == []
