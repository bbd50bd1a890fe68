"""The one way in which photos go through stages: batched, cached, timed, on any number of workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, Protocol, cast

import cv2

from mien.config import settings
from mien.errors import warn
from mien.images import ImageError, read
from mien.pipeline.progress import NoProgress, Progress, TerminalProgress
from mien.pipeline.spec import PIXELS, PipelineSpec
from mien.run import cores, runner
from mien.run.runners import Timing, no_timing, run_stages
from mien.stage import AnyStage, Needs
from mien.store.cache import Cache, digest, pack, unpack
from mien.types import Crop, Embedding, Origin, PhotoRef, Rejected

_NO_PROGRESS = NoProgress()
_BYTES_AT_ONCE = 32_000_000  # of encoded photos that a worker holds between looking them up and decoding them


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How work is done; nothing here changes a result.

    workers: threads, by default as many as there are cores. keep_going: an unexpected failure costs only its photo.
    cache: whether results are looked up and stored. note: takes a sentence that the user should read. timing: hears how
    long each stage took for a batch. max_faces: photos with more faces are rejected.
    """

    workers: int | None = None
    keep_going: bool = False
    cache: bool = True
    progress: Progress = _NO_PROGRESS
    note: Callable[[str], None] = warn
    timing: Timing = no_timing
    max_faces: int | None = None

    @classmethod
    def build(
        cls,
        workers: int | None = None,
        keep_going: bool = False,
        cache: bool = True,
        progress: bool | Progress = False,
    ) -> RunOptions:
        """What the arguments of a public function say; `progress=True` shows bars on the terminal."""
        if isinstance(progress, bool):
            progress = TerminalProgress() if progress else _NO_PROGRESS
        return cls(workers, keep_going, cache, progress)


class HasStages(Protocol):
    """A way through several stages, such as a `PipelineSpec`."""

    def stages(self, max_faces: int | None = None, /) -> Sequence[AnyStage]: ...


@dataclass(frozen=True, slots=True)
class CacheFormat:
    """How all results of one photo become bytes (None: not worth storing), and bytes the results again.

    unpack raises ValueError, KeyError or TypeError where the bytes are not what pack makes.
    """

    pack: Callable[[Sequence[Any]], bytes | None]
    unpack: Callable[[bytes, Origin], list[Any]]


EMBEDDINGS = CacheFormat(pack, unpack)


def execute(
    stages: Sequence[AnyStage], items: Iterable[Any], total: int, what: str, run: RunOptions
) -> Iterator[Any | Rejected]:
    """Drive items through stages, in order, with progress."""
    # One worker per core is all the parallelism there is; OpenCV's own threads would only get in the way.
    cv2.setNumThreads(1)
    return runner(run.workers, run.keep_going, run.timing)(stages, run.progress.track(items, total, what))


def prepare_photos(
    spec: PipelineSpec, refs: Sequence[PhotoRef], run: RunOptions
) -> Iterator[Embedding | Crop | Rejected]:
    """PhotoRef -> what a head or network takes, in order: an embedding, or a crop where the spec has no embedder.

    Embeddings are cached; crops are cheap to cut and large to keep, and are not.
    """
    spec.ready()
    if spec.embedder == PIXELS:
        return execute(spec.stages(run.max_faces), refs, len(refs), "photos", run)
    return cached_map(spec, spec.digest(), refs, run)


def embed_photos(spec: PipelineSpec, refs: Sequence[PhotoRef], run: RunOptions) -> Iterator[Embedding | Rejected]:
    """PhotoRef -> Embedding in the order of the photos, by a spec that has an embedder."""
    return cast("Iterator[Embedding | Rejected]", prepare_photos(spec, refs, run))


def cached_map(
    pipeline: HasStages,
    address: bytes,
    refs: Sequence[PhotoRef],
    run: RunOptions,
    cache_format: CacheFormat = EMBEDDINGS,
    batch_size: int = 16,
) -> Iterator[Any | Rejected]:
    """PhotoRef -> results of a pipeline, in the order of the photos; `address` names the pipeline in the cache.

    batch_size: how many photos are looked up together.
    """
    if not run.cache:
        return execute(pipeline.stages(run.max_faces), refs, len(refs), "photos", run)
    cache = Cache(settings().home / "cache.sqlite")
    # Small enough that a few photos, too, keep every worker busy.
    share = ceil(len(refs) / (2 * (run.workers or cores())))
    stage = CachedStages(pipeline, address, cache, run, cache_format, batch_size=max(1, min(batch_size, share)))
    return execute([stage], refs, len(refs), "photos", run)


@dataclass(frozen=True, slots=True)
class CachedStages:
    """A whole pipeline as one stage, PhotoRef -> its results, which asks the cache first and fills it after."""

    pipeline: HasStages
    address: bytes
    cache: Cache
    run: RunOptions = RunOptions()
    format: CacheFormat = EMBEDDINGS
    name: str = "cache"
    batch_size: int = 16
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[PhotoRef], /) -> Iterator[Any | Rejected]:
        group: list[tuple[PhotoRef, bytes]] = []
        size = 0
        for ref in batch:
            loaded, photo = load_bytes(ref, settings().max_megapixels)
            group.append((loaded, photo))
            size += len(loaded.data or b"")
            if size > _BYTES_AT_ONCE:
                yield from self._look_up(group)
                group, size = [], 0
        yield from self._look_up(group)

    def _look_up(self, group: Sequence[tuple[PhotoRef, bytes]]) -> Iterator[Any | Rejected]:
        """Photos with their digests (b"" where there is none) -> results, in the order of the photos."""
        stored = self.cache.get(self.address, [photo for _, photo in group if photo])
        results = {ref.key: self._unpack(stored.get(photo), ref.origin) for ref, photo in group}
        missing = {ref.key: (ref, photo) for ref, photo in group if not results[ref.key]}
        refs = [ref for ref, _ in missing.values()]
        for result in run_stages(self.pipeline.stages(self.run.max_faces), refs, self.run.keep_going, self.run.timing):
            results[result.key].append(result)
        packed = [(photo, self.format.pack(results[key])) for key, (_, photo) in missing.items() if photo]
        self.cache.put(self.address, [(photo, value) for photo, value in packed if value is not None])
        for ref, _ in group:
            yield from results[ref.key]

    def _unpack(self, value: bytes | None, origin: Origin) -> list[Any]:
        if value is None:
            return []
        try:
            return self.format.unpack(value, origin)
        except (ValueError, KeyError, TypeError):
            return []  # written by something else: as good as no entry


def load_bytes(ref: PhotoRef, max_megapixels: float) -> tuple[PhotoRef, bytes]:
    """A photo with its bytes, and their digest; as it is, and b"", where they cannot be had: the decoder says why."""
    if ref.pixels is not None:
        return ref, digest(repr(ref.pixels.shape).encode() + ref.pixels.tobytes())
    try:
        data = read(ref, max_megapixels)
    except ImageError:
        return ref, b""
    return replace(ref, data=data), digest(data)
