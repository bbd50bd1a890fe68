"""The client asks the service, and says what the service says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from mien.client import Client, ServiceError


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://localhost", "mien_key", transport=httpx.MockTransport(answer))


def test_photos_are_paths_or_bytes_and_the_key_is_sent(tmp_path: Path) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"results": [{"image": "a"}]})

    file = tmp_path / "a.jpg"
    file.write_bytes(b"from a file")
    with answering(answer) as client:
        assert client.look(file, str(file), b"bytes") == [{"image": "a"}]
        assert client.classify("mask", b"bytes", top=1) == [{"image": "a"}]
        assert client.identify(b"bytes") == [{"image": "a"}]
    assert [request.url.path for request in asked] == ["/v1/look", "/v1/classify/mask", "/v1/identify"]
    assert asked[0].headers["authorization"] == "Bearer mien_key"
    assert asked[0].content.count(b"from a file") == 2
    assert b'filename="a.jpg"' in asked[0].content
    assert str(tmp_path).encode() not in asked[0].content
    assert asked[1].url.params["top"] == "1"


def test_every_route_is_asked_as_it_wants() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        said = {"people": [1], "bundles": [2], "method": request.method, "path": request.url.path}
        return httpx.Response(200, json={**said, "sent": request.content.decode("latin-1")})

    with answering(answer) as client:
        assert client.verify(b"a", b"b")["path"] == "/v1/verify"
        assert json.dumps([client.people(), client.bundles()]) == "[[1], [2]]"
        enrolled = client.enroll("Grace", b"a", consent="yes", largest=True)
        assert all(text in enrolled["sent"] for text in ("Grace", "yes", "true"))
        assert (client.forget(3)["method"], client.forget(3)["path"]) == ("DELETE", "/v1/people/3")
        corrected = client.correct(b"a", "mask", "with_mask", (1.5, 2, 3, 4), "yes", "without_mask")
        assert "1.5,2,3,4" in corrected["sent"]
        assert json.loads(client.export_corrections("mask"))["path"] == "/v1/corrections/export"


def test_a_problem_is_an_error_with_what_the_service_said() -> None:
    problem = {"type": "urn:mien:problem:busy", "status": 503, "detail": "too many requests are under way"}
    kind = {"Content-Type": "application/problem+json"}
    with (
        answering(lambda _: httpx.Response(503, json=problem, headers=kind)) as client,
        pytest.raises(ServiceError, match="too many requests") as error,
    ):
        client.people()
    assert (error.value.status, error.value.problem) == (503, problem)


def test_an_answer_of_somebody_else_is_an_error_too() -> None:
    with (
        answering(lambda _: httpx.Response(502, text="<html>")) as client,
        pytest.raises(ServiceError, match=r"refused \(502\)"),
    ):
        client.people()


def test_nobody_there_is_a_sentence() -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with answering(fail) as client, pytest.raises(ServiceError, match="is it running") as error:
        client.look(b"")
    assert error.value.status == 0
