"""Windows computed block by block, beside the reference."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nlpcli.kernels import banded
from nlpcli.kernels.attend import Sight
from nlpcli.kernels.choose import SHORT, WIDE, choose
from nlpcli.kernels.problem import Options, Shape
from nlpcli.kernels.reference import ROWS


def drawn(*shape: int, seed: int) -> Tensor:
    made = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return made.requires_grad_()


def gradients(function: Any, *inputs: Tensor) -> tuple[Tensor, ...]:
    out = function(*inputs)
    weights = torch.arange(out.numel(), dtype=out.dtype).view_as(out).sin()
    return (out, *torch.autograd.grad((out * weights).sum(), inputs))


@given(data=st.data())
def test_it_computes_what_the_reference_does(data: st.DataObject) -> None:
    """Lengths around whole blocks, windows around a block's length, padding, rows of nothing, shared keys, biases."""
    length, window = data.draw(st.integers(1, 200), "length"), data.draw(st.integers(0, 100), "window")
    rows, group = data.draw(st.integers(1, 3), "rows"), data.draw(st.sampled_from([1, 2]), "group")
    lengths = torch.tensor(data.draw(st.lists(st.integers(0, length), min_size=rows, max_size=rows), "lengths"))
    bias = drawn(4, 7, seed=5).detach() if data.draw(st.booleans(), "bias") else None
    slopes = torch.tensor([0.5, 0.25, 0.1, 0.0]) if data.draw(st.booleans(), "slopes") else None
    options = Options(0.5, data.draw(st.booleans(), "causal"), window=window, alibi_slopes=slopes, relative_bias=bias)
    shape = Shape(lengths.int(), lengths.int()) if data.draw(st.booleans(), "padded") else Shape()
    q, k, v = drawn(rows, length, 4, 8, seed=1), *(drawn(rows, length, 4 // group, 8, seed=i) for i in (2, 3))
    mask = banded.make_banded_mask(q, shape, options)
    real = torch.arange(length) < (lengths if shape.k_lengths is not None else torch.full((rows,), length))[:, None]
    kept = real[..., None, None]  # what queries in padding find is not used

    def ours(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return banded.banded_attention(q, k, v, mask, options, 0.0) * kept

    def expected(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return Sight(shape, options, "reference").attend(q, k, v) * kept

    for found, right in zip(gradients(ours, q, k, v), gradients(expected, q, k, v)):
        torch.testing.assert_close(found, right, rtol=0, atol=1e-9)


def chosen(length: int, wanted: Any = "auto", lse: bool = False, queries: int | None = None, **options: Any) -> str:
    q = torch.empty(1, queries or length, 4, 8)
    return choose(q, length, Shape(), Options(0.5, **{"window": 16, **options}), wanted, lse).tier


def test_it_is_chosen_for_windows_much_narrower_than_the_row() -> None:
    long = SHORT + 1
    assert chosen(long, window=SHORT // 2 - ROWS) == "banded"
    assert chosen(SHORT) == "plain"
    assert chosen(100_000, window=WIDE) == "banded"
    assert chosen(100_000, window=WIDE + 1) == "reference"


@pytest.mark.parametrize(
    "other", [{"lse": True}, {"queries": 1}, {"softcap": 2.0}, {"bottom_right": True}, {"wanted": "reference"}]
)
def test_what_it_cannot_compute_goes_to_the_reference(other: dict[str, Any]) -> None:
    assert chosen(5000, **other) == "reference"


def test_torchs_function_is_used_where_it_is_asked_for() -> None:
    assert chosen(1000, "sdpa") == "sdpa"


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(1)
    q, v = torch.zeros(1, 640, 4, 8), torch.ones(1, 640, 4, 8)
    options = Options(1.0, causal=True, window=40)
    mask = banded.make_banded_mask(q, Shape(), options)
    found = torch.stack([banded.banded_attention(q, q, v, mask, options, 0.25) for _ in range(20)])
    assert found.mean().item() == pytest.approx(1.0, abs=0.01)
    assert found.std().item() > 0.05


def test_a_layers_sight_makes_one_mask_for_all_its_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Mock(wraps=banded.make_banded_mask)
    monkeypatch.setattr("nlpcli.kernels.attend.make_banded_mask", counted)
    q, sight = torch.randn(2, 600, 2, 8), Sight(Shape(), Options(0.5, True, window=16))
    first, second = sight.attend(q, q, q), sight.attend(q, q, q)
    assert torch.equal(first, second)
    assert counted.call_count == 1
