"""Downloads weights from their owners; only the exact file that the card describes is kept."""

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
from mien.models.cards import Download, KnownFile, ManualFile, OwnFile, get_card
from mien.models.weights import EXTERNAL_KEY, LicenceTerms, add_to_cache, check_licence, how_to_get

TIMEOUT_SECONDS = 30.0
_CHUNK = 1 << 16
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of bytes received so far, and of all bytes."""


def pull(name: str, progress: Progress | None = None) -> Path:
    """Download a card's weights into the cache, and return the file.

    Raises:
        WeightsError: they are not offered for download or refused, or the download failed; nothing is kept then.
    """
    card = get_card(name)
    if isinstance(card.source, ManualFile | OwnFile):
        raise WeightsError(f"{name!r} cannot be downloaded as one file with a checksum: {how_to_get(card)}")
    if not isinstance(card.source, Download):
        raise WeightsError(f"there is nothing to pull for {name!r}: its weights come with an installed package")
    check_licence(name, LicenceTerms(card.licence, card.commercial))
    return add_to_cache(name, EXTERNAL_KEY, download(card.source, progress or (lambda _received, _total: None)))


def download(source: Download, progress: Progress) -> bytes:
    """The bytes of the weights; raises WeightsError where none come, or others than the card describes."""
    data = _read(source, progress)
    if hashlib.sha256(data).hexdigest() != source.sha256:
        raise WeightsError(f"{source.url} sent another file than mien expects (its SHA-256 differs)")
    return data if source.member is None else _member(data, source.member, source.url)


def _read(source: Download, progress: Progress) -> bytes:
    _require_https(source.url)
    received = io.BytesIO()
    try:
        opener = build_opener(_HttpsRedirects)
        with opener.open(Request(source.url, headers={"User-Agent": "mien"}), timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            while chunk := response.read(_CHUNK):
                received.write(chunk)
                if received.tell() > source.bytes:
                    raise WeightsError(f"{source.url} sent more than the {source.bytes} bytes that mien expects")
                progress(received.tell(), source.bytes)
    except HTTPError as error:
        error.close()
        raise WeightsError(f"{source.url} answered {error.code} {responses.get(error.code, '')}".rstrip()) from error
    except (OSError, HTTPException) as error:
        raise WeightsError(
            f"{source.url} cannot be reached ({getattr(error, 'reason', None) or error}):"
            " without a network, get the file elsewhere and type 'mien models add FILE'"
        ) from error
    if received.tell() < source.bytes:
        raise WeightsError(f"{source.url} ended after {received.tell()} of {source.bytes} bytes: try again")
    return received.getvalue()


def _member(archive: bytes, wanted: KnownFile, url: str) -> bytes:
    """One file out of a zip archive whose checksum has been checked."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        names = [name for name in opened.namelist() if PurePosixPath(name).name == wanted.file]
        data = opened.read(names[0]) if names else b""
    if hashlib.sha256(data).hexdigest() != wanted.sha256:
        raise WeightsError(f"the archive {url} does not hold the {wanted.file} that mien expects")
    return data


class _HttpsRedirects(HTTPRedirectHandler):
    """Follows redirects to https only."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        try:
            _require_https(newurl)
        except WeightsError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_https(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL_HOSTS):
        raise WeightsError(f"weights are downloaded over https only, not from {url}")
