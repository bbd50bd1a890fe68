"""What the service can do, as coroutines: photos in, the JSON of the command line out; knows no route.

Everything is loaded once. The work is done by `Workers`, so that the event loop is never held up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import count
from threading import Thread
from typing import Any, TypeVar

import cv2
import numpy as np

from mien import models
from mien.detect import DETECTORS
from mien.errors import MienError
from mien.flows.verify import compare, verification_limit
from mien.pipeline.annotate import FaceAnnotator, PhotoReport
from mien.pipeline.embed_faces import FaceEmbedder, embed_faces
from mien.pipeline.execute import RunOptions, embed_photos
from mien.pipeline.identify import Identification
from mien.pipeline.spec import build_spec
from mien.pipeline.traits import NO_TRAITS, Traits, open_traits
from mien.run import cores
from mien.serve.audit import Audit
from mien.serve.bundles import Bundles
from mien.serve.corrections import Corrections
from mien.serve.metrics import Metrics
from mien.serve.people import People
from mien.serve.problems import Problem, busy
from mien.serve.settings import Config
from mien.serve.uploads import Upload
from mien.serve.workers import Closed, Work, Workers
from mien.types import Embedding, Faces, Origin, Photo, PhotoRef, Prediction, Rejected

T = TypeVar("T")
_log = logging.getLogger("mien.serve")


class Service:
    """Faces, bundles, people and corrections; `ready` once everything is loaded."""

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self.config, self.metrics = config, metrics
        self.audit = Audit(config.audit)
        self.people = People(config.detector)
        self.bundles = Bundles(config.bundles, metrics.loaded)
        self.corrections = Corrections(config.corrections, config.limits.corrections)
        self.ready = False
        self.workers = Workers(config.workers or cores(), metrics.together, metrics.waiting)
        self._inside = 0
        self._traits: Traits = NO_TRAITS
        self._numbers = count()
        # Photos that are not kept unless asked are not cached either.
        self._run = RunOptions(1, True, cache=False, timing=metrics.stage, max_faces=config.limits.faces)
        self._loading = Thread(target=self._load, name="mien-load", daemon=True)

    def open(self) -> None:
        """Begin to load everything, in the background."""
        self._loading.start()

    def close(self) -> None:
        """Finish what was begun, and let go of everything."""
        self.ready = False
        if self._loading.is_alive():
            self._loading.join()
        self.workers.close()
        self.bundles.close()
        self.people.close()

    def enter(self) -> bool:
        """Take a place for a request, if there is one."""
        if self._inside >= self.config.limits.waiting:
            self.metrics.refused("queue")
            return False
        self._inside += 1
        self.metrics.inside(self._inside)
        return True

    def leave(self) -> None:
        """Give the place back."""
        self._inside -= 1
        self.metrics.inside(self._inside)

    async def look(self, photos: Sequence[Upload]) -> list[dict[str, Any]]:
        """Photos -> the lines of `mien look`."""
        found = await self._ask("look", together(self._look), photos)
        self._count(found, len(photos), sum(len(one.faces) for one in found if isinstance(one, PhotoReport)))
        return [_own_name(one.as_json() if isinstance(one, PhotoReport) else one.line()) for one in found]

    async def classify(self, name: str, photos: Sequence[Upload], top: int) -> list[dict[str, Any]]:
        """Photos -> the lines of `mien classify`, by the bundle of that name.

        Raises:
            UnknownName: there is no such bundle.
        """
        opened = self.bundles.get(name)

        def work(refs: Sequence[PhotoRef]) -> Iterator[Prediction | Rejected]:
            return opened.recogniser.predictions(refs, self._run, every_face=True, check=False)

        made = await self._ask(("classify", opened.number), together(work), photos)
        self._count(made, len(photos))
        return [_own_name(one.as_json(top) if isinstance(one, Prediction) else one.line()) for one in made]

    async def identify(self, photos: Sequence[Upload]) -> tuple[list[dict[str, Any]], list[int]]:
        """Photos -> the lines of `mien identify`, and the numbers of the people in them.

        Raises:
            Problem: nobody is enrolled. MienError: this machine cannot use the gallery.
        """
        made = await self._ask("identify", together(self._identify), photos)
        self._count(made, len(photos))
        lines = [one.as_json() if isinstance(one, Identification) else one.line() for one in made]
        people = [one.person.id for one in made if isinstance(one, Identification) and one.person]
        return [_own_name(each) for each in lines], people

    async def verify(self, a: Upload, b: Upload, threshold: float | None) -> dict[str, Any]:
        """Two photos -> the fields of `mien verify`.

        Raises:
            Problem: one of them shows no face. DataError: the threshold is no distance.
        """
        way = build_spec(self.config.detector)
        limit = verification_limit(way, threshold)
        made = await self._ask("verify", together(partial(embed_photos, way, run=self._run)), [a, b])
        self._count(made, 2)
        one, other = made
        if not isinstance(one, Embedding) or not isinstance(other, Embedding):
            lines = [_own_name(each.line()) for each in made if isinstance(each, Rejected)]
            raise Problem(409, "no-face", "both photos have to show a face", rejected=lines)
        return compare(one, other, limit, way).as_json()

    async def call(self, work: Callable[[], T]) -> T:
        """Have something done by a worker that is no work on faces.

        Raises:
            Problem: it took too long, or the service is about to stop.
        """
        try:
            done: Future[T] = self.workers.call(work)
        except Closed as error:
            raise busy("the service is about to stop") from error
        return await self._done(done)

    async def _ask(self, kind: Hashable, work: Work, photos: Sequence[Upload]) -> Any:
        """What `work` makes of these photos, together with those of other requests of the kind."""
        try:
            done = self.workers.submit(kind, work, self._refs(photos))
        except Closed as error:
            raise busy("the service is about to stop") from error
        return await self._done(done)

    async def _done(self, done: Future[T]) -> T:
        try:
            return await asyncio.wait_for(asyncio.wrap_future(done), self.config.limits.seconds)
        except TimeoutError as error:
            raise busy(f"there was no answer within {self.config.limits.seconds:g} seconds", 5) from error

    def _refs(self, photos: Sequence[Upload]) -> list[PhotoRef]:
        """Photos with keys that no other request has: what comes after the second stroke is a photo's own name."""
        number = next(self._numbers)
        return [PhotoRef(Origin(f"{number}/{i}/{photo.name}"), data=photo.data) for i, photo in enumerate(photos)]

    def _look(self, refs: Sequence[PhotoRef]) -> Iterator[PhotoReport | Rejected]:
        namer = self.people.beside_a_look()
        detector = namer.spec.detector if namer else self.config.detector
        spec = build_spec(detector, which="all", min_face=self.config.min_face)
        return FaceAnnotator(spec, self._traits, namer).reports(refs, self._run)

    def _identify(self, refs: Sequence[PhotoRef]) -> Iterator[Identification | Rejected]:
        namer = self.people.naming()
        if namer is None:
            raise Problem(409, "nobody-enrolled", "nobody is enrolled: POST /v1/people does it")
        return namer.identify_photos(refs, self._run)

    def _count(self, made: Sequence[Any], photos: int, faces: int | None = None) -> None:
        missed = [str(one.reason) for one in made if isinstance(one, Rejected)]
        for reason in missed:
            self.metrics.photos(reason, 1)
        self.metrics.photos("faces", photos - len(missed))
        self.metrics.faces(len(made) - len(missed) if faces is None else faces)

    def _load(self) -> None:
        try:
            cv2.setNumThreads(1)
            opened = open_traits(self.config.traits)
            for note in opened.notes:
                _log.warning("a trait is left out", extra={"fields": {"why": note}})
            self._traits = opened.traits
            self.bundles.open()
            naming = self.people.beside_a_look()
            way = naming.spec if naming else build_spec(self.config.detector)
            way.ready()
            self._warm(way.detector, [*self._traits.embedders, *way.face_embedders()])
        except MienError as error:
            _log.error("the service cannot start", extra={"fields": {"why": str(error)}})
            return
        self.ready = True
        _log.info("ready", extra={"fields": {"detector": way.detector, "workers": self.config.workers or cores()}})

    def _warm(self, detector: str, ways: Sequence[FaceEmbedder]) -> None:
        """Open every network by using it once, so that the first photo does not wait for that."""
        pixels = np.full((480, 640, 3), 128, np.uint8)
        DETECTORS.load(detector)()(pixels)
        box = np.array([[240, 160, 400, 320]], np.float32)
        points = np.array([[[290, 220], [350, 220], [320, 255], [295, 285], [345, 285]]], np.float32)
        embed_faces([Faces(Photo(Origin(""), pixels, 640, 480), box, np.ones(1, np.float32), points)], ways)
        for name in (detector, *(each.embed.embedder for each in ways)):
            if name in models.CARDS:
                self.metrics.weights(name, models.identity(name))


def together(work: Callable[[Sequence[PhotoRef]], Iterable[Any]]) -> Work:
    """What is done with photos -> the same for the photos of several requests at once, and for each its results."""

    def all_at_once(requests: Sequence[Sequence[PhotoRef]]) -> list[list[Any]]:
        results: dict[str, list[Any]] = {ref.key: [] for refs in requests for ref in refs}
        for result in work([ref for refs in requests for ref in refs]):
            results[result.key].append(result)
        return [[result for ref in refs for result in results[ref.key]] for refs in requests]

    return all_at_once


def _own_name(fields: dict[str, Any]) -> dict[str, Any]:
    """A line as the command line prints it, with the photo's own name in place of its key."""
    return {**fields, "image": fields["image"].split("/", 2)[2]}
