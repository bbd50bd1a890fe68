"""Vectors through the cache: computed once, in order, the same on any number of workers."""

from __future__ import annotations

import os
from pathlib import Path
from threading import current_thread
from time import sleep
from typing import Any

import numpy as np
import pytest

from mien.data import photos
from mien.pipeline.execute import CachedStages, RunOptions, embed_photos
from mien.pipeline.spec import build_spec
from mien.stage import Needs
from mien.store.cache import Cache, digest
from mien.types import Embedding, Origin, PhotoRef, Rejected

_CHAIN = build_spec("mtcnn")


def _vectors(refs: list[PhotoRef], drive: RunOptions) -> list[Embedding | Rejected]:
    return list(embed_photos(_CHAIN, refs, drive))


@pytest.fixture
def refs(album: Path) -> list[PhotoRef]:
    return photos([album / "inbox"])


@pytest.mark.usefixtures("models_home")
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_do_not_change_the_answer(refs: list[PhotoRef], workers: int) -> None:
    alone = _vectors(refs, RunOptions(1, cache=False))
    together = _vectors(refs, RunOptions(workers, cache=False))
    assert [r.key for r in alone] == [r.key for r in together] == [ref.key for ref in refs]
    for one, other in zip(alone, together, strict=True):
        if isinstance(one, Embedding) and isinstance(other, Embedding):
            assert np.allclose(one.vector, other.vector, atol=1e-5)
        else:
            assert one == other


@pytest.mark.parametrize("embedder", ["dlib-resnet", "dlib-resnet-block"])
def test_the_second_time_nothing_is_computed(
    refs: list[PhotoRef], models_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedder: str
) -> None:
    cache = Cache(tmp_path / "cache.sqlite")
    way = build_spec("mtcnn", embedder)
    stage = CachedStages(way, way.digest(), cache)
    first = list(stage(refs))

    def nothing(stages: object, items: list[object], *_: object) -> list[object]:
        assert not list(items)
        return []

    monkeypatch.setattr("mien.pipeline.execute.run_stages", nothing)
    second = list(stage(refs))
    assert [r.key for r in first] == [r.key for r in second]
    for one, other in zip(first, second, strict=True):
        if isinstance(one, Embedding) and isinstance(other, Embedding):
            assert np.array_equal(one.vector, other.vector)
        else:
            assert one == other


@pytest.mark.usefixtures("models_home")
def test_the_features_of_a_face_take_two_bytes_each(album: Path, tmp_path: Path) -> None:
    way, cache = build_spec("mtcnn", "dlib-resnet-block"), Cache(tmp_path / "c.sqlite")
    data = (album / "originals" / "Grace Hopper.jpg").read_bytes()
    list(CachedStages(way, way.digest(), cache)([PhotoRef(Origin("a"), data=data)]))
    (kept,) = cache.get(way.digest(), [digest(data)]).values()
    assert 2 * 4096 < len(kept) < 2 * 4096 + 1000


@pytest.mark.usefixtures("models_home")
def test_a_copy_under_another_name_and_label_is_known_by_its_content(album: Path, tmp_path: Path) -> None:
    original = album / "originals" / "Grace Hopper.jpg"
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(original.read_bytes())
    stage = CachedStages(_CHAIN, _CHAIN.digest(), Cache(tmp_path / "c.sqlite"))
    (first,) = stage([PhotoRef(Origin("a", "Grace"), original)])
    (second,) = stage([PhotoRef(Origin("b", "Hopper"), copy)])
    assert isinstance(first, Embedding)
    assert isinstance(second, Embedding)
    assert second.origin == Origin("b", "Hopper")
    assert np.array_equal(first.vector, second.vector)


@pytest.mark.usefixtures("models_home")
def test_a_photo_that_was_changed_is_computed_anew(album: Path, tmp_path: Path) -> None:
    photo = tmp_path / "x.jpg"
    stage = CachedStages(_CHAIN, _CHAIN.digest(), Cache(tmp_path / "c.sqlite"))
    found = []
    for name in ("Grace Hopper", "Eileen Collins"):
        photo.write_bytes((album / "originals" / f"{name}.jpg").read_bytes())
        found += list(stage([PhotoRef(Origin("x"), photo)]))
    assert all(isinstance(result, Embedding) for result in found)
    assert np.linalg.norm(found[0].vector - found[1].vector) > 0.41  # type: ignore[union-attr]


@pytest.mark.usefixtures("models_home")
def test_a_file_is_read_once_and_what_was_read_is_what_is_cached(
    album: Path, tmp_path: Path, models_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collins, hopper = ((album / "originals" / f"{n}.jpg").read_bytes() for n in ("Eileen Collins", "Grace Hopper"))
    photo = tmp_path / "x.jpg"
    photo.write_bytes(collins)
    cache = Cache(tmp_path / "c.sqlite")
    get = Cache.get

    def meddle(self: Cache, *arguments: Any) -> Any:
        photo.write_bytes(hopper)
        return get(self, *arguments)

    monkeypatch.setattr(Cache, "get", meddle)
    stage = CachedStages(_CHAIN, _CHAIN.digest(), cache)
    (seen,) = stage([PhotoRef(Origin("x"), photo)])
    monkeypatch.undo()
    (first,) = stage([PhotoRef(Origin("a"), data=collins)])
    (second,) = stage([PhotoRef(Origin("b"), data=hopper)])
    assert isinstance(seen, Embedding)
    assert isinstance(first, Embedding)
    assert isinstance(second, Embedding)
    assert np.array_equal(seen.vector, first.vector)
    assert not np.array_equal(seen.vector, second.vector)


def test_a_pipe_is_rejected_and_not_waited_for(tmp_path: Path, models_home: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (result,) = _vectors([PhotoRef(Origin("p"), tmp_path / "pipe.jpg")], RunOptions(1))
    assert isinstance(result, Rejected)
    assert result.reason == "unreadable"


@pytest.mark.usefixtures("models_home")
def test_a_few_photos_keep_every_worker_busy(album: Path) -> None:
    refs = photos([album / "photos"])[:4]
    names: set[str] = set()

    class Watched(Cache):
        def get(self, *arguments: Any) -> Any:
            names.add(current_thread().name)
            sleep(0.05)
            return {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mien.pipeline.execute.Cache", Watched)
        _vectors(refs, RunOptions(2))
    assert len(names) == 2


def test_an_entry_that_is_garbage_is_as_good_as_none(refs: list[PhotoRef], tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c.sqlite")
    stage = CachedStages(_CHAIN, _CHAIN.digest(), cache)
    from mien.store.cache import digest

    assert refs[0].path is not None
    cache.put(_CHAIN.digest(), [(digest(refs[0].path.read_bytes()), b"garbage")])
    (result,) = stage(refs[:1])
    assert isinstance(result, Embedding)


@pytest.mark.usefixtures("models_home")
def test_without_a_cache_nothing_is_written(refs: list[PhotoRef], home: Path) -> None:
    _vectors(refs[:2], RunOptions(1, cache=False))
    assert not (home / "cache.sqlite").exists()


def test_a_missing_file_is_rejected_and_not_remembered(album: Path, tmp_path: Path, models_home: Path) -> None:
    stage = CachedStages(_CHAIN, _CHAIN.digest(), Cache(tmp_path / "c.sqlite"))
    ref = PhotoRef(Origin("late"), tmp_path / "late.jpg")
    (result,) = stage([ref])
    assert isinstance(result, Rejected)
    assert result.reason == "missing"
    (tmp_path / "late.jpg").write_bytes((album / "originals" / "Grace Hopper.jpg").read_bytes())
    (result,) = stage([ref])
    assert isinstance(result, Embedding)


def test_the_stage_says_what_it_needs() -> None:
    assert CachedStages(_CHAIN, b"", Cache(Path("unused"))).needs == Needs(1.0, 0.0)
