"""Keys are shown once, kept as hashes, recognised, and revoked at once, in other processes too."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mien.errors import DataError
from mien.serve.keys import Keys, Scope


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "service" / "keys.json")


def test_a_key_is_recognised_until_it_is_revoked(keys: Keys) -> None:
    key, text = keys.add(Scope.ENROL, "front desk")
    assert keys.recognise(text) == key
    assert (key.scope, key.note, keys.usable()) == (Scope.ENROL, "front desk", True)
    keys.revoke(key.id)
    assert keys.recognise(text) is None
    assert not keys.usable()
    assert keys.all()[0].revoked is not None


def test_nothing_else_is_recognised(keys: Keys) -> None:
    _, text = keys.add(Scope.ADMIN)
    other = Keys(keys.path.with_name("other.json"))
    _, foreign = other.add(Scope.ADMIN)
    swapped = text[:14] + foreign[14:]
    for wrong in ("", "mien_", text[:-1], text + "a", text.upper(), foreign, swapped, f" {text}", text + "\n"):
        assert keys.recognise(wrong) is None, wrong


def test_the_file_holds_no_secret_and_is_for_its_owner_alone(keys: Keys) -> None:
    _, text = keys.add(Scope.READ)
    assert text.rpartition("_")[2] not in keys.path.read_text()
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.path.parent.stat().st_mode) == 0o700


def test_what_another_process_changes_is_seen(keys: Keys) -> None:
    key, text = keys.add(Scope.READ)
    assert keys.recognise(text)
    code = (
        f"from pathlib import Path; from mien.serve.keys import Keys; Keys(Path({str(keys.path)!r})).revoke({key.id!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert keys.recognise(text) is None


def test_keys_made_at_the_same_time_are_all_kept(keys: Keys) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: Keys(keys.path).add(Scope.READ), range(16)))
    assert {key.id for key, _ in made} == {key.id for key in keys.all()}


def test_scopes_hold_those_before_them() -> None:
    assert Scope.READ < Scope.ENROL < Scope.ADMIN
    assert [str(scope) for scope in Scope] == ["read", "enrol", "admin"]
    with pytest.raises(DataError, match="use read, enrol or admin"):
        Scope.named("root")


def test_a_key_that_there_is_not_cannot_be_revoked(keys: Keys) -> None:
    with pytest.raises(DataError, match="keys list"):
        keys.revoke("00000000")


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"id": 1}]', json.dumps([{"id": "a", "scope": "root"}])])
def test_a_damaged_file_lets_nobody_in_and_says_so(keys: Keys, text: str) -> None:
    keys.path.parent.mkdir(parents=True)
    keys.path.write_text(text)
    with pytest.raises(DataError, match="cannot be read"):
        keys.recognise("mien_00000000_" + "a" * 43)
