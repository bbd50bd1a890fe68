"""PReLU: the values and gradients of torch's own."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from mien.train.slopes import prelu


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (128, 300)])
def test_values_and_gradients_are_torchs(dtype: torch.dtype, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x, gradient = torch.randn(shape).to(dtype), torch.randn(shape).to(dtype)
    x[0, 0] = 0
    slope = (torch.rand(shape[1]) - 0.3).to(dtype)
    results = []
    for function in (prelu, functional.prelu):
        leaf, slopes = x.clone().requires_grad_(), slope.clone().requires_grad_()
        y = function(leaf, slopes)
        y.backward(gradient)  # type: ignore[no-untyped-call]
        results.append((y.detach(), leaf.grad, slopes.grad))
    for ours, torchs in zip(*results, strict=True):
        assert ours is not None
        torch.testing.assert_close(ours, torchs)


def test_the_gradient_is_the_limit_of_differences() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    slope = torch.rand(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(prelu, (x, slope))


def test_a_gradient_that_lies_otherwise_in_memory_is_the_same() -> None:
    x = torch.randn(6, 4).requires_grad_()
    gradient = torch.randn(4, 6).T
    found = [torch.autograd.grad(prelu(x, torch.full((4,), 0.2)), x, g)[0] for g in (gradient, gradient.contiguous())]
    assert torch.equal(found[0], found[1])
