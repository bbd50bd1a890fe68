"""`mien serve keys`: made and shown once, listed, revoked."""

from __future__ import annotations

from tests.conftest import Mien


def test_a_key_is_shown_once_and_then_only_its_number(mien: Mien) -> None:
    made = mien("serve", "keys", "add", "--scope", "admin", "--note", "for me")
    assert made.code == 0
    assert "it will not be shown again" in made.err
    text = made.out.strip()
    listed = mien("serve", "keys", "list")
    assert text not in listed.out
    assert text.split("_")[1] in listed.out
    assert "admin" in listed.out
    assert "for me" in listed.out
    assert "1 key" in listed.err


def test_the_fields_are_those_of_the_page(mien: Mien) -> None:
    made = mien("serve", "keys", "add", "--json").last
    assert set(made) == {"id", "scope", "note", "created", "revoked", "key"}
    assert mien("serve", "keys", "list", "--json").last == {name: made[name] for name in made if name != "key"}
    revoked = mien("serve", "keys", "revoke", made["id"], "--json").last
    assert revoked["revoked"] is not None
    assert "revoked" in mien("serve", "keys", "list").out


def test_what_cannot_be_is_a_sentence(mien: Mien) -> None:
    assert "use read, enrol or admin" in mien("serve", "keys", "add", "--scope", "root").err
    assert "keys list" in mien("serve", "keys", "revoke", "00000000").err


def test_no_keys_are_an_empty_list(mien: Mien) -> None:
    ran = mien("serve", "keys", "list", "--json")
    assert (ran.code, ran.out) == (0, "")
