"""The cache: what goes in comes out, for several processes, and a broken one costs nothing but time."""

from __future__ import annotations

import json
import pickle
import sqlite3
import subprocess
import sys
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from mien.store.cache import Cache, digest, pack, unpack
from mien.types import Detection, Embedding, Origin, Reason, Rejected


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "deep" / "cache.sqlite")


def test_what_was_put_is_found_under_its_chain_only(cache: Cache) -> None:
    cache.put(b"chain", [(b"a", b"1"), (b"b", b"2")])
    assert cache.get(b"chain", [b"a", b"b", b"c"]) == {b"a": b"1", b"b": b"2"}
    assert cache.get(b"other", [b"a"]) == {}


def test_more_photos_than_a_query_takes_are_found(cache: Cache) -> None:
    rows = [(digest(str(i).encode()), str(i).encode()) for i in range(1501)]
    cache.put(b"c", rows)
    assert cache.get(b"c", [photo for photo, _ in rows]) == dict(rows)


def test_putting_twice_keeps_the_newer(cache: Cache) -> None:
    cache.put(b"c", [(b"a", b"old")])
    cache.put(b"c", [(b"a", b"new")])
    assert cache.get(b"c", [b"a"]) == {b"a": b"new"}


def test_forgetting_takes_a_photo_out_of_every_chain_and_out_of_the_file(cache: Cache) -> None:
    cache.put(b"one", [(b"face", b"secret" * 100), (b"b", b"2")])
    cache.put(b"two", [(b"face", b"secret" * 100)])
    assert cache.forget([b"face"]) == 2
    assert cache.get(b"one", [b"face", b"b"]) == {b"b": b"2"}
    assert all(b"secret" not in path.read_bytes() for path in cache.path.parent.iterdir())


def test_forgetting_from_a_cache_that_is_not_there_is_no_error(cache: Cache) -> None:
    assert cache.forget([b"a"]) == 0
    assert not cache.path.exists()


def test_a_damaged_cache_is_started_anew(cache: Cache) -> None:
    cache.path.parent.mkdir()
    cache.path.write_bytes(b"this is no database" * 1000)
    assert cache.get(b"c", [b"a"]) == {}
    cache.put(b"c", [(b"a", b"1")])
    assert cache.get(b"c", [b"a"]) == {b"a": b"1"}


def test_a_cache_that_cannot_be_written_is_as_good_as_empty() -> None:
    cache = Cache(Path("/proc/nowhere/cache.sqlite"))
    cache.put(b"c", [(b"a", b"1")])
    assert cache.get(b"c", [b"a"]) == {}


def test_it_may_be_deleted_at_any_time(cache: Cache) -> None:
    cache.put(b"c", [(b"a", b"1")])
    for path in cache.path.parent.iterdir():
        path.unlink()
    assert cache.get(b"c", [b"a"]) == {}
    cache.put(b"c", [(b"a", b"2")])
    assert cache.get(b"c", [b"a"]) == {b"a": b"2"}


def test_it_pickles_as_configuration(cache: Cache) -> None:
    cache.put(b"c", [(b"a", b"1")])
    assert pickle.loads(pickle.dumps(cache)) == cache


def test_threads_may_share_it(cache: Cache) -> None:
    def work(n: int) -> None:
        for i in range(20):
            cache.put(b"c", [(f"{n}-{i}".encode(), b"v")])

    threads = [Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cache.get(b"c", [f"{n}-{i}".encode() for n in range(4) for i in range(20)])) == 80


def test_two_processes_may_share_it(cache: Cache) -> None:
    script = (
        "import sys; from pathlib import Path; from mien.store.cache import Cache\n"
        "c = Cache(Path(sys.argv[1]))\n"
        "for i in range(50): c.put(b'c', [(f'{sys.argv[2]}-{i}'.encode(), b'v')])"
    )
    runs = [subprocess.Popen([sys.executable, "-c", script, str(cache.path), name]) for name in ("x", "y")]
    assert [run.wait(timeout=60) for run in runs] == [0, 0]
    assert len(cache.get(b"c", [f"{name}-{i}".encode() for name in ("x", "y") for i in range(50)])) == 100


def _fill(cache: Cache, count: int = 300) -> list[bytes]:
    photos = [digest(str(i).encode()) for i in range(count)]
    cache.put(b"c", [(photo, b"v" * 600) for photo in photos])
    return photos


def _damage(cache: Cache) -> None:
    """Overwrite everything but the first page, which holds the header and the schema."""
    with sqlite3.connect(cache.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = cache.path.read_bytes()
    assert len(data) > 20 * 4096
    cache.path.write_bytes(data[:4096] + b"\xa5" * (len(data) - 4096))


def test_damage_beyond_the_first_page_is_repaired_by_looking_up(cache: Cache) -> None:
    photos = _fill(cache)
    _damage(cache)
    assert cache.get(b"c", photos) == {}
    assert cache.path.stat().st_size < 20 * 4096
    cache.put(b"c", [(photos[0], b"new")])
    assert cache.get(b"c", photos) == {photos[0]: b"new"}


def test_damage_beyond_the_first_page_is_repaired_by_remembering(cache: Cache) -> None:
    photos = _fill(cache)
    _damage(cache)
    cache.put(b"c", [(photos[0], b"new")])
    assert cache.get(b"c", photos) == {photos[0]: b"new"}


def test_to_forget_from_a_damaged_cache_forgets_everything(cache: Cache) -> None:
    photos = _fill(cache)
    _damage(cache)
    assert cache.forget(photos[:1]) == 0
    assert cache.get(b"c", photos) == {}


def test_the_log_of_a_damaged_cache_goes_with_it(cache: Cache) -> None:
    cache.path.parent.mkdir()
    cache.path.write_bytes(b"this is no database" * 1000)
    for suffix in ("-wal", "-shm"):
        cache.path.with_name(cache.path.name + suffix).write_bytes(b"of the old file" * 100)
    cache.put(b"c", [(b"a", b"1")])
    assert cache.get(b"c", [b"a"]) == {b"a": b"1"}
    assert all(b"of the old file" not in path.read_bytes() for path in cache.path.parent.iterdir())


def test_a_cache_that_another_process_holds_is_not_taken_for_damaged(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put(b"c", [(b"a", b"1")])
    real = sqlite3.connect
    holder = real(cache.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(sqlite3, "connect", lambda path, **_: real(path, timeout=0.01))
    cache.put(b"c", [(b"b", b"2")])
    holder.execute("ROLLBACK")
    holder.close()
    assert cache.get(b"c", [b"a", b"b"]) == {b"a": b"1"}


_HERE, _THERE = Origin("a.jpg", "a"), Origin("b.jpg", "b")


def _embedding(index: int, landmarks: bool) -> Embedding:
    points = np.arange(10, dtype=np.float32).reshape(5, 2) if landmarks else None
    face = Detection(index, (1.5, 2.25, 30.0, 40.0), 0.987, points, turned=90 * index)
    return Embedding(_HERE, face, np.linspace(-1, 1, 128).astype(np.float32) * (index + 1))


@pytest.mark.parametrize("landmarks", [True, False])
def test_faces_come_back_bit_for_bit_under_the_new_origin(landmarks: bool) -> None:
    results = [_embedding(0, landmarks), _embedding(1, landmarks)]
    data = pack(results)
    assert data is not None
    back = unpack(data, _THERE)
    assert [b.origin for b in back] == [_THERE, _THERE]
    for was, now in zip(results, back, strict=True):
        assert isinstance(now, Embedding)
        assert np.array_equal(was.vector, now.vector)
        assert (was.face.index, was.face.box, was.face.score) == (now.face.index, now.face.box, now.face.score)
        assert was.face.turned == now.face.turned
        assert (was.face.landmarks is None) == (now.face.landmarks is None)
        if was.face.landmarks is not None and now.face.landmarks is not None:
            assert np.array_equal(was.face.landmarks, now.face.landmarks)


def test_a_photo_without_a_face_is_remembered_with_its_reason() -> None:
    data = pack([Rejected(_HERE, "detect", Reason.NO_FACE, "nothing over 0.5")])
    assert data is not None
    assert unpack(data, _THERE) == [Rejected(_THERE, "detect", Reason.NO_FACE, "nothing over 0.5")]


@pytest.mark.parametrize("reason", [Reason.MISSING, Reason.ERROR, Reason.TOO_LARGE, Reason.UNREADABLE])
def test_what_may_be_different_tomorrow_is_not_remembered(reason: Reason) -> None:
    assert pack([Rejected(_HERE, "decode", reason)]) is None


@pytest.mark.parametrize("data", [b"", b"{}", b"garbage\n123", b'{"faces": [{}]}\n', b'{"rejected": ["x", "y", "z"]}'])
def test_what_pack_did_not_make_is_an_error(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        unpack(data, _HERE)


def test_numbers_that_lose_nothing_by_it_are_kept_in_half_the_room() -> None:
    rounded = np.linspace(0, 9, 4096).astype(np.float16).astype(np.float32)
    face = Detection(0, (1.0, 2.0, 3.0, 4.0), 0.5)
    data = pack([Embedding(_HERE, face, rounded)])
    assert data is not None
    assert len(data) < 4096 * 2 + 200
    (back,) = unpack(data, _THERE)
    assert isinstance(back, Embedding)
    assert back.vector.dtype == np.float32
    assert np.array_equal(back.vector, rounded)


@pytest.mark.parametrize("value", [0.1, 1e6, 1e-9, float("nan"), float("inf")])
def test_numbers_that_would_lose_something_are_kept_whole(value: float) -> None:
    vector = np.array([1.0, value], np.float32)
    data = pack([Embedding(_HERE, Detection(0, (1.0, 2.0, 3.0, 4.0), 0.5), vector)])
    assert data is not None
    (back,) = unpack(data, _THERE)
    assert isinstance(back, Embedding)
    assert np.array_equal(back.vector, vector, equal_nan=True)


def test_an_entry_that_does_not_say_how_its_numbers_are_kept_is_read_as_an_earlier_release_wrote_it() -> None:
    face = {"index": 0, "box": [1, 2, 3, 4], "score": 0.5, "landmarks": None}
    (back,) = unpack(
        json.dumps({"faces": [face]}).encode() + b"\n" + np.array([0.1, 0.2], np.float32).tobytes(), _THERE
    )
    assert isinstance(back, Embedding)
    assert back.vector.tolist() == np.array([0.1, 0.2], np.float32).tolist()
    with pytest.raises(ValueError, match="numbers of the type"):
        unpack(json.dumps({"faces": [face], "type": "object"}).encode() + b"\n", _THERE)
