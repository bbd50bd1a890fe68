"""Keys are shown once, stored as hashes, and revoked at once, in other processes too; their use is limited."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mien.errors import DataError
from mien.serve.auth import KeyStore, RateLimiter, Scope


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "service" / "service.sqlite")


def test_a_key_is_accepted_until_it_is_revoked(keys: KeyStore) -> None:
    key, text = keys.add(Scope.ENROL, "front desk")
    assert keys.verify(text) == key
    assert (key.scope, key.note, keys.any_valid()) == (Scope.ENROL, "front desk", True)
    revoked = keys.revoke(key.id)
    assert keys.verify(text) is None
    assert not keys.any_valid()
    assert keys.all() == [revoked]
    assert keys.revoke(key.id) == revoked


def test_nothing_else_is_accepted(keys: KeyStore) -> None:
    _, text = keys.add(Scope.ADMIN)
    other = KeyStore(keys.path.with_name("other.sqlite"))
    _, foreign = other.add(Scope.ADMIN)
    swapped = text[:14] + foreign[14:]
    for wrong in ("", "mien_", text[:-1], text + "a", text.upper(), foreign, swapped, f" {text}", text + "\n"):
        assert keys.verify(wrong) is None, wrong


def test_the_file_holds_no_secret_and_only_its_owner_may_read_it(keys: KeyStore) -> None:
    _, text = keys.add(Scope.READ)
    assert text.rpartition("_")[2].encode() not in keys.path.read_bytes()
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.path.parent.stat().st_mode) == 0o700


def test_listing_keys_makes_no_file(keys: KeyStore) -> None:
    assert (keys.all(), keys.any_valid(), keys.path.exists()) == ([], False, False)


def test_a_change_by_another_process_is_seen_at_once(keys: KeyStore) -> None:
    key, text = keys.add(Scope.READ)
    assert keys.verify(text)
    store = f"KeyStore(Path({str(keys.path)!r}))"
    code = f"from pathlib import Path; from mien.serve.auth import KeyStore; {store}.revoke({key.id!r})"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert keys.verify(text) is None


def test_keys_made_at_the_same_time_are_all_stored(keys: KeyStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda _: KeyStore(keys.path).add(Scope.READ), range(16)))
    assert {key.id for key, _ in added} == {key.id for key in keys.all()}


def test_scopes_include_those_before_them() -> None:
    assert Scope.READ < Scope.ENROL < Scope.ADMIN
    assert [str(scope) for scope in Scope] == ["read", "enrol", "admin"]
    with pytest.raises(DataError, match="use read, enrol or admin"):
        Scope.parse("root")


def test_an_unknown_key_cannot_be_revoked(keys: KeyStore) -> None:
    with pytest.raises(DataError, match="keys list"):
        keys.revoke("00000000")


def test_a_damaged_database_lets_nobody_in(keys: KeyStore) -> None:
    _, text = keys.add(Scope.ADMIN)
    keys.path.write_bytes(b"no database" * 1000)
    for store in (keys, KeyStore(keys.path)):
        with pytest.raises(DataError, match="restore the file or remove it"):
            store.verify(text)


def legacy(path: Path, *keys: Mapping[str, object]) -> Path:
    """The file in which keys were stored before there was a database."""
    path.parent.mkdir(parents=True)
    file = path.with_name("keys.json")
    file.write_text(json.dumps(keys))
    return file


OLD = {
    "id": "0a1b2c3d",
    "scope": "enrol",
    "note": "desk",
    "created": "2026-05-01T10:00:00+00:00",
    "revoked": None,
    "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}


def test_keys_of_an_earlier_version_are_imported_once(keys: KeyStore) -> None:
    gone = {**OLD, "id": "ffffffff", "revoked": "2026-05-02T10:00:00+00:00"}
    file = legacy(keys.path, OLD, gone)
    assert [key.as_json() for key in keys.all()] == [
        {name: old[name] for name in ("id", "scope", "note", "created", "revoked")} for old in (OLD, gone)
    ]
    assert (file.exists(), file.with_name("keys.json.imported").exists()) == (False, True)
    keys.revoke("0a1b2c3d")
    file.with_name("keys.json.imported").rename(file)  # as if a kill had come before it was renamed
    again = KeyStore(keys.path)
    assert [key.revoked is None for key in again.all()] == [False, False]


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"id": 1}]', json.dumps([{"id": "a", "scope": "root"}])])
def test_a_damaged_file_of_an_earlier_version_is_left_and_reported(keys: KeyStore, text: str) -> None:
    file = legacy(keys.path)
    file.write_text(text)
    with pytest.raises(DataError, match=r"keys\.json cannot be read"):
        keys.any_valid()
    assert file.read_text() == text
    with sqlite3.connect(keys.path) as connection:
        assert connection.execute("SELECT * FROM keys").fetchall() == []
    connection.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, as a list of one number that a test changes."""
    now = [1_000_000_020.0]  # the beginning of a minute
    monkeypatch.setattr("time.time", lambda: now[0])
    return now


def test_so_many_requests_pass_and_the_next_one_has_to_wait(clock: list[float]) -> None:
    limiter = RateLimiter(60)
    assert [limiter.acquire("a") for _ in range(60)] == [0] * 60
    wait = limiter.acquire("a")
    assert 1 <= wait <= 60
    clock[0] += wait - 1
    assert limiter.acquire("a") == 1
    clock[0] += 1
    assert [limiter.acquire("a") for _ in range(61)] == [0] * 60 + [60]


def test_one_name_does_not_use_up_the_limit_of_another(clock: list[float]) -> None:
    limiter = RateLimiter(1)
    assert [limiter.acquire(name) > 0 for name in "aab"] == [False, True, False]


def test_old_names_do_not_fill_the_memory(clock: list[float]) -> None:
    limiter = RateLimiter(1)
    for i in range(5000):
        limiter.acquire(str(i))
    clock[0] += 61
    for _ in range(100):  # the storage drops old windows in the background
        limiter.acquire("last")
        if len(limiter.storage.storage) < 10:
            return
        import threading

        threading.Event().wait(0.05)
    pytest.fail(f"{len(limiter.storage.storage)} are left")
