"""Photos and fields out of a request's body, within the limits; a body is bytes, never a path or an address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field

from fastapi import Request
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from mien.serve.problems import Problem
from mien.serve.settings import Limits
from mien.text import escape

PHOTO = "photo"
RAW = "application/octet-stream"
MULTIPART = "multipart/form-data"
_LONGEST_NAME = 120
_MOST_FIELDS = 16


@dataclass(frozen=True, slots=True)
class Upload:
    """A photo as it was sent, and a name for it that can be shown anywhere."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """What a request carried."""

    photos: tuple[Upload, ...]
    fields: dict[str, str]


async def form(request: Request, limits: Limits, fields: Collection[str] = (), photos: int | None = None) -> Form:
    """A request -> its photos, and those of its fields that are expected; `photos`: exactly so many.

    Raises:
        Problem: the body is too large, too slow, of another kind, or not what is expected.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (MULTIPART, RAW) and not kind.startswith("image/"):
        raise Problem(415, "unsupported-media-type", f"send {MULTIPART}, or a photo's bytes as {RAW} or image/...")
    data = await body(request, limits)
    made = await _parts(request.headers, data) if kind == MULTIPART else Form((Upload("photo", data),), {})
    if unknown := made.fields.keys() - set(fields):
        raise Problem(422, "invalid", f"there are {len(unknown)} fields that have no meaning here")
    if not made.photos or (photos is not None and len(made.photos) != photos):
        wanted = "at least one" if photos is None else str(photos)
        raise Problem(422, "invalid", f"send {wanted} in parts named {PHOTO!r}: there are {len(made.photos)}")
    if len(made.photos) > limits.photos:
        raise Problem(
            422, "too-many-photos", f"{len(made.photos)} photos are over the limit of {limits.photos} a request"
        )
    return made


async def body(request: Request, limits: Limits) -> bytes:
    """The whole body.

    Raises:
        Problem: it is too large or too slow.
    """
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > limits.bytes:
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
        raise Problem(408, "too-slow", f"the body did not arrive within {limits.seconds:g} seconds") from error
    except ClientDisconnect as error:
        raise Problem(400, "broken-off", "the body ended before it was complete") from error
    return b"".join(chunks)


def _too_large(limits: Limits) -> Problem:
    close = {"Connection": "close"}  # or the rest of the body would be read and thrown away
    return Problem(413, "too-large", f"the body is over the limit of {limits.megabytes:g} MB", close)


class _InMemory(MultiPartParser):
    """Starlette's parser, keeping what it reads in the memory: no part of a photo is written to a disk."""

    spool_max_size = 0


async def _parts(headers: Headers, data: bytes) -> Form:
    async def whole() -> AsyncIterator[bytes]:
        yield data

    try:
        # A few thousand empty parts cost as much as many photos: their number is limited, too.
        parser = _InMemory(headers, whole(), max_files=64, max_fields=_MOST_FIELDS, max_part_size=1 << 16)  # type: ignore[arg-type]
        items = (await parser.parse()).multi_items()
    except MultiPartException as error:
        raise Problem(400, "malformed", "the body is not multipart/form-data as its header says") from error
    photos, fields = [], {}
    try:
        for name, value in items:
            if not isinstance(value, UploadFile):
                fields[name] = value
            elif name == PHOTO:
                photos.append(Upload(shown(value.filename or ""), value.file.read()))
            else:
                raise Problem(422, "invalid", f"files are sent in parts named {PHOTO!r}")
    finally:
        for _, value in items:
            if isinstance(value, UploadFile):
                value.file.close()
    return Form(tuple(photos), fields)


def shown(name: str) -> str:
    """A file's name as somebody else wrote it -> its last part, short, with nothing that is not meant to be seen."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return escape(last)[:_LONGEST_NAME] or "photo"
