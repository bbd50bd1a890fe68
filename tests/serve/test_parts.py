"""The parts of pages that htmx asks for: the same answers, scopes and audit log as the API, as HTML."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from urllib.parse import unquote

import pytest

from mien.serve.auth import KeyStore, Scope
from mien.serve.pages import render_markdown
from mien.serve.settings import ServiceConfig, ServiceLimits
from tests.serve.conftest import Served, Serving, parts

ON_SERVICE = pytest.mark.anyio
KOREAN = {"Accept-Language": "ko"}
PARTS = [
    ("GET", "/parts/bundles", Scope.READ),
    ("GET", "/parts/bundles/choices", Scope.READ),
    ("GET", "/parts/bundles/mask/card", Scope.READ),
    ("POST", "/parts/look", Scope.READ),
    ("POST", "/parts/explain", Scope.READ),
    ("GET", "/parts/people", Scope.ENROL),
    ("POST", "/parts/people", Scope.ENROL),
    ("POST", "/parts/corrections", Scope.ENROL),
    ("DELETE", "/parts/people/1", Scope.ADMIN),
    ("GET", "/parts/corrections", Scope.ADMIN),
    ("DELETE", "/parts/corrections/0123456789abcdef", Scope.ADMIN),
]


@ON_SERVICE
async def test_a_part_needs_the_scope_of_its_route(serving: Serving, config: ServiceConfig) -> None:
    async with serving(replace(config, keyed=True, limits=ServiceLimits(requests=1000))) as served:
        store = KeyStore(served.app.state.service.config.database)
        for method, path, needed in PARTS:
            answer = await served.http.request(method, path, headers=KOREAN)
            assert answer.status_code == 401, path
            assert "키가 필요하거나" in answer.text
            for scope in Scope:
                headers = {"Authorization": f"Bearer {store.add(scope)[1]}"}
                status = (await served.http.request(method, path, headers=headers)).status_code
                assert (status == 403) == (scope < needed), (scope, path, status)
    routes = {path for route in served.app.routes if (path := getattr(route, "path", "")).startswith("/parts")}
    assert len(routes) <= len(PARTS)
    assert not [path for path in served.app.openapi()["paths"] if path.startswith("/parts")]


@ON_SERVICE
async def test_the_faces_of_a_photo_come_with_what_the_api_answers(served: Served, hopper: bytes) -> None:
    sent = parts(("<b>.jpg", hopper))
    part = await served.http.post("/parts/look", files=sent)
    line = (await served.http.post("/v1/look", files=sent)).json()["results"][0]
    (link,) = re.findall(r'href="data:application/json,([^"]+)"', part.text)
    assert json.loads(unquote(unescape(link))) == line
    assert "<b>" not in part.text
    assert part.text.count("<circle") == 5
    assert re.findall(r'class="answer" data-label="(\w+)"', part.text)[1] == line["faces"][0]["traits"]["mask"]["label"]
    assert [entry["action"] for entry in served.audited()] == ["look", "look"]
    live = await served.http.post("/parts/look", files=sent, data={"live": "1", "bundle": "mask"})
    assert "<form" not in live.text
    assert re.findall(r'data-what="(\w+)"', live.text) == ["mask"]


@ON_SERVICE
async def test_a_photo_is_explained_as_by_the_api_in_the_reader_s_language(served: Served, hopper: bytes) -> None:
    sent, form = parts(("<b>.jpg", hopper)), {"bundle": "mask"}
    part = await served.http.post("/parts/explain", files=sent, data=form, headers=KOREAN)
    assert "마스크: 쓰지 않음" in part.text
    assert "<b>" not in part.text.replace("<figcaption><b>", "").replace("</div>\n<b>", "")
    assert not re.findall(r"<script|<style|\sstyle=|\son\w+=|(?:src|href)=\"(?!data:image/)", part.text)
    answer = (await served.http.post("/v1/explain", files=sent, data=form)).json()
    (line,) = answer["results"]
    assert (line["image"], line["faces"][0]["label"]) == ("<b>.jpg", "without_mask")
    assert answer["page"].startswith("<!DOCTYPE html>")
    assert "page" not in line
    assert [entry["bundle"] for entry in served.audited()] == ["mask", "mask"]


@ON_SERVICE
async def test_without_a_bundle_the_traits_are_explained_and_enrolled_people_named(
    served: Served, hopper: bytes
) -> None:
    enrolled = {"name": "Grace", "consent": "by letter"}
    await served.http.post("/v1/people", data=enrolled, files=parts(("a.jpg", hopper)))
    (line,) = (await served.http.post("/v1/explain", files=parts(("b.jpg", hopper)))).json()["results"]
    assert line["faces"][0]["person"]["name"] == "Grace"
    assert "mask" in line["faces"][0]["traits"]
    assert served.audited()[-1]["people"] == [line["faces"][0]["person"]["id"]]
    (line,) = (await served.http.post("/v1/explain", files=parts(("c.jpg", b"x")))).json()["results"]
    assert line["rejected"]["reason"] == "unreadable"


@ON_SERVICE
async def test_a_photo_without_faces_and_a_request_without_a_photo_are_sentences(served: Served) -> None:
    broken = await served.http.post("/parts/look", files=parts(("a.jpg", b"x")), headers=KOREAN)
    assert (broken.status_code, "읽을 수 없는" in broken.text) == (200, True)
    nothing = await served.http.post("/parts/look", data={"bundle": "x"})
    assert nothing.status_code == 415
    assert nothing.headers["content-type"].startswith("text/html")
    assert 'class="problem"' in nothing.text
    unknown = await served.http.post("/parts/look", files=parts(("a.jpg", b"x")), data={"bundle": "nobody"})
    assert (unknown.status_code, "This bundle no longer exists." in unknown.text) == (404, True)


@ON_SERVICE
async def test_a_person_comes_is_listed_and_goes(served: Served, hopper: bytes) -> None:
    form = {"name": "<i>Grace</i>", "consent": "by letter", "largest": "true"}
    enrolled = await served.http.post("/parts/people", data=form, files=parts(("a.jpg", hopper), ("b.jpg", b"x")))
    assert enrolled.headers["hx-trigger"] == "mien:people"
    assert "&lt;i&gt;Grace&lt;/i&gt;: 1 new photo, 1 in total." in enrolled.text
    listed = (await served.http.get("/parts/people")).text
    (id,) = re.findall(r'hx-delete="/parts/people/(\d+)"', listed)
    again = await served.http.post("/parts/people", data=form | {"name": "Other"}, files=parts(("a.jpg", hopper)))
    assert (again.status_code, "already enrolled" in again.text) == (409, True)
    receipt = await served.http.delete(f"/parts/people/{id}")
    assert re.search("<code>[0-9a-f]{64}</code>", receipt.text)
    assert "Nobody is enrolled yet." in (await served.http.get("/parts/people")).text
    assert (await served.http.delete(f"/parts/people/{id}")).status_code == 404


@ON_SERVICE
async def test_a_correction_is_stored_only_if_the_person_agrees(served: Served, hopper: bytes) -> None:
    form = {"about": "mask", "was": "without_mask", "box": "177.1,114.6,350.2,328.6", "label": "with_mask"}
    sent = parts(("a.jpg", hopper))
    assert (await served.http.post("/parts/corrections", data=form, files=sent)).status_code == 422
    noted = await served.http.post("/parts/corrections", data=form | {"agreed": "on"}, files=sent)
    assert noted.text.strip() == "Saved: worn properly."
    own = await served.http.post("/parts/corrections", data=form | {"agreed": "on", "own": " scarf "}, files=sent)
    assert own.text.strip() == "Saved: scarf."
    table = (await served.http.get("/parts/corrections", headers=KOREAN)).text
    assert "수정 2건" in table
    (first, second) = re.findall(r'hx-delete="(/parts/corrections/\w+)"', table)
    assert "1 correction" in (await served.http.delete(first)).text
    assert "No corrections yet" in (await served.http.delete(second)).text
    assert (await served.http.delete(second)).status_code == 404


@ON_SERVICE
async def test_what_nobody_foresaw_is_a_sentence_too(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(served.app.state.service.bundles, "all", lambda: 1 / 0)
    answer = await served.http.get("/parts/bundles")
    assert (answer.status_code, "ZeroDivision" in answer.text) == (500, False)
    assert "An unexpected error occurred on the server." in answer.text


def test_a_card_becomes_html_that_holds_nothing_but_text_and_links_to_the_web() -> None:
    html = render_markdown(
        "# one\n\n<script>hit</script> [a](javascript:hit) [b](/v1/people) [c](data:text/html,x) ![d](http://x/y.png)\n\n"
        '[e](https://example.com "t") `<i>` **bold**\n\n- item\n  goes on\n\n| x | y |\n| --- | --- |\n| <b> | 2 |\n'
    )
    assert re.findall(r"<(\w+)", html) == [
        *("h3", "p", "a", "p", "a", "code", "strong", "ul", "li"),
        *("div", "table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"),
    ]
    assert re.findall(r'href="([^"]+)"', html) == ["http://x/y.png", "https://example.com"]
    assert html.count('rel="noopener noreferrer nofollow"') == 2
