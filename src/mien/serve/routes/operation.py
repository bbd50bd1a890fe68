"""Routes for those who run the service: whether it lives, whether it is ready, and its figures."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from mien.serve import metrics, schema
from mien.serve.problems import busy
from mien.serve.routes import Reader, problems, service_of

router = APIRouter(tags=["operation"])


@router.get("/healthz", response_model=schema.State, responses=problems())
async def healthz() -> JSONResponse:
    """Whether the process lives."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", response_model=schema.State, responses=problems())
async def readyz(request: Request) -> JSONResponse:
    """Whether everything is loaded, and requests are taken."""
    if not service_of(request).ready:
        raise busy("the service is about to start or to stop")
    return JSONResponse({"status": "ready"})


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "as Prometheus reads it", "content": {metrics.MEDIA_TYPE: {}}}, **problems()},
)
async def figures(request: Request, _: Reader) -> Response:
    """What was measured since the process began."""
    return Response(service_of(request).metrics.text(), media_type=metrics.MEDIA_TYPE)
