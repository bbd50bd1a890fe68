"""Opens networks in ONNX Runtime, with the same options everywhere."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mien.config import Settings, settings
from mien.errors import WeightsError
from mien.models.cards import OwnFile, get_card
from mien.models.weights import ensure

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_by_path: dict[str, InferenceSession] = {}
_by_name: dict[tuple[str, str, Settings], InferenceSession] = {}
_opening = threading.Lock()


def session(weights: str | Path) -> InferenceSession:
    """A card's name (str) or an ONNX file (Path) -> its session, one per process, which threads may share.

    One thread per call and no spinning: the runner has as many workers as there are cores.

    Raises:
        UnknownName: there is no such card.
        WeightsError: the weights are missing, refused, or not a network that ONNX Runtime can open.
    """
    if isinstance(weights, Path):
        return _session_of_file(str(weights))
    # By name and settings, because finding and checking the file again would cost more than running a small network.
    source = get_card(weights).source
    key = weights, source.sha256 if isinstance(source, OwnFile) else "", settings()
    if key not in _by_name:
        _by_name[key] = _session_of_file(str(ensure(weights)))
    return _by_name[key]


def _session_of_file(path: str) -> InferenceSession:
    with _opening:
        if path not in _by_path:
            try:
                _by_path[path] = _start(path)
            except Exception as error:  # ONNX Runtime's exceptions share no base class
                raise WeightsError(f"{path} is not a network that ONNX Runtime can open: {error}") from error
        return _by_path[path]


def from_bytes(data: bytes) -> InferenceSession:
    """An ONNX file as bytes -> a session of the caller's own, as `session` opens them; raises ValueError."""
    try:
        return _start(data)
    except Exception as error:  # as above
        raise ValueError(f"it is not a network that ONNX Runtime can open: {error}") from error


def _start(network: str | bytes) -> InferenceSession:
    import onnxruntime  # here, so that finding weights stays light

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
