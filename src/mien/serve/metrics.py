"""What is measured while the service runs, in the form that Prometheus reads; knows names and figures only."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

MEDIA_TYPE = CONTENT_TYPE_LATEST
SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which the library is told of that folder, before it is imported."""

_SECONDS = (0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 15, 30)
_COUNTS = (1, 2, 3, 4, 6, 8)


class Metrics:
    """One service's figures; those of all its processes, where `SHARED` names a folder that they share."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._several = SHARED in os.environ
        self._requests = Counter(
            "mien_requests",
            "Answers, by route, method and status",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self._latency = Histogram(
            "mien_request_seconds",
            "From request to answer, by route",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._stages = Histogram(
            "mien_stage_seconds", "Work of a stage", ["stage"], buckets=_SECONDS, registry=self.registry
        )
        self._together = Histogram(
            "mien_jobs_together", "Requests that were answered together", buckets=_COUNTS, registry=self.registry
        )
        self._photos = Counter("mien_photos", "Photos, by what came of them", ["result"], registry=self.registry)
        self._faces = Counter("mien_faces", "Faces that were answered for", registry=self.registry)
        self._refused = Counter("mien_refused", "Requests that were refused, by why", ["why"], registry=self.registry)
        self._loads = Counter("mien_bundle_loads", "Bundles opened anew", ["bundle"], registry=self.registry)
        self._weights = Gauge(
            "mien_model_info",
            "The weights in use, by name and version",
            ["name", "version"],
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._waiting = Gauge(
            "mien_waiting", "Requests that wait for a worker", registry=self.registry, multiprocess_mode="livesum"
        )
        self._inside = Gauge(
            "mien_inside", "Requests that are under way", registry=self.registry, multiprocess_mode="livesum"
        )

    def waiting(self, jobs: int) -> None:
        """So many requests wait for a worker."""
        self._waiting.set(jobs)

    def inside(self, requests: int) -> None:
        """So many requests are under way."""
        self._inside.set(requests)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(route, method, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def stage(self, name: str, seconds: float) -> None:
        """A stage ran."""
        self._stages.labels(name).observe(seconds)

    def together(self, jobs: int) -> None:
        """So many requests were taken together."""
        self._together.observe(jobs)

    def photos(self, result: str, many: int) -> None:
        """So many photos were answered for: with "faces", or why not."""
        self._photos.labels(result).inc(many)

    def faces(self, many: int) -> None:
        """So many faces were answered for."""
        self._faces.inc(many)

    def refused(self, why: str) -> None:
        """A request was turned away."""
        self._refused.labels(why).inc()

    def loaded(self, bundle: str) -> None:
        """A bundle was opened anew."""
        self._loads.labels(bundle).inc()

    def weights(self, name: str, version: str) -> None:
        """These weights are in use."""
        self._weights.labels(name, version).set(1)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        if self._several:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return generate_latest(registry)
        return generate_latest(self.registry)
