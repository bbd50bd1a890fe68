"""Who has no key, a wrong one, a revoked one or too small a one is refused, limited and logged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from mien.serve.auth import COOKIE, GUESSES, KeyStore, Scope
from mien.serve.settings import ServiceConfig, ServiceLimits
from tests.serve.conftest import JPEG, Served, Serving

pytestmark = pytest.mark.anyio

ROUTES = [
    ("POST", "/v1/look", Scope.READ),
    ("POST", "/v1/explain", Scope.READ),
    ("POST", "/v1/classify/mask", Scope.READ),
    ("POST", "/v1/verify", Scope.READ),
    ("POST", "/v1/identify", Scope.READ),
    ("GET", "/v1/bundles", Scope.READ),
    ("GET", "/v1/bundles/mask/card", Scope.READ),
    ("GET", "/v1/bundles/mask/report", Scope.READ),
    ("GET", "/metrics", Scope.READ),
    ("GET", "/v1/people", Scope.ENROL),
    ("POST", "/v1/people", Scope.ENROL),
    ("GET", "/v1/people/1", Scope.ENROL),
    ("POST", "/v1/people/1/photos", Scope.ENROL),
    ("POST", "/v1/corrections", Scope.ENROL),
    ("DELETE", "/v1/people/1", Scope.ADMIN),
    ("GET", "/v1/corrections", Scope.ADMIN),
    ("GET", "/v1/corrections/export", Scope.ADMIN),
    ("DELETE", "/v1/corrections/0123456789abcdef", Scope.ADMIN),
]


@pytest.fixture
async def keyed(serving: Serving, config: ServiceConfig) -> AsyncIterator[Served]:
    async with serving(replace(config, keyed=True, limits=ServiceLimits(requests=30))) as served:
        yield served


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def add_key(served: Served, scope: Scope) -> tuple[str, str]:
    """A key of that scope: its number and what is sent."""
    key, text = KeyStore(served.app.state.service.config.database).add(scope)
    return key.id, text


async def test_every_route_of_the_api_is_in_the_table(served: Served) -> None:
    described = (await served.http.get("/openapi.json")).json()["paths"]
    routes = {(method.upper(), path) for path, methods in described.items() for method in methods}
    tabled = {
        (m, p.replace("mask", "{bundle}").replace("0123456789abcdef", "{id}").replace("/1", "/{id}"))
        for m, p, _ in ROUTES
    }
    assert routes == tabled | {("GET", "/healthz"), ("GET", "/readyz")}


async def test_without_a_key_nothing_is_answered(keyed: Served) -> None:
    for method, path, _ in ROUTES:
        answer = await keyed.http.request(method, path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path
    assert (await keyed.http.get("/healthz")).status_code == 200
    assert {line["why"] for line in keyed.audited()} == {"no key"}
    assert (await keyed.http.get("/openapi.json")).json()["paths"]["/v1/look"]["post"]["security"] == [{"key": []}]


async def test_a_key_may_do_what_its_scope_says_and_no_more(keyed: Served) -> None:
    for scope in Scope:
        id, text = add_key(keyed, scope)
        for method, path, needed in ROUTES:
            status = (await keyed.http.request(method, path, headers=bearer(text))).status_code
            assert (status == 403) == (scope < needed), (scope, path, status)
        refused = [line for line in keyed.audited() if line["key"] == id and line["action"] == "refused"]
        assert [line["why"] for line in refused] == ["scope"] * sum(scope < needed for _, _, needed in ROUTES)


async def test_wrong_and_revoked_keys_are_refused_and_a_browser_s_is_taken(keyed: Served) -> None:
    id, text = add_key(keyed, Scope.READ)
    assert (await keyed.http.get("/v1/bundles", headers=bearer(text))).status_code == 200
    assert (await keyed.http.get("/v1/bundles", headers={"Cookie": f"{COOKIE}={text}"})).status_code == 200
    for wrong in (text[:-1] + "!", text + "a", "Ω" * 5, "mien_00000000_" + "A" * 43, f"Basic {text}"):
        headers = [(b"Authorization", f"Bearer {wrong}".encode())]
        assert (await keyed.http.get("/v1/bundles", headers=headers)).status_code == 401, wrong
    KeyStore(keyed.app.state.service.config.database).revoke(id)
    assert (await keyed.http.get("/v1/bundles", headers=bearer(text))).status_code == 401
    assert all(text not in str(line) for line in keyed.audited())


async def test_a_thousand_guesses_are_limited_and_logged_and_others_are_let_in(keyed: Served) -> None:
    _, text = add_key(keyed, Scope.READ)
    statuses = []
    for i in range(1000):
        guess = f"mien_{i:08x}_{'A' * 43}"
        statuses.append((await keyed.http.get("/v1/bundles", headers=bearer(guess))).status_code)
    assert set(statuses) == {401, 429}
    assert GUESSES <= statuses.count(401) < 2 * GUESSES + 10
    assert len([line for line in keyed.audited() if line["why"] == "wrong key"]) == statuses.count(401)
    assert (await keyed.http.get("/v1/bundles", headers=bearer(text))).status_code == 200


async def test_a_key_that_asks_too_often_is_told_when_to_come_again(keyed: Served) -> None:
    (_, busy), (_, other) = add_key(keyed, Scope.READ), add_key(keyed, Scope.READ)
    answers = [await keyed.http.get("/v1/bundles", headers=bearer(busy)) for _ in range(40)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 8
    assert int(refused[0].headers["retry-after"]) >= 1
    assert (await keyed.http.get("/v1/bundles", headers=bearer(other))).status_code == 200


async def test_a_damaged_database_lets_nobody_in(keyed: Served) -> None:
    _, text = add_key(keyed, Scope.ADMIN)
    keyed.app.state.service.config.database.write_bytes(b"no database" * 1000)
    answer = await keyed.http.post("/v1/look", content=b"", headers={**JPEG, **bearer(text)})
    assert answer.status_code == 503
    assert "sqlite" not in answer.text
