"""Photos and fields of a request's body, within the limits; no path or address in it is ever followed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field

from fastapi import Request
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from mien.serve.problems import Problem
from mien.serve.settings import ServiceLimits
from mien.text import escape

PHOTO = "photo"
RAW = "application/octet-stream"
MULTIPART = "multipart/form-data"
_LONGEST_NAME = 120


@dataclass(frozen=True, slots=True)
class Upload:
    """The bytes of a photo, and its file name made safe to display."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class UploadForm:
    """The photos and text fields of a request."""

    photos: tuple[Upload, ...]
    fields: dict[str, str]


async def read_form(
    request: Request, limits: ServiceLimits, fields: Collection[str] = (), photos: int | None = None
) -> UploadForm:
    """A request -> its photos and fields. fields: the names allowed. photos: the number required, any where None.

    Raises:
        Problem: the body is too large, too slow, of an unsupported type, or not as expected.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (MULTIPART, RAW) and not kind.startswith("image/"):
        raise Problem(415, "unsupported-media-type", f"Unsupported media type: send {MULTIPART}, {RAW} or image/...")
    data = await _read_body(request, limits)
    form = await _parse(request.headers, data) if kind == MULTIPART else UploadForm((Upload("photo", data),), {})
    if unknown := form.fields.keys() - set(fields):
        raise Problem(422, "invalid", f"Unknown fields: {len(unknown)}")
    if not form.photos or (photos is not None and len(form.photos) != photos):
        needed = "At least one photo is" if photos is None else f"{photos} photos are"
        raise Problem(422, "invalid", f"{needed} needed in parts named {PHOTO!r}: got {len(form.photos)}")
    if len(form.photos) > limits.photos:
        detail = f"{len(form.photos)} photos exceed the limit of {limits.photos} per request"
        raise Problem(422, "too-many-photos", detail)
    return form


async def _read_body(request: Request, limits: ServiceLimits) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.bytes:
        raise _too_large(limits)
    chunks, size = [], 0
    try:
        async with asyncio.timeout(limits.seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limits.bytes:
                    raise _too_large(limits)
                chunks.append(chunk)
    except TimeoutError as error:
        raise Problem(408, "too-slow", f"The body did not arrive within {limits.seconds:g} seconds") from error
    except ClientDisconnect as error:
        raise Problem(400, "broken-off", "The connection closed before the body was complete") from error
    return b"".join(chunks)


def _too_large(limits: ServiceLimits) -> Problem:
    close = {"Connection": "close"}  # or the rest of the body would be read and discarded
    return Problem(413, "too-large", f"The body exceeds the limit of {limits.megabytes:g} MB", close)


class _InMemory(MultiPartParser):
    """Starlette's parser, with all parts in memory: no photo is written to disk."""

    spool_max_size = 0


async def _parse(headers: Headers, data: bytes) -> UploadForm:
    async def whole() -> AsyncIterator[bytes]:
        yield data

    try:
        # The number of parts is limited, too: a few thousand empty ones cost as much as many photos.
        parser = _InMemory(headers, whole(), max_files=64, max_fields=16, max_part_size=1 << 16)  # type: ignore[arg-type]
        form = await parser.parse()
    except MultiPartException as error:
        raise Problem(400, "malformed", "The body is not valid multipart/form-data") from error
    photos, fields = [], {}
    try:
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                fields[name] = value
            elif name == PHOTO:
                photos.append(Upload(display_name(value.filename or ""), value.file.read()))
            else:
                raise Problem(422, "invalid", f"Send files in parts named {PHOTO!r}")
    finally:
        await form.close()
    return UploadForm(tuple(photos), fields)


def display_name(name: str) -> str:
    """A file name from outside -> its last part, shortened, without characters that do not print."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return escape(last)[:_LONGEST_NAME] or "photo"
