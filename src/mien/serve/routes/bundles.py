"""Routes for the bundles that are served: what they are, their cards and their reports."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from mien.errors import UnknownName
from mien.serve import schema
from mien.serve.problems import Problem
from mien.serve.routes import Placed, Reader, problems
from mien.serve.service import Service
from mien.store.bundle import CARD, REPORT

router = APIRouter(prefix="/v1/bundles", tags=["bundles"])

REPORT_HEADERS = {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
}
"""A report comes out of a bundle, which may be a stranger's: it runs no script, loads and sends nothing, and is of no
origin, so that it could not use the service even if it did. Its styles and small pictures are within it."""


@router.get("", response_model=schema.BundleList, responses=problems())
async def bundles(_: Reader, service: Placed) -> JSONResponse:
    """What there is to classify by: the built-in traits, and the bundles of the folder that is served."""
    return JSONResponse(await service.call(lambda: {"bundles": [each.as_json() for each in service.bundles.all()]}))


def _described(media: str, what: str) -> dict[int | str, dict[str, Any]]:
    content = {media: {"schema": {"type": "string"}}}
    return {200: {"description": what, "content": content}, **problems(404, 422)}


@router.get("/{bundle}/card", response_class=Response, responses=_described("text/markdown", "what it is"))
async def card(bundle: str, _: Reader, service: Placed) -> Response:
    """The card of a bundle: what it was trained on, what it is not for, and where it errs."""
    return Response(await _page(service, bundle, CARD), media_type="text/markdown")


@router.get("/{bundle}/report", response_class=Response, responses=_described("text/html", "what was measured"))
async def report(bundle: str, _: Reader, service: Placed) -> Response:
    """The report of a bundle: what was measured when it was trained, as a page that runs no script."""
    return Response(await _page(service, bundle, REPORT), headers=REPORT_HEADERS, media_type="text/html")


async def _page(service: Service, name: str, page: str) -> bytes:
    try:
        found = service.bundles.get(name).recogniser.bundle
    except UnknownName as error:
        raise Problem(404, "no-such-bundle", str(error)) from error
    data = await service.call(lambda: found.page(page))
    if data is None:
        raise Problem(404, "no-such-page", "this bundle has none")
    return data
