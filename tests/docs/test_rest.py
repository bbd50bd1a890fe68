"""The page on the REST API and the service's own OpenAPI description tell of the same routes, fields and statuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mien.serve.app import create_app
from mien.serve.pages import LANGUAGES, wording
from mien.serve.settings import ServiceConfig
from tests.docs.pages import ROOT
from tests.house.source import PACKAGE

PAGE = ROOT / "docs" / "reference" / "rest.md"
ROUTE = re.compile(r"^## `([A-Z]+ /\S*)`$", re.M)


@pytest.fixture
def described(tmp_path: Path) -> Iterator[Mapping[str, Any]]:
    app = create_app(ServiceConfig(tmp_path))
    yield app.openapi()
    app.state.service.workers.close()


def routes(described: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """`POST /v1/look` -> the operation."""
    return {
        f"{method.upper()} {path}": route
        for path, methods in described["paths"].items()
        for method, route in methods.items()
    }


def leaves(schema: Mapping[str, Any], parts: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """The fields of a schema with what they mean: `results[].faces[].box`."""
    if "$ref" in schema:
        yield from leaves(parts[schema["$ref"].rpartition("/")[2]], parts, before)
    for kind in schema.get("anyOf", ()):
        yield from leaves(kind, parts, before)
    if schema.get("type") == "array":
        yield from leaves(schema["items"], parts, f"{before}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from leaves(schema["additionalProperties"], parts, f"{before}.NAME")
    for name, inner in schema.get("properties", {}).items():
        where = f"{before}.{name}" if before else name
        yield where, inner.get("description", "")
        yield from leaves(inner, parts, where)


def sent(route: Mapping[str, Any]) -> dict[str, str]:
    """What a route takes: fields of its body, and parameters."""
    form = route.get("requestBody", {}).get("content", {}).get("multipart/form-data", {}).get("schema", {})
    parameters = {each["name"]: each["in"] for each in route.get("parameters", ())}
    return {name: part["description"] for name, part in form.get("properties", {}).items()} | parameters


def answered(route: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, str]:
    """What a route answers with where all is well."""
    good = next(answer for status, answer in route["responses"].items() if status.startswith("2"))
    schema = good.get("content", {}).get("application/json", {}).get("schema", {})
    return dict(leaves(schema, parts))


def on_the_page(route: str, heading: str) -> set[str]:
    """The first column of the table under a heading of a route's section."""
    section = re.split(r"^## ", PAGE.read_text("utf-8").partition(f"## `{route}`\n")[2], maxsplit=1, flags=re.M)[0]
    table = section.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", table, flags=re.M))


def test_the_routes_are_the_same(described: Mapping[str, Any]) -> None:
    assert ROUTE.findall(PAGE.read_text("utf-8")) == list(routes(described))


def test_the_fields_are_the_same(described: Mapping[str, Any]) -> None:
    parts = described["components"]["schemas"]
    for name, route in routes(described).items():
        assert on_the_page(name, "sent") == set(sent(route)), name
        assert on_the_page(name, "answered") == set(answered(route, parts)), name


def test_every_problem_is_in_the_table_and_has_words_in_both_languages() -> None:
    source = "".join(path.read_text("utf-8") for path in sorted((PACKAGE / "serve").rglob("*.py")))
    raised = {(name, status) for status, name in re.findall(r'Problem\(\s*(\d{3}),\s*"([a-z-]+)"', source)}
    raised |= {("not-found", "404"), ("method-not-allowed", "405")}  # what Starlette says by itself
    table = PAGE.read_text("utf-8").partition("| type | status |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", table, flags=re.M)) == raised
    for language in LANGUAGES:
        said = {key.removeprefix("problem.") for key in wording(language) if key.startswith("problem.")}
        assert said == {name for name, _ in raised} | {"other"}


def test_the_statuses_are_explained(described: Mapping[str, Any]) -> None:
    used = {status for route in routes(described).values() for status in route["responses"]}
    table = PAGE.read_text("utf-8").partition("| status |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| (\d{3}) \|", table, flags=re.M)) == used
