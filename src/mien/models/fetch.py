"""Downloads weights from where their owners publish them; keeps nothing but what the card says, to the byte."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from http.client import HTTPException, HTTPMessage, responses
from pathlib import Path, PurePosixPath
from typing import IO, TypeAlias
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from mien.errors import WeightsError
from mien.models import cache
from mien.models.cards import Download, Given, Known, card
from mien.models.weights import BROUGHT, Terms, how_to_get, permit

TIMEOUT_SECONDS = 30.0
_CHUNK = 1 << 16
_HERE = ("localhost", "127.0.0.1", "::1")

Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many bytes have come, and how many there are."""


def pull(name: str, progress: Progress | None = None) -> Path:
    """Download a card's weights into the cache, and return the file.

    Raises:
        UnknownName: there is no such card.
        WeightsError: they are not offered for download or refused, or the download failed; nothing is kept then.
    """
    found = card(name)
    if isinstance(found.source, Given):
        raise WeightsError(f"nobody offers {name!r} as one file with a checksum: {how_to_get(found)}")
    if not isinstance(found.source, Download):
        raise WeightsError(f"there is nothing to pull for {name!r}: its weights come with an installed package")
    permit(name, Terms(found.licence, found.commercial))
    return cache.store(name, BROUGHT, fetch(found.source, progress or _silent))


def fetch(source: Download, progress: Progress) -> bytes:
    """The bytes of the weights, checked.

    Raises:
        WeightsError: no answer, another size, or another checksum.
    """
    data = _read(source, progress)
    if hashlib.sha256(data).hexdigest() != source.sha256:
        raise WeightsError(f"what {source.url} sends is not the file that mien knows (its SHA-256 is another)")
    return data if source.member is None else _member(data, source.member, source.url)


def _read(source: Download, progress: Progress) -> bytes:
    _only_https(source.url)
    held = io.BytesIO()
    try:
        opener = build_opener(_Redirects)
        with opener.open(Request(source.url, headers={"User-Agent": "mien"}), timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            while chunk := answer.read(_CHUNK):
                held.write(chunk)
                if held.tell() > source.bytes:
                    raise WeightsError(
                        f"{source.url} sends more than the {source.bytes} bytes of the file that mien knows"
                    )
                progress(held.tell(), source.bytes)
    except HTTPError as error:
        error.close()
        raise WeightsError(f"{source.url} answers {error.code} {responses.get(error.code, '')}".rstrip()) from error
    except (OSError, HTTPException) as error:
        raise WeightsError(
            f"{source.url} cannot be reached ({getattr(error, 'reason', None) or error}):"
            " without a network, bring the file and type 'mien models add FILE'"
        ) from error
    if held.tell() < source.bytes:
        raise WeightsError(f"{source.url} ended after {held.tell()} of {source.bytes} bytes: try again")
    return held.getvalue()


def _member(archive: bytes, wanted: Known, url: str) -> bytes:
    """One file out of a zip archive whose checksum has been checked."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        names = [name for name in opened.namelist() if PurePosixPath(name).name == wanted.file]
        data = opened.read(names[0]) if names else b""
    if hashlib.sha256(data).hexdigest() != wanted.sha256:
        raise WeightsError(f"the archive {url} does not hold the {wanted.file} that mien knows")
    return data


class _Redirects(HTTPRedirectHandler):
    """Follows redirects to https only."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        try:
            _only_https(newurl)
        except WeightsError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _only_https(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _HERE):
        raise WeightsError(f"weights are only downloaded over https, not from {url}")


def _silent(_done: int, _total: int) -> None:
    return None
