"""Freed memory: kept while a training runs, given back afterwards."""

from __future__ import annotations

import platform
import resource
from pathlib import Path

import pytest
import torch

from mien.train.memory import kept

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="is about glibc's allocator")


def fresh_pages(rounds: int) -> int:
    """Pages that the system had to clear for blocks of 48 MiB, taken and freed in turns."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        torch.empty(12 * 2**20).fill_(1.0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    """Mebibytes in use."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() // 2**20


@glibc
def test_blocks_are_used_again() -> None:
    with kept():
        fresh_pages(12)
        assert fresh_pages(8) < 30_000, "each block has 12,288 pages"


@glibc
def test_afterwards_they_go_back() -> None:
    with kept():
        blocks = [torch.ones(12 * 2**20) for _ in range(6)]
        held = resident()
        del blocks
    assert resident() < held - 200


def test_an_error_goes_through() -> None:
    with pytest.raises(KeyError), kept():
        raise KeyError


def test_without_glibc_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr("mien.train.memory.ctypes.CDLL", None)
    with kept():
        assert torch.ones(3).sum() == 3
