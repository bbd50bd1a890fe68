"""How the service is set up: where it listens, what it loads, and how much it takes on; opens nothing."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mien.errors import DataError
from mien.validate import from_dict


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the service takes on.

    megabytes: of a request's body. photos: of a request. faces: of a photo. requests: of a key and minute. seconds: for
    a body to arrive, and for an answer to be made. waiting: requests that are under way at one time. corrections: kept.
    """

    megabytes: float = 20.0
    photos: int = 16
    faces: int = 100
    requests: int = 600
    seconds: float = 30.0
    waiting: int = 32
    corrections: int = 100_000

    @property
    def bytes(self) -> int:
        return int(self.megabytes * 1_000_000)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that is decided before the service starts.

    data: folder of the keys, the audit log and the corrections. bundles: folder of bundles, watched for changes.
    min_face: side in pixels of the smallest face that a look finds. workers: threads that compute; as many as cores
    where None. keyed: whether every request needs a key.
    """

    data: Path
    bundles: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    detector: str = "auto"
    min_face: int = 20
    traits: str | None = None
    workers: int | None = None
    keyed: bool = False
    limits: Limits = field(default_factory=Limits)

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_local(self.host)

    @property
    def keys(self) -> Path:
        return self.data / "keys.json"

    @property
    def audit(self) -> Path:
        return self.data / "audit"

    @property
    def corrections(self) -> Path:
        return self.data / "corrections"

    def as_json(self) -> dict[str, Any]:
        """All of it, for another process."""
        return {**asdict(self), "data": str(self.data), "bundles": None if self.bundles is None else str(self.bundles)}

    @staticmethod
    def from_json(fields: dict[str, Any]) -> Config:
        """What `as_json` gave."""
        paths = {"data": Path(fields["data"]), "bundles": Path(fields["bundles"]) if fields["bundles"] else None}
        return Config(**{**fields, **paths, "limits": from_dict(Limits, fields["limits"])})


def is_local(host: str) -> bool:
    """Whether an address to listen at is reached from this machine only.

    Raises:
        DataError: it is no address.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise DataError(f"--host {host}: use an address such as 127.0.0.1, ::1 or 0.0.0.0") from error
