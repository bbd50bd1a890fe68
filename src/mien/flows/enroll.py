"""Photos of one person in, the person in the gallery."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mien.config import settings
from mien.errors import DataError
from mien.flows.gallery import pin_of
from mien.flows.identify import Identifier, Match
from mien.gallery.records import FaceSample, NothingToEnroll, PersonRecord, normalize_name
from mien.images import ImageError, read
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec
from mien.store.cache import digest
from mien.types import Embedding, PhotoRef, Reason, Rejected

if TYPE_CHECKING:
    from mien.gallery.gallery import Gallery

_STAGE = "enroll"
_AT_ONCE = 32  # photos whose bytes are held, so that what is enrolled is what was looked at


@dataclass(frozen=True, slots=True)
class EnrollResult:
    """What came of it: the person, how many photos are new, the ledger, and people who are too close to tell apart."""

    person: PersonRecord
    enrolled: int
    rejected: Sequence[Rejected]
    close: Sequence[Match]

    def as_json(self, way: PipelineSpec) -> dict[str, Any]:
        """The fields that `mien enroll` prints of photos that went this way."""
        return {
            "person": self.person.name,
            "id": self.person.id,
            "photos": self.person.photos,
            "enrolled": self.enrolled,
            "rejected": [{"image": item.key, **item.as_json()} for item in self.rejected],
            "close": [other.as_json() for other in self.close],
            "detector": way.detector,
            "embedder": way.embedder,
        }


class NoPhoto(DataError):
    """None of the photos could be used for somebody who is not there; `rejected` says why of each."""

    def __init__(self, message: str, rejected: Sequence[Rejected]) -> None:
        super().__init__(message)
        self.rejected = rejected


@dataclass(frozen=True, slots=True)
class Wish:
    """What a user says about a person: the note on consent, and whether the main face of several is meant."""

    name: str
    consent: str | None = None
    largest: bool = False


def enroll(
    wish: Wish,
    refs: Sequence[PhotoRef],
    gallery: Gallery,
    way: PipelineSpec,
    drive: RunOptions,
    identifier: Identifier | None = None,
) -> EnrollResult:
    """Photos of somebody -> the person in the gallery, all of them in one transaction.

    identifier: one that is there already, which spares reading the whole gallery.

    Raises:
        NoPhoto: none can be used for somebody who is not there. DataError: the name cannot be, or the gallery's vectors
            are made otherwise. WeightsError: weights are missing.
    """
    normalize_name(wish.name)  # before the work on photos, and not after it
    shown: dict[str, tuple[PhotoRef, FaceSample]] = {}
    rejected: list[Rejected] = []
    for ref, result in _faces(refs, way, drive, largest=wish.largest):
        if isinstance(result, Rejected):
            rejected.append(result)
        elif result.sha256 in shown:
            rejected.append(Rejected(ref.origin, _STAGE, Reason.ENROLLED, f"the same as {shown[result.sha256][0].key}"))
        else:
            shown[result.sha256] = (ref, result)
    if not shown and not _there(gallery, wish.name):
        raise NoPhoto(f"{wish.name} was not enrolled, since no photo could be used: {_first(rejected)}", rejected)
    try:
        added = gallery.enroll(wish.name, [face for _, face in shown.values()], pin_of(way), wish.consent)
    except NothingToEnroll as error:
        raise NoPhoto(str(error), [*rejected, *_before(error.before, shown)]) from error
    rejected += _before(added.before, shown)
    close = (identifier or Identifier(gallery)).too_close([added.person.id]).get(added.person.id, [])
    return EnrollResult(added.person, len(added.added), rejected, close)


def _before(owners: Mapping[str, str], shown: Mapping[str, tuple[PhotoRef, FaceSample]]) -> Iterator[Rejected]:
    """Photos that somebody was enrolled with, by checksum."""
    for sha256, who in owners.items():
        yield Rejected(shown[sha256][0].origin, _STAGE, Reason.ENROLLED, f"as {who}")


def _faces(
    refs: Sequence[PhotoRef], way: PipelineSpec, drive: RunOptions, *, largest: bool
) -> Iterator[tuple[PhotoRef, FaceSample | Rejected]]:
    """Each photo with the face that is meant in it, or why there is none."""
    for start in range(0, len(refs), _AT_ONCE):
        held = [_held(ref) for ref in refs[start : start + _AT_ONCE]]
        found: dict[str, list[Embedding | Rejected]] = {ref.key: [] for ref in held}
        for result in drive.vectors(way, held):
            found[result.key].append(result)
        for ref in held:
            yield ref, _meant(ref, found[ref.key], largest=largest)


def _held(ref: PhotoRef) -> PhotoRef:
    try:
        return replace(ref, data=read(ref, settings().max_megapixels))
    except ImageError:
        return ref  # the decoder will say why


def _meant(ref: PhotoRef, results: Sequence[Embedding | Rejected], *, largest: bool) -> FaceSample | Rejected:
    main = results[0]  # the main face comes first
    if isinstance(main, Rejected):
        return main
    if len(results) > 1 and not largest:
        return Rejected(ref.origin, _STAGE, Reason.SEVERAL_FACES, f"{len(results)} faces")
    x1, y1, x2, y2 = main.face.box
    return FaceSample(digest(ref.data or b"").hex(), main.vector, min(x2 - x1, y2 - y1), main.face.score)


def _there(gallery: Gallery, name: str) -> bool:
    try:
        gallery.find(name)
    except DataError:
        return False
    return True


def _first(rejected: Sequence[Rejected]) -> str:
    item = rejected[0]
    return f"{item.key}: {item.reason.meaning}"
