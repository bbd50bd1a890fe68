"""What the service holds and does: faces, bundles, and people who are enrolled."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from mien.errors import DataError, MienError
from mien.flows.gallery import Enrollment, NoUsablePhoto, Person, enroll_photos, forget_person, list_people
from mien.gallery.records import IncompatibleVectors, InvalidName
from mien.pipeline.execute import RunOptions
from mien.pipeline.identify import FaceNamer, Identifier, enrollment_spec, gallery_exists, gallery_spec, open_gallery
from mien.serve.problems import Problem
from mien.serve.uploads import Upload
from mien.types import Origin, PhotoRef

if TYPE_CHECKING:
    from mien.gallery.gallery import Gallery
    from mien.gallery.records import PersonRecord
import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from threading import Thread
from typing import TypeVar

import cv2
import numpy as np

from mien import models
from mien.detection import DETECTORS
from mien.flows.explain import Explanation, explain_photos
from mien.flows.verify import compare, verification_limit
from mien.pipeline.annotate import FaceAnnotator, PhotoReport
from mien.pipeline.embed_faces import FaceEmbedder, embed_faces
from mien.pipeline.execute import embed_photos
from mien.pipeline.explain import ExplainedPhoto, Explainer
from mien.pipeline.identify import Identification
from mien.pipeline.spec import build_spec
from mien.pipeline.traits import NO_TRAITS, Traits, open_traits
from mien.run import cores
from mien.serve.auth import Caller
from mien.serve.batching import Closed, Work, Workers
from mien.serve.bundles import BundleFolder, LoadedBundle
from mien.serve.corrections import CorrectionStore
from mien.serve.logs import AuditLog
from mien.serve.metrics import Metrics
from mien.serve.problems import busy
from mien.serve.settings import ServiceConfig
from mien.types import Embedding, Faces, Photo, Rejected

_OPTIONS = RunOptions(workers=1, keep_going=True, cache=False)  # nothing of an uploaded photo goes into the cache
_log = logging.getLogger("mien.serve")


class EnrolledPeople:
    """Lists, names, enrolls and forgets people. detector: the one that the service was started with, or "auto".

    Raises:
        MienError: in every method, if this machine cannot open or use the gallery.
        Problem: nobody has that id, or the name or the photos cannot be used.
    """

    def __init__(self, detector: str) -> None:
        self._detector = detector
        self._lock = Lock()
        self._opened: tuple[Gallery, Identifier] | None = None
        self._namer: FaceNamer | None = None
        self._last_warning = ""

    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened[0].close()
                self._opened = None

    def namer(self) -> FaceNamer | None:
        """What names faces; None where nobody was ever enrolled."""
        if self._namer is None and (pair := self._open()) is not None:
            gallery, identifier = pair
            spec = gallery_spec(gallery)
            if spec is not None:
                spec.ready()
                self._namer = FaceNamer.of(spec, identifier)
        return self._namer

    def namer_for_look(self) -> FaceNamer | None:
        """The same for `look`, which goes on without names, and a warning in the log, where there can be none."""
        try:
            namer = self.namer()
            if namer is None or self._detector in ("auto", namer.spec.detector):
                return namer
            why = f"the gallery was made with {namer.spec.detector}, and the service uses {self._detector}"
        except MienError as error:
            why = str(error)
        if why != self._last_warning:
            _log.warning("people are not named", extra={"why": why})
            self._last_warning = why
        return None

    def list(self) -> dict[str, Any]:
        """Everybody, and the largest distance at which a face is somebody's."""
        pair = self._open()
        if pair is None:
            return {"people": [], "threshold": None}
        people = list_people(*pair)
        threshold = None if people.threshold is None else round(people.threshold.distance, 4)
        return {"people": [entry.as_json() for entry in people], "threshold": threshold}

    def get(self, id: int) -> dict[str, Any]:
        """One person."""
        _, identifier, person = self._find(id)
        return Person(person, identifier.too_close([id]).get(id, [])).as_json()

    def enroll(self, who: str | int, photos: Sequence[Upload], consent: str | None, *, largest: bool) -> dict[str, Any]:
        """Enroll somebody new by name, or add photos to somebody by name or id."""
        name = who if isinstance(who, str) else self._find(who)[2].name
        pair = self._open(create=True)
        assert pair is not None
        gallery, identifier = pair
        try:
            spec = enrollment_spec(gallery, self._detector, "auto")
            spec.ready()
            enrollment = Enrollment(name, consent, largest)
            result = enroll_photos(enrollment, _refs(photos), gallery, spec, _OPTIONS, identifier)
        except NoUsablePhoto as error:
            rejected = [{"image": item.key, **item.as_json()} for item in error.rejected]
            raise Problem(409, "no-usable-photo", str(error), rejected=rejected) from error
        except InvalidName as error:
            raise Problem(409, "no-name", str(error)) from error
        except IncompatibleVectors as error:
            raise Problem(409, "other-vectors", str(error)) from error
        return result.as_json()

    def forget(self, id: int) -> dict[str, Any]:
        """Remove somebody -> the receipt."""
        gallery, _, person = self._find(id)
        try:
            return forget_person(person.name, gallery).as_json()
        except DataError as error:
            if error.__cause__:  # the database failed
                raise
            raise Problem(404, "no-such-person", str(error)) from error

    def _open(self, *, create: bool = False) -> tuple[Gallery, Identifier] | None:
        """The gallery and what identifies faces in it; None where there is no gallery and none is created."""
        with self._lock:
            if self._opened is None and (create or gallery_exists()):
                gallery = open_gallery(make=create)
                self._opened = gallery, Identifier(gallery)
            return self._opened

    def _find(self, id: int) -> tuple[Gallery, Identifier, PersonRecord]:
        pair = self._open()
        people = pair[0].people([id]) if pair else []
        if pair is None or not people:
            raise Problem(404, "no-such-person", "There is no person with this id")
        return *pair, people[0]


def _refs(photos: Sequence[Upload]) -> list[PhotoRef]:
    """Photos by their own names, with a number where a name repeats."""
    names = [photo.name for photo in photos]
    keys = [name if name not in names[:i] else f"{name} ({i + 1})" for i, name in enumerate(names)]
    return [PhotoRef(Origin(key), data=photo.data) for key, photo in zip(keys, photos, strict=True)]


T = TypeVar("T")
PhotoWork = Callable[[Sequence[PhotoRef]], Iterable[Any]]
"""Photos -> results by key, any number for a photo."""

_log = logging.getLogger("mien.serve")


class Service:
    """Everything that is loaded, and what it is used for; `ready` once it is.

    Raises:
        Problem: in every coroutine, if the request cannot be answered: the service is not ready, stops or is
            overloaded, there is no such bundle, nobody is enrolled, or the photos cannot be used.
    """

    def __init__(self, config: ServiceConfig, metrics: Metrics) -> None:
        self.config, self.metrics = config, metrics
        self.audit = AuditLog(config.audit)
        self.people = EnrolledPeople(config.detector)
        self.bundles = BundleFolder(config.bundles, lambda name: metrics.loads.labels(name).inc())
        self.corrections = CorrectionStore(config.corrections, config.limits.corrections)
        self.ready = False
        self.workers = Workers(config.workers or cores(), metrics.together.observe, metrics.waiting.set)
        self._inside = 0
        self._traits: Traits = NO_TRAITS
        self._numbers = count()
        # Nothing of an uploaded photo goes into the cache.
        self._options = RunOptions(1, True, cache=False, timing=metrics.stage, max_faces=config.limits.faces)
        self._loading = Thread(target=self._load, name="mien-load", daemon=True)

    def open(self) -> None:
        """Start to load everything, in the background."""
        self._loading.start()

    def close(self) -> None:
        """Answer the requests in progress, and close everything."""
        self.ready = False
        if self._loading.is_alive():
            self._loading.join()
        self.workers.close()
        self.bundles.close()
        self.people.close()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold one of the places for requests in progress."""
        if not self.ready:
            raise busy("The service is starting or stopping", 2)
        if self._inside >= self.config.limits.waiting:
            self.metrics.refused.labels("queue").inc()
            raise busy("Too many requests in progress")
        self._inside += 1
        self.metrics.inside.set(self._inside)
        try:
            yield
        finally:
            self._inside -= 1
            self.metrics.inside.set(self._inside)

    async def look(self, photos: Sequence[Upload], caller: Caller) -> list[dict[str, Any]]:
        """Photos -> the lines that `mien look` prints."""
        lines = [_line(report) for report in await self._run("look", self._look, photos)]
        people = {face["person"]["id"] for fields in lines for face in fields.get("faces", ()) if face["person"]}
        self.audit.write("look", photos=len(photos), people=sorted(people), **caller.as_json())
        return lines

    async def classify(self, name: str, photos: Sequence[Upload], top: int, caller: Caller) -> list[dict[str, Any]]:
        """Photos -> the lines that `mien classify` prints with the bundle of that name."""
        bundle = self.bundles.get(name)
        work = partial(bundle.classifier.predictions, run=self._options, every_face=True, check=False)
        results = await self._run(("classify", bundle.number), work, photos)
        self.audit.write("classify", photos=len(photos), bundle=name, **caller.as_json())
        return [_line(result, top) for result in results]

    async def explain(self, photo: Upload, name: str, caller: Caller) -> Explanation:
        """A photo -> the way to its answer, by the bundle of that name, or by the traits if there is no name."""
        bundle = self.bundles.get(name) if name else None
        photos = await self.call(lambda: tuple(self._explain(_refs([photo]), bundle)))
        self._count(photos, 1)
        lines = [face for item in photos if not isinstance(item, Rejected) for face in item.as_json()["faces"]]
        people = sorted({face["person"]["id"] for face in lines if face.get("person")})
        self.audit.write("explain", photos=1, people=people, **({"bundle": name} if name else {}), **caller.as_json())
        return Explanation(photos)

    async def identify(self, photos: Sequence[Upload], caller: Caller) -> list[dict[str, Any]]:
        """Photos -> the lines that `mien identify` prints."""
        results = await self._run("identify", self._identify, photos)
        people = {item.person.id for item in results if isinstance(item, Identification) and item.person}
        self.audit.write("identify", photos=len(photos), people=sorted(people), **caller.as_json())
        return [_line(result) for result in results]

    async def verify(self, photos: Sequence[Upload], threshold: float | None, caller: Caller) -> dict[str, Any]:
        """Two photos -> the fields that `mien verify` prints."""
        spec = build_spec(self.config.detector)
        try:
            limit = verification_limit(spec, threshold)
        except DataError as error:
            raise Problem(422, "invalid", str(error)) from error
        a, b = await self._run("verify", partial(embed_photos, spec, run=self._options), photos)
        if not isinstance(a, Embedding) or not isinstance(b, Embedding):
            rejected = [_line(result) for result in (a, b) if isinstance(result, Rejected)]
            raise Problem(409, "no-face", "Both photos must show a face", rejected=rejected)
        self.audit.write("verify", photos=2, **caller.as_json())
        return compare(a, b, limit, spec).as_json()

    async def call(self, work: Callable[[], T]) -> T:
        """Have a worker call a function."""
        return await self._wait(lambda: self.workers.call(work))

    async def _run(self, kind: Hashable, work: PhotoWork, photos: Sequence[Upload]) -> list[Any]:
        """The results of `work` on these photos, in a batch with those of other requests of the same kind; counted."""
        # Keys differ between requests; what follows the second slash is the photo's own name.
        number = next(self._numbers)
        refs = [PhotoRef(Origin(f"{number}/{i}/{photo.name}"), data=photo.data) for i, photo in enumerate(photos)]
        results: list[Any] = await self._wait(lambda: self.workers.submit(kind, _batched(work), refs))
        self._count(results, len(photos))
        return results

    def _count(self, results: Sequence[Any], photos: int) -> None:
        """Add the results for so many photos to the metrics."""
        rejected = [result for result in results if isinstance(result, Rejected)]
        for result in rejected:
            self.metrics.photos.labels(str(result.reason)).inc()
        self.metrics.photos.labels("faces").inc(photos - len(rejected))
        many = (PhotoReport, ExplainedPhoto)
        faces = sum(len(result.faces) if isinstance(result, many) else 1 for result in results)
        self.metrics.faces.inc(faces - len(rejected))

    async def _wait(self, submit: Callable[[], Future[T]]) -> T:
        try:
            return await asyncio.wait_for(asyncio.wrap_future(submit()), self.config.limits.seconds)
        except Closed as error:
            raise busy("The service is stopping") from error
        except TimeoutError as error:
            raise busy(f"No answer within {self.config.limits.seconds:g} seconds", 5) from error

    def _look(self, refs: Sequence[PhotoRef]) -> Iterator[PhotoReport | Rejected]:
        namer = self.people.namer_for_look()
        detector = namer.spec.detector if namer else self.config.detector
        spec = build_spec(detector, which="all", min_face=self.config.min_face)
        return FaceAnnotator(spec, self._traits, namer).reports(refs, self._options)

    def _explain(self, refs: Sequence[PhotoRef], bundle: LoadedBundle | None) -> Iterator[ExplainedPhoto | Rejected]:
        if bundle is not None:
            classifier = bundle.classifier
            explainer = Explainer(classifier.spec.all_faces(), bundle=bundle.name, classifier=classifier)
        else:
            namer = self.people.namer_for_look()
            detector = namer.spec.detector if namer else self.config.detector
            spec = build_spec(detector, which="all", min_face=self.config.min_face)
            explainer = Explainer(spec, self._traits, namer)
        return explain_photos(explainer, refs, self._options)

    def _identify(self, refs: Sequence[PhotoRef]) -> Iterator[Identification | Rejected]:
        namer = self.people.namer()
        if namer is None:
            raise Problem(409, "nobody-enrolled", "Nobody is enrolled: POST /v1/people enrolls people")
        return namer.identify_photos(refs, self._options)

    def _load(self) -> None:
        try:
            cv2.setNumThreads(1)
            opened = open_traits(self.config.traits)
            for note in opened.notes:
                _log.warning("a trait is left out", extra={"why": note})
            self._traits = opened.traits
            self.bundles.open()
            namer = self.people.namer_for_look()
            spec = namer.spec if namer else build_spec(self.config.detector)
            spec.ready()
            self._warm_up(spec.detector, [*self._traits.embedders, *spec.face_embedders()])
        except MienError as error:
            _log.error("the service cannot start", extra={"why": str(error)})
            return
        self.ready = True
        _log.info("ready", extra={"detector": spec.detector, "workers": self.config.workers or cores()})

    def _warm_up(self, detector: str, embedders: Sequence[FaceEmbedder]) -> None:
        """Run every network once, so that the first photo does not wait for it to load."""
        pixels = np.full((480, 640, 3), 128, np.uint8)
        DETECTORS.load(detector)()(pixels)
        box = np.array([[240, 160, 400, 320]], np.float32)
        points = np.array([[[290, 220], [350, 220], [320, 255], [295, 285], [345, 285]]], np.float32)
        embed_faces([Faces(Photo(Origin(""), pixels, 640, 480), box, np.ones(1, np.float32), points)], embedders)
        for name in (detector, *(embedder.embed.embedder for embedder in embedders)):
            if name in models.CARDS:
                self.metrics.weights.labels(name, models.identity(name)).set(1)


def _batched(work: PhotoWork) -> Work:
    """The same work for the photos of several requests at once -> the results of each request."""

    def process(requests: Sequence[Sequence[PhotoRef]]) -> list[list[Any]]:
        results: dict[str, list[Any]] = {ref.key: [] for refs in requests for ref in refs}
        for result in work([ref for refs in requests for ref in refs]):
            results[result.key].append(result)
        return [[result for ref in refs for result in results[ref.key]] for refs in requests]

    return process


def _line(result: Any, *top: int) -> dict[str, Any]:
    """A result as the command line prints it, with the photo's own name in place of its key."""
    fields = result.line() if isinstance(result, Rejected) else result.as_json(*top)
    return {**fields, "image": fields["image"].split("/", 2)[2]}
