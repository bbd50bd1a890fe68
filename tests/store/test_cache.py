"""The cache: what goes in comes out, for several processes, and a broken one costs nothing but time."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from mien.store.cache import Cache, digest


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
