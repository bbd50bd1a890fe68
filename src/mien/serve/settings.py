"""The settings of the service: where it listens, what it loads, and its limits."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mien.errors import DataError


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """The most that the service accepts.

    megabytes: size of a request's body. photos: per request. faces: per photo. requests: per key and minute.
    seconds: for a body to arrive, and for an answer to be computed. waiting: requests in progress at a time.
    corrections: kept in total.
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
class ServiceConfig:
    """Everything that is decided before the service starts.

    data: folder of the keys, the audit log and the corrections. bundles: folder of bundles, watched for changes.
    min_face: side in pixels of the smallest face that `look` finds. workers: threads; one per core where None.
    keyed: whether every request needs a key, even from this machine.
    """

    data: Path
    bundles: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    detector: str = "auto"
    min_face: int | None = None
    traits: str | None = None
    workers: int | None = None
    keyed: bool = False
    limits: ServiceLimits = field(default_factory=ServiceLimits)

    @property
    def needs_keys(self) -> bool:
        return self.keyed or not is_local(self.host)

    @property
    def database(self) -> Path:
        return self.data / "service.sqlite"

    @property
    def audit(self) -> Path:
        return self.data / "audit"

    @property
    def corrections(self) -> Path:
        return self.data / "corrections"

    def to_json(self) -> str:
        """All settings, for another process."""
        return msgspec.json.encode(self, enc_hook=str).decode()

    @staticmethod
    def from_json(text: str) -> ServiceConfig:
        """The settings that `to_json` wrote."""
        return msgspec.json.decode(text, type=ServiceConfig, dec_hook=lambda path, value: path(value))


def is_local(host: str) -> bool:
    """Whether an address to listen at can be reached from this machine only; a `DataError` if it is no address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise DataError(f"--host {host}: use an address such as 127.0.0.1, ::1 or 0.0.0.0") from error
