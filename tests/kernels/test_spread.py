"""Texts without padding laid out in rows and gathered again, beside the same by loops; the sizes products are given."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.kernels.spread import AN_OCTAVE, Spread, few_sizes

LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any)


def real_of(lengths: list[int]) -> torch.Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


@given(st.integers(0, 1 << 20))
def test_sizes_are_few_and_little_larger(n: int) -> None:
    size = few_sizes(n)
    assert n <= size <= n * (1 + 1 / AN_OCTAVE)
    assert few_sizes(size) == size


def test_an_octave_has_so_many_sizes() -> None:
    assert len({few_sizes(n) for n in range(2049, 4097)}) == AN_OCTAVE


@given(LENGTHS)
def test_every_token_comes_to_its_place_and_back(lengths: list[int]) -> None:
    real = real_of(lengths)
    ids = torch.arange(1, real.numel() + 1).view(real.shape)
    spread = Spread.of(real)
    taken = spread.take_up(ids, 0)
    assert taken.tolist() == [ids[real].tolist() + [0] * (len(spread.places_n) - spread.real)]
    rows = spread.lay_out(taken[..., None].float())[..., 0]
    assert torch.equal(rows, ids.float() * real)  # padding is read from a token of no text
    assert torch.equal(spread.gather(rows[..., None])[0, : spread.real, 0], taken[0, : spread.real].float())


@given(LENGTHS)
def test_gradients_come_from_the_tokens_alone(lengths: list[int]) -> None:
    """Those of indexing; none comes to tokens of no text, whatever padding has."""
    real = real_of(lengths)
    spread = Spread.of(real)
    x = torch.randn(1, len(spread.places_n), 3, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(*real.shape, 3, dtype=torch.float64)
    (spread.lay_out(x) * weights).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad[0, : spread.real], weights[real])
    assert not x.grad[0, spread.real :].any()

    rows = torch.randn(*real.shape, 3, dtype=torch.float64, requires_grad=True)
    (spread.gather(rows)[0, : spread.real] ** 2).sum().backward()
    assert rows.grad is not None
    assert torch.equal(rows.grad, 2 * rows.detach() * real[..., None])
