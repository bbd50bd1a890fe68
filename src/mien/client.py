"""A client of the service: photos in, the service's JSON out; knows HTTP by httpx, and no face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from mien.errors import MienError, MissingExtra

try:
    import httpx
except ModuleNotFoundError as error:  # pragma: no cover (tests have it)
    raise MissingExtra("mien.client needs the package httpx: pip install 'mien[serve]'") from error

Picture = Path | str | bytes
"""A file's path, or a picture's bytes."""


class ServiceError(MienError):
    """The service did not answer, or with a problem: its `status` (0 where none came) and its `problem` as JSON."""

    def __init__(self, message: str, status: int = 0, problem: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.problem = status, problem or {}


class Client:
    """The service at a URL, with a key where it asks for one.

    Raises:
        ServiceError: in every method, where the service does not answer or refuses.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        seconds: float = 60,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=seconds, transport=transport)

    def look(self, *photos: Picture) -> list[dict[str, Any]]:
        """For each photo what `mien look` prints of it."""
        found: list[dict[str, Any]] = self._send("/v1/look", photos)["results"]
        return found

    def classify(self, bundle: str, *photos: Picture, top: int = 3) -> list[dict[str, Any]]:
        """For each face what `mien classify` prints of it."""
        found: list[dict[str, Any]] = self._send(f"/v1/classify/{bundle}", photos, params={"top": top})["results"]
        return found

    def verify(self, a: Picture, b: Picture) -> dict[str, Any]:
        """What `mien verify` prints of two photos."""
        return self._send("/v1/verify", (a, b))

    def identify(self, *photos: Picture) -> list[dict[str, Any]]:
        """For each face what `mien identify` prints of it."""
        found: list[dict[str, Any]] = self._send("/v1/identify", photos)["results"]
        return found

    def people(self) -> list[dict[str, Any]]:
        """Who is enrolled."""
        found: list[dict[str, Any]] = self._ask("GET", "/v1/people")["people"]
        return found

    def enrol(self, name: str, *photos: Picture, consent: str = "", largest: bool = False) -> dict[str, Any]:
        """Enrol somebody, or add photos to whoever has that name."""
        said = {"name": name, "largest": str(largest).lower(), **({"consent": consent} if consent else {})}
        return self._send("/v1/people", photos, data=said)

    def forget(self, person: int) -> dict[str, Any]:
        """Forget somebody, by number -> the receipt."""
        return self._ask("DELETE", f"/v1/people/{person}")

    def bundles(self) -> list[dict[str, Any]]:
        """What there is to classify by."""
        found: list[dict[str, Any]] = self._ask("GET", "/v1/bundles")["bundles"]
        return found

    def correct(
        self, photo: Picture, about: str, label: str, box: Sequence[float], consent: str, was: str = ""
    ) -> dict[str, Any]:
        """Say what a face should have been called; the service keeps the face."""
        said = {"about": about, "label": label, "box": ",".join(map(str, box)), "consent": consent, "was": was}
        return self._send("/v1/corrections", (photo,), data=said)

    def corrections(self, about: str) -> bytes:
        """The corrections about a bundle, as a Parquet file that `mien train` reads."""
        return self._answer("GET", "/v1/corrections/export", params={"about": about}).content

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, path: str, photos: Sequence[Picture], **more: Any) -> dict[str, Any]:
        return self._ask("POST", path, files=[("photo", _part(photo)) for photo in photos], **more)

    def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._answer(method, path, **more).json()
        return answer

    def _answer(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise ServiceError(f"the service {self._http.base_url} did not answer ({error}): is it running?") from error
        if response.is_success:
            return response
        kind = response.headers.get("content-type", "")
        problem = response.json() if kind.startswith("application/problem+json") else {}
        detail = problem.get("detail", "it gave no reason")
        raise ServiceError(f"the service refused ({response.status_code}): {detail}", response.status_code, problem)


def _part(photo: Picture) -> tuple[str, bytes]:
    if isinstance(photo, bytes):
        return "photo", photo
    path = Path(photo)
    return path.name, path.read_bytes()
