"""What the environment may set."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.config import Settings, gallery, service, settings
from mien.errors import DataError, MienError


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "GALLERY", "SERVICE", "LICENCE", "MAX_MEGAPIXELS", "TRAITS"):
        monkeypatch.delenv(f"MIEN_{name}", raising=False)


def test_without_any_setting_the_platform_says_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    found = settings()
    assert found.home.name == "mien"
    assert found == Settings(found.home, commercial=False, max_megapixels=100.0, traits="all")


def test_reading_settings_makes_no_folder(home: Path) -> None:
    assert settings().home == home
    assert not home.exists()


def test_the_home_may_be_below_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_HOME", "~/cache")
    assert settings().home == Path.home() / "cache"


def test_the_environment_is_read_afresh_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not settings().commercial
    monkeypatch.setenv("MIEN_LICENCE", " Commercial ")
    assert settings().commercial


def test_a_licence_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_LICENCE", "comercial")
    with pytest.raises(DataError, match=r"MIEN_LICENCE is 'comercial': use 'commercial' or 'any'"):
        settings()


def test_traits_may_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_TRAITS", " mask,age ")
    assert settings().traits == "mask,age"


def test_the_largest_photo_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_MAX_MEGAPIXELS", "12.5")
    assert settings().max_megapixels == 12.5


@pytest.mark.parametrize("text", ["0", "-3", "many", "", "inf", "nan"])
def test_a_largest_photo_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MIEN_MAX_MEGAPIXELS", text)
    with pytest.raises(DataError, match=f"MIEN_MAX_MEGAPIXELS is '{text}': use a number above 0"):
        settings()


def test_an_error_of_a_setting_is_one_for_the_user() -> None:
    assert issubclass(DataError, MienError)


def test_gallery_and_service_are_below_the_home_unless_they_are_set_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_HOME", "~/mien")
    assert (gallery(), service()) == (str(Path.home() / "mien/gallery.sqlite"), Path.home() / "mien/service")
    monkeypatch.setenv("MIEN_GALLERY", "postgresql://ana@host/people")
    monkeypatch.setenv("MIEN_SERVICE", "~/service")
    assert (gallery(), service()) == ("postgresql://ana@host/people", Path.home() / "service")


def test_without_a_home_gallery_and_service_are_user_data_and_not_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert Path(gallery()).parent == service().parent != settings().home
