"""The training device: chosen by what the machine can do; torch and the allocator are left as they were."""

from __future__ import annotations

import ctypes
import platform
import resource
from pathlib import Path

import pytest
import torch

from mien.training.device import TrainingDevice, deterministic, pick_device, retain_freed_memory

CPU = torch.device("cpu")
no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a CUDA device")


@no_gpu
@pytest.mark.parametrize("check", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_crops_are_trained_in_bfloat16_where_the_processor_multiplies_it(
    check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert pick_device(crops=True) == TrainingDevice(CPU, half=False)
    monkeypatch.setattr(torch.cpu, check, lambda: True)
    assert pick_device(crops=True) == TrainingDevice(CPU, half=True)
    assert pick_device(crops=False) == TrainingDevice(CPU, half=False, crops=False)


@no_gpu
def test_a_torch_that_does_not_tell_is_taken_for_one_that_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert pick_device(crops=True) == TrainingDevice(CPU, half=False)


@pytest.mark.parametrize("crops", [True, False])
def test_a_batch_arrives_as_floats_in_the_layout(crops: bool) -> None:
    batch = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)
    where = TrainingDevice(CPU, half=False, crops=crops)
    put = where.lay(where.put(batch))
    assert put.dtype == torch.float32
    assert torch.equal(put, batch.float())
    assert put.is_contiguous(memory_format=torch.channels_last) == crops


def test_vectors_have_no_layout() -> None:
    batch = torch.randn(3, 5)
    where = TrainingDevice(CPU, half=True)
    assert torch.equal(where.lay(where.put(batch)), batch)


@pytest.mark.parametrize("half", [True, False])
def test_products_are_computed_in_the_precision_of_the_place(half: bool) -> None:
    with TrainingDevice(CPU, half).autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if half else torch.float32)


def interrupted() -> None:
    with deterministic(TrainingDevice(CPU, half=False), 1):
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
        torch.manual_seed(1)
        torch.rand(5)
        raise KeyboardInterrupt


def test_torch_is_left_as_it_was() -> None:
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
    assert torch.equal(torch.rand(3), wanted)


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
    with retain_freed_memory():
        fresh_pages(12)
        assert fresh_pages(8) < 30_000, "each block has 12,288 pages"


@glibc
def test_afterwards_they_go_back() -> None:
    with retain_freed_memory():
        blocks = [torch.ones(12 * 2**20) for _ in range(6)]
        held = resident()
        del blocks
    assert resident() < held - 200


def test_an_error_goes_through() -> None:
    with pytest.raises(KeyError), retain_freed_memory():
        raise KeyError


def test_without_glibc_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(ctypes, "CDLL", None)
    with retain_freed_memory():
        assert torch.ones(3).sum() == 3
