"""The gallery: people who are enrolled with photos, found again by their faces, and forgotten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload

from mien import config
from mien.config import settings
from mien.data.sources import ImageSource, ImageSources, is_single, photo_refs
from mien.errors import DataError
from mien.gallery import open_gallery as open_database
from mien.gallery.records import ErasureReceipt, FaceSample, NothingToEnroll, PersonRecord, normalize_name
from mien.gallery.threshold import RATE, Threshold
from mien.pipeline.classifier import one_picture
from mien.pipeline.execute import RunOptions, embed_photos, load_bytes
from mien.pipeline.identify import (
    FaceNamer,
    Identification,
    Identifier,
    Match,
    embedding_spec,
    enrollment_spec,
    gallery_spec,
    open_gallery,
)
from mien.pipeline.progress import Progress
from mien.pipeline.spec import PipelineSpec
from mien.store.cache import Cache
from mien.types import Embedding, PhotoRef, Reason, Rejected

if TYPE_CHECKING:
    from mien.gallery.gallery import Gallery as GalleryDatabase

_STAGE = "enroll"
_AT_ONCE = 32  # photos whose bytes are held, so that what is enrolled is what was looked at
_COMPARED = 10_000  # people who are compared with each other, which takes a second on one core


class NoUsablePhoto(DataError):
    """None of the photos could be used for somebody who is new; `rejected` says why of each."""

    def __init__(self, message: str, rejected: Sequence[Rejected]) -> None:
        super().__init__(message)
        self.rejected = rejected


@dataclass(frozen=True, slots=True)
class EnrollResult:
    """The person, how many photos are new, what was rejected, and people who are too close to tell apart."""

    person: PersonRecord
    enrolled: int
    rejected: Sequence[Rejected]
    close: Sequence[Match]
    detector: str
    embedder: str

    def as_json(self) -> dict[str, Any]:
        """The fields that `mien enroll` prints."""
        return {
            "person": self.person.name,
            "id": self.person.id,
            "photos": self.person.photos,
            "enrolled": self.enrolled,
            "rejected": [{"image": item.key, **item.as_json()} for item in self.rejected],
            "close": [other.as_json() for other in self.close],
            "detector": self.detector,
            "embedder": self.embedder,
        }


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is enrolled, and those whom they are too close to."""

    record: PersonRecord
    close: Sequence[Match] = ()

    @property
    def name(self) -> str:
        return self.record.name

    def as_json(self) -> dict[str, Any]:
        """The line that `mien people` prints for somebody."""
        return {**self.record.as_json(), "close": [other.as_json() for other in self.close]}


class PersonList(list[Person]):
    """Everybody by name; whether they were compared with each other, and the threshold of the gallery."""

    def __init__(
        self, people: Iterable[Person] = (), *, compared: bool = True, threshold: Threshold | None = None
    ) -> None:
        super().__init__(people)
        self.compared = compared
        self.threshold = threshold


class Gallery:
    """People who are enrolled: `with Gallery() as gallery: gallery.enroll("Grace Hopper", ["g.jpg"])`.

    Args:
        address: A file, or the URL of a database; by default what `MIEN_GALLERY` names, or the user's own.
    """

    def __init__(self, address: str | Path | None = None) -> None:
        self.address = str(address) if address is not None else config.gallery()
        self._database: GalleryDatabase | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def database(self, *, make: bool = False) -> GalleryDatabase:
        """The open database.

        Raises:
            MissingExtra: The packages for it are not installed.
            DataError: It cannot be opened, or there is none and `make` is not set.
        """
        if self._database is None:
            self._database = open_gallery(self.address, make=make)
        return self._database

    def enroll(
        self,
        name: str,
        images: ImageSources,
        *,
        consent: str | None = None,
        largest: bool = False,
        detector: str = "auto",
        embedder: str = "auto",
        workers: int | None = None,
        keep_going: bool = False,
        cache: bool = True,
        progress: bool | Progress = False,
    ) -> EnrollResult:
        """Enroll somebody with photos, or add photos to whoever has that name.

        Args:
            name: Who it is.
            images: Photos that show their face.
            consent: How and when consent was given; stored with the name.
            largest: Of several faces in a photo, take the main one; without it such photos are rejected.
            detector: "auto", or a name from `mien models list`.
            embedder: "auto", or a name from `mien models list`; fixed once somebody is enrolled.
            workers: Threads, by default as many as there are cores.
            keep_going: An unexpected failure costs only its photo.
            cache: Whether embeddings are looked up and stored.
            progress: Show a bar.

        Raises:
            NoUsablePhoto: No photo can be used for somebody who is new.
            DataError: The name cannot be used, or the gallery holds embeddings of another kind.
            WeightsError: Weights are missing.
        """
        refs = photo_refs(images)
        database = self.database(make=True)
        spec = enrollment_spec(database, detector, embedder)
        run = RunOptions.build(workers, keep_going, cache, progress)
        return enroll_photos(Enrollment(name, consent, largest), refs, database, spec, run)

    @overload
    def identify(self, images: ImageSource, *, false_accepts: float = ..., workers: int | None = ..., keep_going: bool = ..., cache: bool = ..., progress: bool | Progress = ...) -> list[Identification]: ...  # type: ignore[overload-overlap]  # fmt: skip  # noqa: E501
    @overload
    def identify(self, images: Iterable[ImageSource], *, false_accepts: float = ..., workers: int | None = ..., keep_going: bool = ..., cache: bool = ..., progress: bool | Progress = ...) -> Iterator[Identification | Rejected]: ...  # fmt: skip  # noqa: E501
    def identify(
        self,
        images: ImageSources,
        *,
        false_accepts: float = RATE,
        workers: int | None = None,
        keep_going: bool = False,
        cache: bool = True,
        progress: bool | Progress = False,
    ) -> list[Identification] | Iterator[Identification | Rejected]:
        """Say who every face is: somebody who is enrolled, or "unknown".

        Args:
            images: One picture, a folder, or several of these.
            false_accepts: The share of strangers that may be taken for somebody.
            workers: Threads, by default as many as there are cores.
            keep_going: An unexpected failure costs only its photo.
            cache: Whether embeddings are looked up and stored.
            progress: Show a bar.

        Returns:
            For one picture a list with an answer for each face; for many an iterator over answers, and over what was
            rejected.

        Raises:
            DataError: Nobody is enrolled, or this machine makes other embeddings.
            WeightsError: Weights are missing.
        """
        database = self.database()
        identifier = Identifier(database, false_accepts)
        spec = gallery_spec(database)
        if spec is None or identifier.threshold() is None:
            raise DataError(f"nobody is enrolled in {database.address}: 'mien enroll NAME PHOTO' does it")
        run = RunOptions.build(workers, keep_going, cache, progress)
        answers = FaceNamer.of(spec, identifier).identify_photos(photo_refs(images), run)
        return one_picture(answers) if is_single(images) else answers

    def people(self) -> PersonList:
        """Everybody by name, and who is too close to whom; nobody where there is no gallery, and none is made.

        Raises:
            DataError: It cannot be opened.
        """
        if self._database is None:
            self._database = open_database(self.address, create=False)
        if self._database is None:
            return PersonList()
        return list_people(self._database, Identifier(self._database))

    def forget(self, name: str) -> ErasureReceipt:
        """Remove somebody: the name, the vectors, and what was cached of the photos; there is no undo.

        Raises:
            DataError: There is nobody of that name, or the gallery or the cache cannot be written; then all stays.
        """
        return forget_person(name, self.database())


def enroll(name: str, images: ImageSources, **options: Any) -> EnrollResult:
    """`Gallery.enroll` on the user's own gallery."""
    with Gallery() as gallery:
        return gallery.enroll(name, images, **options)


def identify(images: ImageSources, **options: Any) -> list[Identification] | Iterator[Identification | Rejected]:
    """`Gallery.identify` on the user's own gallery."""
    if is_single(images):
        with Gallery() as gallery:
            return gallery.identify(images, **options)
    return _identify_many(images, options)


def _identify_many(images: Any, options: Mapping[str, Any]) -> Iterator[Identification | Rejected]:
    with Gallery() as gallery:
        yield from gallery.identify(images, **options)


def people() -> PersonList:
    """`Gallery.people` of the user's own gallery."""
    with Gallery() as gallery:
        return gallery.people()


def forget(name: str) -> ErasureReceipt:
    """`Gallery.forget` on the user's own gallery."""
    with Gallery() as gallery:
        return gallery.forget(name)


@dataclass(frozen=True, slots=True)
class Enrollment:
    """Who is to be enrolled, the note on consent, and whether the main face of several is meant."""

    name: str
    consent: str | None = None
    largest: bool = False


def enroll_photos(
    enrollment: Enrollment,
    refs: Sequence[PhotoRef],
    database: GalleryDatabase,
    spec: PipelineSpec,
    run: RunOptions,
    identifier: Identifier | None = None,
) -> EnrollResult:
    """Photos of somebody -> the person in the gallery, all of them in one transaction.

    identifier: one that exists already, which spares reading the whole gallery.

    Raises:
        NoUsablePhoto: no photo can be used for somebody who is new. DataError: the name cannot be used, or the
            gallery's embeddings are of another kind. WeightsError: weights are missing.
    """
    normalize_name(enrollment.name)  # before the work on photos, and not after it
    faces: dict[str, tuple[PhotoRef, FaceSample]] = {}
    rejected: list[Rejected] = []
    for ref, result in _faces(refs, spec, run, largest=enrollment.largest):
        if isinstance(result, Rejected):
            rejected.append(result)
        elif result.sha256 in faces:
            rejected.append(Rejected(ref.origin, _STAGE, Reason.ENROLLED, f"the same as {faces[result.sha256][0].key}"))
        else:
            faces[result.sha256] = (ref, result)
    if not faces and not _is_enrolled(database, enrollment.name):
        first = f"{rejected[0].key}: {rejected[0].reason.meaning}"
        raise NoUsablePhoto(f"{enrollment.name} was not enrolled, since no photo could be used: {first}", rejected)
    new = [face for _, face in faces.values()]
    try:
        added = database.enroll(enrollment.name, new, embedding_spec(spec), enrollment.consent)
    except NothingToEnroll as error:
        raise NoUsablePhoto(str(error), [*rejected, *_enrolled_before(error.before, faces)]) from error
    rejected += _enrolled_before(added.before, faces)
    close = (identifier or Identifier(database)).too_close([added.person.id]).get(added.person.id, [])
    return EnrollResult(added.person, len(added.added), rejected, close, spec.detector, spec.embedder)


def list_people(database: GalleryDatabase, identifier: Identifier) -> PersonList:
    """Everybody in a gallery by name."""
    records = database.people()
    compared = len(records) <= _COMPARED
    close = identifier.too_close([record.id for record in records]) if compared else {}
    everybody = (Person(record, close.get(record.id, [])) for record in records)
    return PersonList(everybody, compared=compared, threshold=identifier.threshold())


def forget_person(name: str, database: GalleryDatabase) -> ErasureReceipt:
    """Remove somebody's rows, vectors, and what was cached of the photos, in one transaction.

    Raises:
        DataError: there is nobody of that name, or the gallery or the cache cannot be written; then all of it stays.
    """
    return database.forget(name, _remove_from_cache)


def _remove_from_cache(photos: Sequence[bytes]) -> int:
    cache = Cache(settings().home / "cache.sqlite")
    try:
        return cache.forget(photos)
    except (sqlite3.Error, OSError) as error:
        raise DataError(
            f"nobody was forgotten, because the cache {cache.path} could not be written ({error}):"
            " try again, or delete it"
        ) from error


def _enrolled_before(owners: Mapping[str, str], faces: Mapping[str, tuple[PhotoRef, FaceSample]]) -> Iterator[Rejected]:
    """Photos that somebody was enrolled with, by checksum."""
    for sha256, owner in owners.items():
        yield Rejected(faces[sha256][0].origin, _STAGE, Reason.ENROLLED, f"as {owner}")


def _faces(
    refs: Sequence[PhotoRef], spec: PipelineSpec, run: RunOptions, *, largest: bool
) -> Iterator[tuple[PhotoRef, FaceSample | Rejected]]:
    """Each photo with the face that is meant in it, or why there is none."""
    for start in range(0, len(refs), _AT_ONCE):
        batch = [load_bytes(ref, settings().max_megapixels) for ref in refs[start : start + _AT_ONCE]]
        results: dict[str, list[Embedding | Rejected]] = {ref.key: [] for ref, _ in batch}
        for result in embed_photos(spec, [ref for ref, _ in batch], run):
            results[result.key].append(result)
        for ref, photo in batch:
            yield ref, _meant_face(ref, photo, results[ref.key], largest=largest)


def _meant_face(
    ref: PhotoRef, photo: bytes, results: Sequence[Embedding | Rejected], *, largest: bool
) -> FaceSample | Rejected:
    """The face that is enrolled of a photo with this digest, or why there is none."""
    main = results[0]  # the main face comes first
    if isinstance(main, Rejected):
        return main
    if len(results) > 1 and not largest:
        return Rejected(ref.origin, _STAGE, Reason.SEVERAL_FACES, f"{len(results)} faces")
    x1, y1, x2, y2 = main.face.box
    return FaceSample(photo.hex(), main.vector, min(x2 - x1, y2 - y1), main.face.score)


def _is_enrolled(database: GalleryDatabase, name: str) -> bool:
    try:
        database.find(name)
    except DataError:
        return False
    return True
