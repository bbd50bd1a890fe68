"""The metrics of the service, in the format of Prometheus."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

MEDIA_TYPE = CONTENT_TYPE_LATEST
SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable for the folder of several processes' metrics; read when the library is imported."""

_SECONDS = (0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 15, 30)
_JOBS = (1, 2, 3, 4, 6, 8)


class Metrics:
    """The metrics of one service: of all its processes where `SHARED` names a folder."""

    def __init__(self) -> None:
        self._own = own = CollectorRegistry()
        self.requests = Counter(
            "mien_requests", "Responses by route, method and status", ["route", "method", "status"], registry=own
        )
        self.latency = Histogram(
            "mien_request_seconds", "Time from request to response by route", ["route"], buckets=_SECONDS, registry=own
        )
        self.stages = Histogram("mien_stage_seconds", "Time of each stage", ["stage"], buckets=_SECONDS, registry=own)
        self.together = Histogram("mien_jobs_together", "Requests processed in a batch", buckets=_JOBS, registry=own)
        self.photos = Counter("mien_photos", "Photos by result", ["result"], registry=own)
        self.faces = Counter("mien_faces", "Faces in responses", registry=own)
        self.refused = Counter("mien_refused", "Refused requests by reason", ["why"], registry=own)
        self.loads = Counter("mien_bundle_loads", "Bundles loaded", ["bundle"], registry=own)
        self.weights = Gauge(
            "mien_model_info", "Weights in use", ["name", "version"], registry=own, multiprocess_mode="livemax"
        )
        self.waiting = Gauge("mien_waiting", "Requests waiting for a worker", registry=own, multiprocess_mode="livesum")
        self.inside = Gauge("mien_inside", "Requests in progress", registry=own, multiprocess_mode="livesum")

    def stage(self, name: str, seconds: float) -> None:
        """Record the time that a stage took."""
        self.stages.labels(name).observe(seconds)

    def text(self) -> bytes:
        """All metrics as Prometheus reads them."""
        registry = self._own
        if SHARED in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
