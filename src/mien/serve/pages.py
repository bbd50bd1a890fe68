"""The web pages: templates filled with words in the reader's language, and the files beside them; knows no face.

A page asks the service for everything by its own JavaScript, so that there is one way to an answer.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader, StrictUndefined

import mien

LANGUAGES = ("en", "ko")
PAGES = {"look": "/", "people": "/people", "corrections": "/corrections", "bundles": "/bundles"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
}
"""What holds for pages instead of what holds for other answers: they run our scripts, and may use the camera."""

_RANGE = re.compile(r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]+)?\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?\s*")


class Files(StaticFiles):
    """The pages' scripts, styles and pictures, with the headers of the pages."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response


def mount(app: FastAPI) -> None:
    """Add the pages and their files to a service; the service answers below `/v1`."""
    templates = _templates()
    app.mount("/static", Files(packages=[("mien.serve", "static")]), name="static")
    for name, path in PAGES.items():
        app.add_api_route(path, _page(templates, name), include_in_schema=False, response_class=HTMLResponse)


def _page(templates: Environment, name: str) -> Any:
    template = templates.get_template(f"{name}.html")

    def page(request: Request) -> HTMLResponse:
        chosen = request.query_params.get("lang")
        language = chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language", ""))
        said = words(language)
        text = template.render(
            page=name,
            pages={each: path + (f"?lang={chosen}" if chosen in LANGUAGES else "") for each, path in PAGES.items()},
            here=PAGES[name],
            language=language,
            other="ko" if language == "en" else "en",
            say=said,
            version=mien.__version__,
        )
        return HTMLResponse(text, headers={**HEADERS, "Content-Language": language, "Vary": "Accept-Language"})

    return page


def preferred(accepted: str) -> str:
    """An Accept-Language header -> the language of ours that it likes best (RFC 9110, section 12.5.4); else English."""
    best, liking = LANGUAGES[0], 0.0
    for part in accepted.split(","):
        found = _RANGE.fullmatch(part)
        if found is None:
            continue
        language, weight = found[1].lower(), float(found[2] or 1)
        if language in LANGUAGES and weight > liking:
            best, liking = language, weight
    return best


@cache
def words(language: str) -> Mapping[str, str]:
    """What the pages say in a language, as `group.key` -> text."""
    table = tomllib.loads(files("mien.serve").joinpath("wording.toml").read_text("utf-8"))
    at = LANGUAGES.index(language)
    return {f"{group}.{key}": both[at] for group, entries in table.items() for key, both in entries.items()}


def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("mien.serve", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": True}
    return made
