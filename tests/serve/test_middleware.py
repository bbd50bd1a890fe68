"""What holds for every request: headers, origin, host, problems."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mien.serve.middleware import HEADERS
from mien.serve.settings import ServiceConfig
from tests.serve.conftest import JPEG, Served, Serving

pytestmark = pytest.mark.anyio


async def test_every_answer_carries_the_headers(served: Served) -> None:
    for path in ("/healthz", "/v1/bundles", "/nowhere", "/docs", "/static/docs.css", "/openapi.json", "/metrics", "/"):
        answer = await served.http.get(path)
        missing = [name for name in HEADERS if name not in answer.headers]
        assert (missing, len(answer.headers["x-request-id"])) == ([], 16), path
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "server" not in answer.headers


async def test_pages_of_other_sites_may_change_nothing(served: Served) -> None:
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
    ):
        for method, path in (("POST", "/v1/look"), ("DELETE", "/v1/people/1"), ("POST", "/v1/people")):
            answer = await served.http.request(method, path, headers={**JPEG, **headers}, content=b"x")
            assert answer.status_code == 403, (method, path, headers)
            assert answer.json()["type"] == "urn:mien:problem:cross-site"


async def test_own_pages_and_programs_may(served: Served) -> None:
    for headers in (
        {},
        {"Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
    ):
        answer = await served.http.post("/v1/look", headers={**JPEG, **headers}, content=b"x")
        assert answer.status_code == 200


async def test_without_keys_only_names_of_this_machine_are_answered(served: Served) -> None:
    for host, status in {
        "localhost:8000": 200,
        "127.0.0.1": 200,
        "[::1]:8000": 200,
        "evil.example": 421,
        "localhost.evil.example": 421,
        "": 421,
        "[::": 421,
    }.items():
        assert (await served.http.get("/healthz", headers={"Host": host})).status_code == status, host


async def test_with_keys_any_name_is(serving: Serving, config: ServiceConfig) -> None:
    async with serving(replace(config, keyed=True)) as served:
        assert (await served.http.get("/healthz", headers={"Host": "faces.example"})).status_code == 200


async def test_what_nobody_foresaw_is_a_problem_without_a_word_about_the_inside(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(served.app.state.service.bundles, "all", lambda: 1 / 0)
    answer = await served.http.get("/v1/bundles")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "ZeroDivision" not in answer.text
    assert answer.headers["x-request-id"] in answer.json()["detail"]


async def test_what_is_not_there_or_cannot_be_asked_is_a_problem(served: Served) -> None:
    for method, path, status in (("GET", "/v1/nothing", 404), ("PATCH", "/v1/people", 405), ("GET", "/static/", 404)):
        answer = await served.http.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (await served.http.patch("/v1/people")).headers["allow"] == "GET, POST"
    assert (await served.http.patch("/v1/people/1")).headers["allow"] == "DELETE, GET"
    assert (await served.http.patch("/v1/corrections/export")).headers["allow"] == "GET"


async def test_the_routes_are_shown_without_a_script_or_another_server(served: Served) -> None:
    page = (await served.http.get("/docs")).text
    assert "<script" not in page
    assert "://" not in page.replace("https://", "", 0)
    assert "POST /v1/classify/{bundle}" in page
    assert (await served.http.get("/static/docs.css")).headers["content-type"].startswith("text/css")
