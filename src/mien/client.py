"""A Python client of the service: photos in, the service's JSON out."""

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
    """The service did not respond (`status` 0), or refused with a `status` and a `problem` as JSON."""

    def __init__(self, message: str, status: int = 0, problem: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.problem = status, problem or {}


class Client:
    """The service at a URL. key: an API key, where the service needs one.

    Raises:
        ServiceError: in every method, if the service does not respond or refuses.
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
        """The lines that `mien look` prints, one per photo."""
        results: list[dict[str, Any]] = self._send("/v1/look", photos)["results"]
        return results

    def classify(self, bundle: str, *photos: Picture, top: int = 3) -> list[dict[str, Any]]:
        """The lines that `mien classify` prints, one per face."""
        results: list[dict[str, Any]] = self._send(f"/v1/classify/{bundle}", photos, params={"top": top})["results"]
        return results

    def verify(self, a: Picture, b: Picture) -> dict[str, Any]:
        """The fields that `mien verify` prints."""
        return self._send("/v1/verify", (a, b))

    def identify(self, *photos: Picture) -> list[dict[str, Any]]:
        """The lines that `mien identify` prints, one per face."""
        results: list[dict[str, Any]] = self._send("/v1/identify", photos)["results"]
        return results

    def people(self) -> list[dict[str, Any]]:
        """Everybody who is enrolled."""
        results: list[dict[str, Any]] = self._ask("GET", "/v1/people")["people"]
        return results

    def enroll(self, name: str, *photos: Picture, consent: str = "", largest: bool = False) -> dict[str, Any]:
        """Enroll somebody, or add photos to the person of that name."""
        fields = {"name": name, "largest": str(largest).lower(), **({"consent": consent} if consent else {})}
        return self._send("/v1/people", photos, data=fields)

    def forget(self, person: int) -> dict[str, Any]:
        """Forget somebody by id -> the receipt."""
        return self._ask("DELETE", f"/v1/people/{person}")

    def bundles(self) -> list[dict[str, Any]]:
        """All bundles."""
        results: list[dict[str, Any]] = self._ask("GET", "/v1/bundles")["bundles"]
        return results

    def correct(
        self, photo: Picture, about: str, label: str, box: Sequence[float], consent: str, was: str = ""
    ) -> dict[str, Any]:
        """Correct the label of a face, which the service then stores."""
        fields = {"about": about, "label": label, "box": ",".join(map(str, box)), "consent": consent, "was": was}
        return self._send("/v1/corrections", (photo,), data=fields)

    def export_corrections(self, about: str) -> bytes:
        """The corrections of a bundle as a Parquet file that `mien train` reads."""
        return self._answer("GET", "/v1/corrections/export", params={"about": about}).content

    def close(self) -> None:
        """Close the connection."""
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
            raise ServiceError(
                f"the service at {self._http.base_url} did not respond ({error}): is it running?"
            ) from error
        if response.is_success:
            return response
        kind = response.headers.get("content-type", "")
        problem = response.json() if kind.startswith("application/problem+json") else {}
        detail = problem.get("detail", "no reason given")
        raise ServiceError(f"the service refused ({response.status_code}): {detail}", response.status_code, problem)


def _part(photo: Picture) -> tuple[str, bytes]:
    if isinstance(photo, bytes):
        return "photo", photo
    path = Path(photo)
    return path.name, path.read_bytes()
