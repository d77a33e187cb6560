"""Dropout on the CPU: what is dropped, by how much the rest is scaled, and that it follows from the seed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nlpcli.kernels.dropout import Dropout, add_dropped, dropout, keep_factors

SHARES = [0.01, 0.1, 0.25, 0.5, 0.9]
TYPES = [torch.float32, torch.bfloat16, torch.float64, torch.float16]
OURS = [torch.float32, torch.bfloat16]


def seeded(function: object, *arguments: object, seed: int = 5) -> Tensor:
    torch.manual_seed(seed)
    found: Tensor = function(*arguments)  # type: ignore[operator]
    return found


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("p", SHARES)
def test_a_share_is_dropped_and_the_rest_scaled(p: float, dtype: torch.dtype) -> None:
    count = 200_000
    found = seeded(dropout, torch.ones(count, dtype=dtype), p)
    zeros = int(found.eq(0).sum())
    assert abs(zeros - count * p) < 5 * (count * p * (1 - p)) ** 0.5  # five standard deviations
    kept = found[found != 0]
    assert torch.equal(kept, torch.full_like(kept, 1 / (1 - p)))
    assert found.dtype == dtype


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_neighbours_are_dropped_apart_from_each_other(p: float) -> None:
    """Four features share one 64-bit word: the correlation of any two of them is nothing but chance."""
    dropped = seeded(keep_factors, torch.Size([400_000]), p, torch.float32).eq(0).double()
    for apart in (1, 2, 3, 4, 8):
        pair = torch.stack([dropped[:-apart], dropped[apart:]])
        assert abs(float(torch.corrcoef(pair)[0, 1])) < 5 / 400_000**0.5


@pytest.mark.parametrize("dtype", OURS, ids=str)
def test_the_seed_makes_the_mask(dtype: torch.dtype) -> None:
    x = torch.ones(40, 50, dtype=dtype)
    first = seeded(dropout, x, 0.3)
    assert torch.equal(first, seeded(dropout, x, 0.3))
    assert not torch.equal(first, seeded(dropout, x, 0.3, seed=6))
    torch.manual_seed(5)
    assert not torch.equal(dropout(x, 0.3), dropout(x, 0.3))  # each call draws anew


def test_both_types_have_the_same_mask() -> None:
    masks = [seeded(keep_factors, torch.Size([999]), 0.3, dtype).eq(0) for dtype in OURS]
    assert torch.equal(*masks)


def test_the_state_of_the_generator_is_all_there_is() -> None:
    """A resumed run puts torch's generator back, and nothing else."""
    torch.manual_seed(1)
    torch.rand(3)
    state = torch.get_rng_state()
    first = dropout(torch.ones(100), 0.5)
    torch.set_rng_state(state)
    assert torch.equal(dropout(torch.ones(100), 0.5), first)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_the_gradient_is_the_mask(dtype: torch.dtype) -> None:
    x = torch.ones(7, 11, dtype=dtype, requires_grad=True)
    found = seeded(dropout, x, 0.4)
    found.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, found.detach())


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("p", [0.0, 0.3])
def test_add_dropped_is_the_sum(p: float, dtype: torch.dtype) -> None:
    x, y = (torch.randn(6, 13, dtype=dtype, requires_grad=True) for _ in range(2))
    found = seeded(add_dropped, x, y, p)
    torch.manual_seed(5)
    mask = dropout(torch.ones_like(y), p) if p else torch.ones_like(y)
    close = {"rtol": 1e-2, "atol": 1e-2} if dtype in (torch.bfloat16, torch.float16) else {"rtol": 1e-6, "atol": 1e-6}
    torch.testing.assert_close(found, x + mask * y, **close)
    found.sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))  # type: ignore[arg-type]
    torch.testing.assert_close(y.grad, mask, **close)


def test_add_dropped_takes_sides_of_two_types() -> None:
    x, y = torch.ones(5, 4), torch.ones(5, 4, dtype=torch.bfloat16)
    assert seeded(add_dropped, x, y, 0.5).dtype == torch.float32


@pytest.mark.parametrize("shape", [(0,), (3, 0), (1,), (5,), (2, 3, 5), ()])
def test_any_shape_will_do(shape: tuple[int, ...]) -> None:
    x = torch.ones(shape)
    assert dropout(x, 0.5).shape == shape
    assert add_dropped(x, x, 0.5).shape == shape
    assert set(dropout(x, 0.5).flatten().tolist()) <= {0.0, 2.0}


def test_memory_that_is_not_contiguous_is_no_matter() -> None:
    x = torch.arange(1.0, 13).view(3, 4).t()
    found = seeded(dropout, x, 0.5)
    assert set((found / x).flatten().tolist()) == {0.0, 2.0}


def test_the_smallest_and_the_largest_shares() -> None:
    x = torch.ones(100_000)
    assert torch.equal(dropout(x, 0.0), x)
    assert seeded(dropout, x, 1e-9).eq(0).sum() == 0  # less than one in 65,536
    assert seeded(dropout, x, 0.9999).ne(0).sum() < 100


def test_nan_in_what_is_kept_stays() -> None:
    """A fault in the model is not hidden by dropout, as by torch's."""
    x = torch.full((1000,), float("nan"))
    assert seeded(dropout, x, 0.5).isnan().any()
    assert F.dropout(x, 0.5).isnan().any()


def test_the_module_works_in_training_alone() -> None:
    module, x = Dropout(0.5), torch.ones(1000)
    assert module(x).eq(0).any()
    assert module.eval()(x) is x
    assert Dropout(0.0).train()(x) is x
