from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from mien.models import cache


def test_a_stored_file_carries_its_own_proof(home: Path) -> None:
    path = cache.store("net", "key", b"weights")
    assert path.parent == cache.folder() == home / "models"
    assert path.read_bytes() == b"weights"
    assert hashlib.sha256(b"weights").hexdigest().startswith(cache.digest(path))
    assert cache.is_sound(path, cache.digest(path))
    assert cache.stored("net", "key") == [path]


def test_storing_again_replaces_what_was_there(home: Path) -> None:
    cache.store("net", "key", b"old")
    new = cache.store("net", "key", b"new")
    assert cache.stored("net", "key") == [new]
    assert cache.store("net", "key", b"new") == new


def test_names_and_keys_do_not_mix(home: Path) -> None:
    one = cache.store("net", "key", b"1")
    cache.store("net-int8", "key", b"2")
    cache.store("net", "other", b"3")
    home.joinpath("models", "net.key.copy.onnx").write_bytes(b"by hand")
    assert cache.stored("net", "key") == [one]


def test_the_newest_file_counts_where_an_old_one_could_not_be_removed(home: Path) -> None:
    new = cache.store("net", "key", b"new")
    old = new.with_name(f"net.key.{'0' * 32}.onnx")
    old.write_bytes(b"old")
    os.utime(old, (time.time() - 60, time.time() - 60))
    assert cache.stored("net", "key") == [new, old]


def test_a_change_of_a_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    digest = hashlib.sha256(b"one").hexdigest()
    assert cache.is_sound(path, digest)
    path.write_bytes(b"two and more")
    assert not cache.is_sound(path, digest)


def test_a_name_of_another_kind_has_no_digest() -> None:
    with pytest.raises(ValueError, match="not a name of this cache"):
        cache.digest(Path("model.onnx"))
