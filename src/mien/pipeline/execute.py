"""How a flow is driven: workers, progress and the cache; knows the chain, and no verb."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, Protocol, TypeVar

import cv2

from mien.config import settings
from mien.images import ImageError, read
from mien.pipeline.spec import PIXELS, PipelineSpec
from mien.run import cores, runner
from mien.run.local import stream
from mien.stage import AnyStage, Needs
from mien.store.cache import Cache, digest, pack, unpack
from mien.types import Crop, Embedding, Origin, PhotoRef, Rejected

T = TypeVar("T")


class HasStages(Protocol):
    """A way through several stages, such as a chain."""

    def stages(self) -> Sequence[AnyStage]: ...


@dataclass(frozen=True, slots=True)
class CacheFormat:
    """How all results of one photo become bytes (None where they are not worth it), and these the results again.

    unpack raises ValueError, KeyError or TypeError where the bytes are not what pack makes.
    """

    pack: Callable[[Sequence[Any]], bytes | None]
    unpack: Callable[[bytes, Origin], list[Any]]


_EMBEDDINGS = CacheFormat(pack, unpack)


class Progress(Protocol):
    """Shows how far along a loop is: gives back the same items."""

    def __call__(self, items: Iterable[T], total: int, what: str, /) -> Iterable[T]: ...


def no_progress(items: Iterable[T], total: int, what: str, /) -> Iterable[T]:  # noqa: ARG001
    """Shows nothing."""
    return items


def ignore_note(text: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a user may say about how the work is done, and nothing that changes its result.

    workers: threads, as many as cores where None. keep_going: an accident costs only its photo. cache: whether
    vectors are looked up and  watch: shows how a training goes on. tell: takes a sentence that the user
    should read.
    """

    workers: int | None = None
    keep_going: bool = False
    cache: bool = True
    track: Progress = no_progress
    watch: Callable[[Any], None] | None = None
    tell: Callable[[str], None] = ignore_note

    def run(self, stages: Sequence[AnyStage], items: Iterable[Any], total: int, what: str) -> Iterator[Any | Rejected]:
        """Drive items through stages, with progress."""
        # One worker a core is all the parallelism there is; OpenCV's own threads would only get in the way.
        cv2.setNumThreads(1)
        yield from runner(self.workers, self.keep_going)(stages, self.track(items, total, what))

    def inputs(self, spec: PipelineSpec, refs: Sequence[PhotoRef]) -> Iterator[Embedding | Crop | Rejected]:
        """PhotoRef -> what the head of a chain takes: a vector, or a crop where the chain has no embedder.

        Crops are cheap to cut and large to keep, and are not
        """
        if spec.embedder != PIXELS:
            return self.vectors(spec, refs)
        spec.ready()
        return self.run(spec.stages(), refs, len(refs), "photos")

    def vectors(self, spec: PipelineSpec, refs: Sequence[PhotoRef]) -> Iterator[Embedding | Rejected]:
        """PhotoRef -> Embedding in the order of the photos; what the cache knows is not computed again."""
        spec.ready()
        return self.recalled(spec, spec.digest(), refs)

    def recalled(
        self, way: HasStages, address: bytes, refs: Sequence[PhotoRef], form: CacheFormat = _EMBEDDINGS, most: int = 16
    ) -> Iterator[Any | Rejected]:
        """PhotoRef -> the end of a way, in the order of the photos; what the cache knows at `address` is not made.

        most: so many photos are looked up together.
        """
        cache = Cache(settings().home / "cache.sqlite") if self.cache else None
        # Small enough that a few photos, too, keep every worker busy.
        share = ceil(len(refs) / (2 * (self.workers or cores())))
        stage = CachedStages(way, address, cache, self.keep_going, form, batch_size=max(1, min(most, share)))
        return self.run([stage], refs, len(refs), "photos")


@dataclass(frozen=True, slots=True)
class CachedStages:
    """A whole chain as one stage, PhotoRef -> its results, which asks the cache first and tells it after."""

    spec: HasStages
    address: bytes
    cache: Cache | None
    keep_going: bool = False
    form: CacheFormat = _EMBEDDINGS
    name: str = "recognise"
    batch_size: int = 16
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[PhotoRef], /) -> Iterator[Any | Rejected]:
        sums = _digests(batch) if self.cache else {}
        known = self.cache.get(self.address, list(sums.values())) if self.cache else {}
        results = {ref.key: self._recall(known, sums.get(ref.key), ref) for ref in batch}
        missing = [ref for ref in batch if results[ref.key] is None]
        made = _by_key(missing, stream(self.spec.stages(), self._read(missing, sums), self.keep_going))
        if self.cache:
            packed = ((sums[key], self.form.pack(some)) for key, some in made.items() if key in sums)
            self.cache.put(self.address, [(photo, value) for photo, value in packed if value is not None])
        for ref in batch:
            yield from results[ref.key] or made[ref.key]

    def _read(self, refs: Sequence[PhotoRef], sums: dict[str, bytes]) -> Iterator[PhotoRef]:
        """The photos with their bytes, one at a time, and their digests brought up to these very bytes.

        A file may have been replaced since it was looked up: what is remembered must be what was decoded.
        """
        limit = settings().max_megapixels
        for ref in refs:
            sums.pop(ref.key, None)
            data = _content(ref, limit)
            if data is not None:
                sums[ref.key] = digest(data)
            yield replace(ref, data=data)

    def _recall(self, known: Mapping[bytes, bytes], photo: bytes | None, ref: PhotoRef) -> list[Any] | None:
        if photo is None or photo not in known:
            return None
        try:
            return self.form.unpack(known[photo], ref.origin)
        except (ValueError, KeyError, TypeError):
            return None  # written by something else: worth no more than no entry


def _digests(refs: Sequence[PhotoRef]) -> dict[str, bytes]:
    limit = settings().max_megapixels
    contents = ((ref.key, _content(ref, limit)) for ref in refs)
    return {key: digest(data) for key, data in contents if data is not None}


def _content(ref: PhotoRef, max_megapixels: float) -> bytes | None:
    """A photo's bytes; None where they cannot be had, and the decoder will say why."""
    try:
        return read(ref, max_megapixels)
    except ImageError:
        return None


def _by_key(refs: Sequence[PhotoRef], results: Iterable[Any | Rejected]) -> dict[str, list[Any | Rejected]]:
    gathered: dict[str, list[Any | Rejected]] = {ref.key: [] for ref in refs}
    for result in results:
        gathered[result.key].append(result)
    return gathered
