"""Opens weights in ONNX Runtime, the same way everywhere; knows no network."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mien.config import Settings, settings
from mien.errors import WeightsError
from mien.models.weights import ensure

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_open: dict[str, InferenceSession] = {}
_named: dict[tuple[str, Settings], InferenceSession] = {}
_opening = threading.Lock()


def session(weights: str | Path) -> InferenceSession:
    """A card's name (str) or an ONNX file (Path) -> its session, one a process, which threads may share.

    One thread a call and no spinning: the runner has as many workers as there are cores.

    Raises:
        UnknownName: there is no such card.
        WeightsError: the weights are missing, refused, or not a network that ONNX Runtime can open.
    """
    if isinstance(weights, Path):
        return _at(str(weights))
    # By name and settings, because finding and checking the file again would cost more than a small network takes.
    name = weights, settings()
    if name not in _named:
        _named[name] = _at(str(ensure(weights)))
    return _named[name]


def _at(path: str) -> InferenceSession:
    with _opening:
        if path not in _open:
            _open[path] = _opened(path)
        return _open[path]


def from_bytes(data: bytes) -> InferenceSession:
    """An ONNX file as bytes -> a session of the caller's own, as `session` opens them.

    Raises:
        ValueError: it is not a network that ONNX Runtime can open.
    """
    try:
        return _start(data)
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise ValueError(f"it is not a network that ONNX Runtime can open: {error}") from error


def _opened(path: str) -> InferenceSession:
    try:
        return _start(path)
    except Exception as error:  # as above
        raise WeightsError(f"{path} is not a network that ONNX Runtime can open: {error}") from error


def _start(network: str | bytes) -> InferenceSession:
    import onnxruntime  # here, so that finding weights stays light

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
