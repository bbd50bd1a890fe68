"""The web pages: templates filled in the reader's language, and the parts of them that htmx asks for."""

from __future__ import annotations

import json
import logging
import re
import secrets
import tomllib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import cache, partial
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

import mien
from mien.flows.explain import template_text
from mien.serve import problems, routes
from mien.serve.problems import Problem
from mien.serve.routes import Admin, CorrectionId, Enroller, PersonId, Reader, ReadyService
from mien.serve.uploads import UploadForm, read_form
from mien.store.bundle import CARD
from mien.text import wording as shared_wording
from mien.types import UNKNOWN

LANGUAGES = ("en", "ko")
PAGES = {"look": "/", "explain": "/explain", "people": "/people", "corrections": "/corrections", "bundles": "/bundles"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
}
"""The headers of pages, in place of those of other responses: they run our scripts, and may use the camera."""

_AGREED = "ticked on the web page: the person agrees that this face is stored for training"
_BLURRED = 50  # sharpness below which a face looks blurred
_RANGE = re.compile(r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]+)?\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?\s*")
_log = logging.getLogger("mien.serve")


class StaticPageFiles(StaticFiles):
    """Scripts, styles and pictures, with the headers of the pages."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response


class PartRoute(APIRoute):
    """A route that answers with a part of a page, and with its problems as sentences for the reader."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def respond(request: Request) -> Response:
            try:
                return await handler(request)
            except (Problem, *problems.HANDLED) as error:
                problem = problems.from_exception(request, error)
            except Exception:  # noqa: BLE001 (the reader gets a sentence, and the log the rest)
                _log.exception("a request failed", extra={"request": request.scope.get("mien.id", "")})
                problem = Problem(500, "unforeseen", "Internal error")
            part = _part(request, "problem", problem=problem)
            part.status_code = problem.status
            part.headers.update(problem.headers)
            return part

        return respond


router = APIRouter(prefix="/parts", route_class=PartRoute, include_in_schema=False)


def mount(app: FastAPI) -> None:
    """Add the pages, their parts, and their files to an application."""

    @app.get("/static/explain.css", include_in_schema=False)
    async def style() -> Response:
        return Response(template_text("explain.css"), headers=HEADERS, media_type="text/css")

    app.mount("/static", StaticPageFiles(packages=[("mien.serve", "static")]), name="static")
    app.include_router(router)
    for name, path in PAGES.items():
        app.add_api_route(path, _page(name), include_in_schema=False, response_class=HTMLResponse)

    @app.get("/docs", include_in_schema=False)
    async def reference() -> HTMLResponse:
        return HTMLResponse(_templates().get_template("docs.html").render(api=app.openapi()), headers=HEADERS)


def _page(name: str) -> Callable[[Request], HTMLResponse]:
    def page(request: Request) -> HTMLResponse:
        chosen = request.query_params.get("lang")
        language = chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language", ""))
        suffix = f"?lang={chosen}" if chosen in LANGUAGES else ""
        html = (
            _templates()
            .get_template(f"{name}.html")
            .render(
                page=name,
                pages={page: path + suffix for page, path in PAGES.items()},
                here=PAGES[name],
                other="ko" if language == "en" else "en",
                version=mien.__version__,
                text=Text(language),
            )
        )
        return HTMLResponse(html, headers={**HEADERS, "Content-Language": language, "Vary": "Accept-Language"})

    return page


def preferred(accepted: str) -> str:
    """An Accept-Language header -> the language of ours that it prefers (RFC 9110, section 12.5.4); else English."""
    best, best_weight = LANGUAGES[0], 0.0
    for part in accepted.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            continue
        language, weight = match[1].lower(), float(match[2] or 1)
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


@cache
def wording(language: str) -> Mapping[str, str]:
    """The texts of the pages in a language, as `group.key` -> text."""
    table = {**shared_wording(), **tomllib.loads(files("mien.serve").joinpath("wording.toml").read_text("utf-8"))}
    column = LANGUAGES.index(language)
    return {f"{group}.{key}": both[column] for group, entries in table.items() for key, both in entries.items()}


class Text:
    """The texts of a language, for templates."""

    def __init__(self, language: str) -> None:
        self.language, self._texts = language, wording(language)

    def __call__(self, key: str, **values: object) -> str:
        return self._texts[key].format(**values)

    def count(self, key: str, n: int, **values: object) -> str:
        """A text that depends on a number: `key-0`, `key-1`, or `key-n`."""
        return self(f"{key}-{n}" if f"{key}-{n}" in self._texts else f"{key}-n", n=f"{n:,}", **values)

    def label(self, name: str) -> str:
        """A label as the reader says it; the labels of a user's own bundle stay as they are."""
        return self._texts.get(f"label.{name}", name)

    def trait(self, name: str) -> str:
        return self._texts.get(f"trait.{name}", name)

    def reason(self, rejected: Mapping[str, str]) -> str:
        return self._texts.get(f"reason.{rejected['reason']}", rejected["detail"])

    def problem(self, problem: Problem) -> str:
        return self._texts.get(f"problem.{problem.name}") or self("problem.other", status=problem.status)

    def for_scripts(self) -> dict[str, str]:
        return {key: text for key, text in self._texts.items() if key.startswith("script.")}


@cache
def _templates() -> Environment:
    loader = PackageLoader("mien.serve", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": True}
    environment.filters |= {"percent": "{:.0%}".format, "number": "{:,}".format, "quote": partial(quote, safe="")}
    return environment


def _part(request: Request, template: str, **values: Any) -> HTMLResponse:
    text = Text(preferred(request.headers.get("accept-language", "")))
    html = _templates().get_template(f"parts/{template}.html").render(text=text, **values)
    return HTMLResponse(html)


@router.get("/bundles")
async def bundle_list(request: Request, _: Reader, service: ReadyService) -> Response:
    """The cards of the bundles."""
    bundles = await service.call(lambda: [bundle.as_json() for bundle in service.bundles.all()])
    return _part(request, "bundles", bundles=bundles)


@router.get("/bundles/choices")
async def bundle_choices(request: Request, _: Reader, service: ReadyService, bundle: str = "") -> Response:
    """The options of the choice between the traits and the bundles of the folder."""
    names = [item.name for item in service.bundles.all() if not item.trait]
    return _part(request, "choices", names=names, chosen=bundle)


@router.get("/bundles/{bundle}/card")
async def bundle_card(bundle: str, _: Reader, service: ReadyService) -> Response:
    """The card of a bundle as HTML."""
    data = await service.call(lambda: service.bundles.page(bundle, CARD))
    return HTMLResponse(render_markdown(data.decode("utf-8", "replace")))


@router.post("/look")
async def look(request: Request, caller: Reader, service: ReadyService) -> Response:
    """The faces of a photo: boxes to lay over it, and what is known of each."""
    form = await read_form(request, service.config.limits, ("bundle", "live"), photos=1)
    (photo,) = await service.look(form.photos, caller)
    answers = [photo]
    if bundle := form.fields.get("bundle", ""):
        answers += (classified := await service.classify(bundle, form.photos, 10, caller))
        photo = {**photo, "faces": _with_labels(photo.get("faces", ()), classified, bundle)}
    faces, named = photo.get("faces", ()), service.people.namer_for_look() is not None
    return _part(
        request,
        "rejected" if "rejected" in photo else "faces",
        photo=photo,
        rows=[_rows(face, named=named) for face in faces],
        # Small boxes are drawn last, so that they can be pressed where they lie in larger ones.
        drawn=sorted(range(len(faces)), key=lambda i: -_area(faces[i]["box"])),
        lines="".join(f"{json.dumps(answer, ensure_ascii=False)}\n" for answer in answers),
        live=bool(form.fields.get("live")),
        blurred=_BLURRED,
        id=secrets.token_hex(4),
    )


@router.post("/explain")
async def explain(request: Request, caller: Reader, service: ReadyService) -> Response:
    """The way of a photo to its answer."""
    form = await read_form(request, service.config.limits, ("bundle",), photos=1)
    found = await service.explain(form.photos[0], form.fields.get("bundle", ""), caller)
    language = preferred(request.headers.get("accept-language", ""))
    return HTMLResponse(await service.call(lambda: found.fragment(language)))


def _with_labels(
    faces: Sequence[dict[str, Any]], classified: Sequence[dict[str, Any]], bundle: str
) -> list[dict[str, Any]]:
    """The faces with a bundle's labels in place of their traits; its detector may draw slightly different boxes."""
    labelled = [{**face, "traits": {}} for face in faces]
    for item in classified:
        if labelled and "face" in item:
            box = item["face"]["box"]
            face = min(labelled, key=lambda face: sum(abs(a - b) for a, b in zip(face["box"], box, strict=True)))
            scores = {score["label"]: score["score"] for score in item["top"]}
            face["traits"] = {bundle: {"label": item["label"], "score": item["top"][0]["score"], "scores": scores}}
    return labelled


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _rows(face: Mapping[str, Any], *, named: bool) -> list[dict[str, Any]]:
    """What is known of a face, a row for each trait: scores are sorted, and the likeliest label may not be sure."""
    rows: list[dict[str, Any]] = []
    person = face["person"]
    if person or named:
        label, distance = (person["name"], person["distance"]) if person else (UNKNOWN, None)
        share = 0.0 if distance is None else max(0.0, 1 - distance)
        rows.append({"what": routes.PERSON, "label": label, "share": share, "distance": distance})
    for name, trait in face["traits"].items():
        scores = sorted(trait["scores"].items(), key=lambda item: -item[1])
        sure = bool(scores) and trait["label"] == scores[0][0]
        rows.append({"what": name, "label": trait["label"], "share": trait["score"], "sure": sure, "scores": scores})
    return [{"sure": False, "scores": [], "distance": None, **row} for row in rows]


@router.get("/people")
async def people(request: Request, caller: Enroller, service: ReadyService) -> Response:
    """The list of people."""
    return _part(request, "people", people=(await routes.list_people(service, caller))["people"])


@router.post("/people")
async def enroll(request: Request, caller: Enroller, service: ReadyService) -> Response:
    """Enroll somebody -> what came of it; the list is then asked for again."""
    form = await read_form(request, service.config.limits, ("name", *routes.ENROLLMENT_FIELDS))
    part = _part(request, "enrolled", person=await routes.enroll(service, caller, form))
    part.headers["HX-Trigger"] = "mien:people"
    return part


@router.delete("/people/{id}")
async def forget(request: Request, id: PersonId, caller: Admin, service: ReadyService) -> Response:
    """Forget somebody -> the receipt; the list is then asked for again."""
    receipt = await routes.forget(service, caller, id)
    part = _part(request, "receipt", receipt=receipt, json=json.dumps(receipt, ensure_ascii=False, indent=2))
    part.headers["HX-Trigger"] = "mien:people"
    return part


@router.get("/corrections")
async def corrections(request: Request, caller: Admin, service: ReadyService) -> Response:
    """The table of corrections."""
    return _part(request, "corrections", corrections=await routes.list_corrections(service, caller), removed=False)


@router.post("/corrections")
async def correct(request: Request, caller: Enroller, service: ReadyService) -> Response:
    """Store a correction: a label out of those shown, or one that the reader wrote."""
    fields = (*routes.CORRECTION_FIELDS, "own", "agreed")
    form = await read_form(request, service.config.limits, fields, photos=1)
    label = form.fields.get("own", "").strip() or form.fields.get("label", "")
    consent = {"consent": _AGREED} if form.fields.get("agreed") else {}
    given = {name: form.fields.get(name, "") for name in ("about", "was", "box")}
    correction = await routes.correct(service, caller, UploadForm(form.photos, {**given, **consent, "label": label}))
    return _part(request, "noted", label=correction.label)


@router.delete("/corrections/{id}")
async def remove_correction(request: Request, id: CorrectionId, caller: Admin, service: ReadyService) -> Response:
    """Remove a correction -> the table without it."""
    await routes.remove_correction(service, caller, id)
    return _part(request, "corrections", corrections=await service.call(service.corrections.all), removed=True)


def render_markdown(text: str) -> Markup:
    """Markdown from anybody -> HTML: no HTML, pictures or links but those to the web are taken from it."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    parser.validateLink = lambda url: url.startswith(("https://", "http://"))  # type: ignore[method-assign]
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"  # below the headings of the page
        for child in token.children or ():
            if child.type == "link_open":
                child.attrs |= {"target": "_blank", "rel": "noopener noreferrer nofollow"}
    html = parser.renderer.render(tokens, parser.options, {})
    wide = html.replace("<table>", '<div class="wide" tabindex="0"><table>').replace("</table>", "</table></div>")
    return Markup(wide)  # noqa: S704 (the parser escapes all text)
