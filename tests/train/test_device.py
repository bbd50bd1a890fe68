"""Where training runs: by what the machine can do, and as if torch had never been asked."""

from __future__ import annotations

import pytest
import torch

from mien.train.device import Place, place, repeatable

CPU = torch.device("cpu")
no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a CUDA device")


@no_gpu
@pytest.mark.parametrize("check", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_crops_are_trained_in_bfloat16_where_the_processor_multiplies_it(
    check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert place(crops=True) == Place(CPU, half=False)
    monkeypatch.setattr(torch.cpu, check, lambda: True)
    assert place(crops=True) == Place(CPU, half=True)
    assert place(crops=False) == Place(CPU, half=False, crops=False)


@no_gpu
def test_a_torch_that_does_not_tell_is_taken_for_one_that_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert place(crops=True) == Place(CPU, half=False)


@pytest.mark.parametrize("crops", [True, False])
def test_a_batch_arrives_as_floats_in_the_layout(crops: bool) -> None:
    batch = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)
    where = Place(CPU, half=False, crops=crops)
    put = where.lay(where.put(batch))
    assert put.dtype == torch.float32
    assert torch.equal(put, batch.float())
    assert put.is_contiguous(memory_format=torch.channels_last) == crops


def test_vectors_have_no_layout() -> None:
    batch = torch.randn(3, 5)
    where = Place(CPU, half=True)
    assert torch.equal(where.lay(where.put(batch)), batch)


@pytest.mark.parametrize("half", [True, False])
def test_products_are_computed_in_the_precision_of_the_place(half: bool) -> None:
    with Place(CPU, half).autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if half else torch.float32)


def interrupted() -> None:
    with repeatable(Place(CPU, half=False), 1):
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
