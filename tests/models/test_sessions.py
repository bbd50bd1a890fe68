from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from mien.errors import UnknownName, WeightsError
from mien.models import ensure, session
from mien.types import Floats


def test_a_session_is_opened_once_and_by_name_or_path(models_home: Path) -> None:
    assert session("mtcnn-rnet") is session("mtcnn-rnet")
    assert session("mtcnn-rnet") is session(ensure("mtcnn-rnet"))


def test_a_session_takes_one_thread_and_does_not_spin(models_home: Path) -> None:
    opened = session("mtcnn-rnet")
    options = opened.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert opened.get_providers() == ["CPUExecutionProvider"]


def test_threads_share_a_session_and_agree(models_home: Path) -> None:
    x = np.random.default_rng(0).normal(size=(4, 3, 24, 24)).astype(np.float32)
    expected = session("mtcnn-rnet").run(None, {"input": x})[0]
    found: list[Floats] = []

    def work() -> None:
        for _ in range(20):
            found.append(session("mtcnn-rnet").run(None, {"input": x})[0])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    assert all(np.array_equal(each, expected) for each in found)


def test_the_licence_is_checked_at_every_opening(
    home: Path, test_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mien.models.inventory import add

    add(test_models / "mobilefacenet.onnx")
    session("mobilefacenet")
    monkeypatch.setenv("MIEN_LICENCE", "commercial")
    with pytest.raises(WeightsError, match="refused"):
        session("mobilefacenet")


def test_a_file_that_is_not_a_network_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"no network")
    with pytest.raises(WeightsError, match=r"net\.onnx is not a network that ONNX Runtime can open"):
        session(path)
    with pytest.raises(WeightsError):
        session(tmp_path / "nothing.onnx")
    with pytest.raises(UnknownName):
        session("nothing")
    assert capfd.readouterr() == ("", "")
