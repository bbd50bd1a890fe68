"""Where a network is trained, in which precision and memory; nothing is left to chance.

The choice depends on what the processor offers and not on a timing, so that the same command runs the same way twice.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # options of mallopt(3), as malloc.h numbers them
_RETAIN = {_TRIM_THRESHOLD: 2**31 - 1, _MMAP_MAX: 0}
_USUAL = {_TRIM_THRESHOLD: 2**26, _MMAP_THRESHOLD: 2**25, _MMAP_MAX: 65536}
"""What glibc itself arrives at in a process that has freed large blocks."""


@dataclass(frozen=True, slots=True)
class TrainingDevice:
    """A device, whether it multiplies in bfloat16, and whether crops are trained on."""

    device: torch.device
    half: bool
    crops: bool = True

    @property
    def layout(self) -> torch.memory_format:
        # With channels last, also float32 is 1.2 to 1.5 times as fast on crops; the small maps of vectors are slower.
        return torch.channels_last if self.crops else torch.contiguous_format

    def autocast(self) -> torch.autocast:
        """The context that a network runs in."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)

    def move(self, module: torch.nn.Module) -> torch.nn.Module:
        """A module, in place, to the device and into the layout."""
        return move(module, self.device, self.layout)

    def put(self, batch: torch.Tensor) -> torch.Tensor:
        """A batch in main memory -> float32 on the device."""
        if self.device.type == "cuda":
            batch = batch.pin_memory().to(self.device, non_blocking=True)
        return batch.to(torch.float32)

    def lay(self, batch: torch.Tensor) -> torch.Tensor:
        """Crops in the layout that is fastest there; vectors as they are."""
        return batch.contiguous(memory_format=self.layout) if batch.ndim == 4 else batch


def move(module: torch.nn.Module, device: torch.device, layout: torch.memory_format) -> torch.nn.Module:
    """A module, in place, to a device, with its filters in a layout."""
    moved: torch.nn.Module = module.to(device=device, memory_format=layout)  # type: ignore[call-overload]
    return moved


def pick_device(*, crops: bool) -> TrainingDevice:
    """A CUDA device if there is one, or else this processor.

    Networks on vectors are so small that converting costs more than bfloat16 gains, so only crops are trained in it.
    """
    if torch.cuda.is_available():
        return TrainingDevice(torch.device("cuda"), crops and torch.cuda.get_device_capability() >= (8, 0), crops)
    return TrainingDevice(torch.device("cpu"), crops and _multiplies_bfloat16(), crops)


@contextmanager
def deterministic(device: TrainingDevice, threads: int) -> Iterator[None]:
    """Inside it torch is deterministic; afterwards its seed and settings are as they were before."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    before = torch.get_num_threads()
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    guard: Any = torch.utils.deterministic  # a property of the module, which its annotations do not show
    fill = guard.fill_uninitialized_memory
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    guard.fill_uninitialized_memory = False  # finds bugs, and costs time
    try:
        with torch.random.fork_rng(devices=[0] if device.device.type == "cuda" else []):
            yield
    finally:
        guard.fill_uninitialized_memory = fill
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.set_num_threads(before)


def _multiplies_bfloat16() -> bool:
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in checks)


@contextmanager
def retain_freed_memory() -> Iterator[None]:
    """Inside it freed memory stays with the process; afterwards it is given back. Without glibc nothing changes.

    glibc gives large blocks back to the system when they are freed, and each step of a training then waits for fresh
    pages that the system has to clear: a quarter of the time of a small network on a CPU.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    library = ctypes.CDLL(None)
    for option, value in _RETAIN.items():
        library.mallopt(option, value)
    try:
        yield
    finally:
        for option, value in _USUAL.items():
            library.mallopt(option, value)
        library.malloc_trim(0)
