"""A page that shows the routes, made from their OpenAPI description; needs no script, and nothing of another server."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment

from mien.serve.schema import limit_photos

_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
:root { color-scheme: light dark }
code { font-family: ui-monospace, monospace } table { border-collapse: collapse } td { padding: .1rem 1rem .1rem 0 }
h2 { margin-top: 2.5rem; font-size: 1.1rem }
"""
_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ about.info.title }} {{ about.info.version }}: routes</title><link rel="stylesheet" href="/docs.css"></head>
<body><main>
<h1>{{ about.info.title }} {{ about.info.version }}</h1>
<p>{{ about.info.description }} The same for programs: <a href="/openapi.json">openapi.json</a>.</p>
{% for path, methods in about.paths.items() %}{% for method, route in methods.items() %}
<h2><code>{{ method | upper }} {{ path }}</code></h2>
<p>{{ route.description }}</p>
{% set sent = route.get("requestBody", {}).get("content", {}) %}
{% if sent %}<p>Takes {{ sent | join(", ") }}.</p>
<table>{% for name, part in sent["multipart/form-data"].schema.properties.items() %}
<tr><td><code>{{ name }}</code></td><td>{{ part.description }}</td></tr>{% endfor %}</table>{% endif %}
<table>{% for status, answer in route.responses.items() %}
<tr><td>{{ status }}</td><td>{{ answer.description }}</td></tr>{% endfor %}</table>
{% endfor %}{% endfor %}
</main></body></html>
"""
)


def mount(app: FastAPI, *, keyed: bool, photos: int) -> None:
    """Add the page at `/docs`. keyed: whether the API takes keys. photos: how many of a request."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            limit_photos(plain(), photos)
            if keyed:
                _keyed(plain())
        return plain()

    app.openapi = described  # type: ignore[method-assign]

    @app.get("/docs", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(_PAGE.render(about=app.openapi()))

    @app.get("/docs.css", include_in_schema=False)
    async def style() -> Response:
        return Response(_STYLE, media_type="text/css")


def _keyed(schema: dict[str, Any]) -> None:
    schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, methods in schema["paths"].items():
        for route in methods.values():
            if path not in ("/healthz", "/readyz"):
                route["security"] = [{"key": []}]
