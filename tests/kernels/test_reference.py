"""The reference against torch's own attention in float64, the dense way, and its gradient against finite differences."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nlpcli.kernels import reference
from nlpcli.kernels.philox import kept, philox
from nlpcli.kernels.problem import Options, Shape, default_scale


def words(*values: int) -> tuple[Tensor, ...]:
    return tuple(torch.tensor([value]) for value in values)


ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # the known answers that Salmon et al. publish with Random123
        ((0, 0, 0, 0), 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((ONES,) * 4, -1, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            0x299F31D0 << 32 | 0xA4093822,
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_its_known_answers(counter: tuple[int, ...], key: int, expected: str) -> None:
    found = philox(words(*counter), torch.tensor(key))  # type: ignore[arg-type]
    assert " ".join(f"{int(x):08x}" for x in found) == expected


def test_the_kept_weights_do_not_depend_on_where_a_tile_begins() -> None:
    seed, rows, queries = torch.tensor([7]), torch.arange(3), torch.arange(5)
    whole = kept(0.3, seed, rows, queries, 0, 40)
    assert torch.equal(kept(0.3, seed, rows, queries[2:], 11, 13), whole[:, 2:, 11:24])
    many = kept(0.3, seed, torch.arange(40), torch.arange(100), 0, 100).double()
    assert abs(1 - many.mean() - 0.3) < 5 * math.sqrt(0.21 / many.numel())


def dense(q: Tensor, k: Tensor, v: Tensor, allowed: Tensor, added: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Return what torch's function gives for [b, l, h, d] with a mask; rows without a key are left out by the caller."""
    repeated = [x.repeat_interleave(q.size(2) // x.size(2), 2).transpose(1, 2) for x in (k, v)]
    mask = added.masked_fill(~allowed[:, None], -math.inf)
    out = torch.nn.functional.scaled_dot_product_attention(q.transpose(1, 2), *repeated, attn_mask=mask, scale=scale)
    scores = q.transpose(1, 2) @ repeated[0].mT * scale + mask
    return out.transpose(1, 2), scores.logsumexp(-1)


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    lengths = st.integers(0, 40)
    pairs = draw(st.lists(st.tuples(lengths, lengths), min_size=1, max_size=3))
    groups = draw(st.integers(1, 2))
    return {
        "lengths": pairs,
        "groups": groups,
        "heads": groups * draw(st.integers(1, 2)),
        "causal": draw(st.booleans()),
        "bottom_right": draw(st.booleans()),
        "window": draw(st.none() | st.integers(0, 12)),
        "alibi": draw(st.booleans()),
        "reach": draw(st.none() | st.integers(0, 9)),
        "packed": draw(st.booleans()),
    }


def tensors(p: dict[str, Any], dtype: torch.dtype = torch.float64) -> tuple[list[Tensor], Shape, Options]:
    """Return q, k, v in padded form, whose padding is NaN, and what the reference is given with them."""
    n_q, n_k = (torch.tensor([pair[side] for pair in p["lengths"]]) for side in (0, 1))
    sizes = [(len(n_q), int(n_q.max()), p["heads"], 8), *[(len(n_k), int(n_k.max()), p["groups"], 8)] * 2]
    made = [torch.randn(size, dtype=dtype) for size in sizes]
    for x, n in zip(made, (n_q, n_k, n_k)):
        x[torch.arange(x.size(1)) >= n[:, None]] = math.nan
    slopes = torch.rand(p["heads"]) if p["alibi"] else None
    bias = None if p["reach"] is None else torch.randn(p["heads"], 2 * p["reach"] + 1, dtype=dtype)
    options = Options(0.3, p["causal"], p["bottom_right"], p["window"], 0.0, slopes, bias)
    return made, Shape(n_q.int(), n_k.int()), options


def packed(x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    real = torch.arange(x.size(1)) < lengths[:, None]
    return x[real], torch.cat([torch.zeros(1, dtype=torch.long), lengths.long().cumsum(0)])


def as_given(p: dict[str, Any], made: list[Tensor], shape: Shape) -> tuple[list[Tensor], Shape]:
    if not p["packed"]:
        return made, shape
    assert shape.q_lengths is not None
    assert shape.k_lengths is not None
    (q, q_offsets), (k, k_offsets) = packed(made[0], shape.q_lengths), packed(made[1], shape.k_lengths)
    return [q, k, packed(made[2], shape.k_lengths)[0]], Shape(q_offsets=q_offsets, k_offsets=k_offsets)


def plain(p: dict[str, Any], made: list[Tensor], shape: Shape, options: Options) -> tuple[Tensor, Tensor, Tensor]:
    """Return what a dense mask gives, and which queries see a key."""
    q, k, v = (x.nan_to_num() for x in made)
    assert shape.q_lengths is not None
    assert shape.k_lengths is not None
    i, j = torch.arange(q.size(1))[:, None], torch.arange(k.size(1))
    shift = (shape.k_lengths - shape.q_lengths if options.bottom_right else 0 * shape.k_lengths)[:, None, None]
    apart = j - i - shift
    allowed = (i < shape.q_lengths[:, None, None]) & (j < shape.k_lengths[:, None, None])
    allowed = allowed & (apart <= 0) if options.causal else allowed
    allowed = allowed & (apart.abs() <= options.window) if options.window is not None else allowed
    added = torch.zeros(len(q), q.size(2), *apart.shape[1:], dtype=q.dtype)
    if options.alibi_slopes is not None:
        added -= options.alibi_slopes[:, None, None] * apart.abs()[:, None]
    if options.relative_bias is not None:
        reach = options.relative_bias.size(1) // 2
        added += options.relative_bias[:, apart.clamp(-reach, reach) + reach].transpose(0, 1)
    seen = allowed.any(-1)
    out, lse = dense(q, k, v, allowed | ~seen[..., None], added, options.scale)  # torch's gradient of an empty row is NaN
    return out, lse, seen


@settings(max_examples=60, deadline=None)
@given(problems())
def test_it_is_torchs_attention_with_a_dense_mask(p: dict[str, Any]) -> None:
    made, shape, options = tensors(p)
    expected, expected_lse, seen = plain(p, made, shape, options)
    given_tensors, given_shape = as_given(p, made, shape)
    out, lse = reference.forward(*given_tensors, given_shape, options)  # type: ignore[call-arg]
    if p["packed"]:
        real = torch.arange(seen.size(1)) < shape.q_lengths[:, None]  # type: ignore[index]
        expected, seen, expected_lse = expected[real], seen[real], expected_lse.transpose(1, 2)[real]
        lse = lse.transpose(0, 1)
    else:
        lse, expected_lse = lse.transpose(1, 2), expected_lse.transpose(1, 2)
    torch.testing.assert_close(out[seen], expected[seen])
    torch.testing.assert_close(lse[seen], expected_lse[seen].to(lse.dtype))
    assert not out[~seen].any()
    assert (lse[~seen] == -math.inf).all()


@settings(max_examples=40, deadline=None)
@given(problems())
def test_its_gradient_is_that_of_the_dense_way(p: dict[str, Any]) -> None:
    made, shape, options = tensors(p)
    leaves = [x.nan_to_num().requires_grad_() for x in made]
    bias = options.relative_bias.requires_grad_() if options.relative_bias is not None else None
    out, lse, seen = plain(p, leaves, shape, options)
    dout, dlse = torch.randn_like(out), torch.randn(lse.shape, dtype=out.dtype)
    rows = seen[:, None].expand(lse.shape)
    loss = (out * dout)[seen].sum() + (lse * dlse)[rows].sum()
    expected = torch.autograd.grad(loss, [*leaves, *([] if bias is None else [bias])], allow_unused=True)
    found = reference.backward(
        dout, dlse, *made, shape, options._replace(relative_bias=None if bias is None else bias.detach())
    )  # type: ignore[call-arg]
    for mine, theirs in zip(found, expected):
        assert mine is not None
        torch.testing.assert_close(mine, torch.zeros_like(mine) if theirs is None else theirs.to(mine.dtype))


def test_dropped_weights_are_those_of_philox_in_both_passes() -> None:
    q, k, v = (torch.randn(2, 9, 2, 8, dtype=torch.float64) for _ in range(3))
    options = Options(default_scale(8), dropout_p=0.25, seed=torch.tensor([11]))
    mask = kept(0.25, torch.tensor([11]), torch.arange(4), torch.arange(9), 0, 9).view(2, 2, 9, 9)
    leaves = [x.clone().requires_grad_() for x in (q, k, v)]
    weights = torch.softmax(leaves[0].transpose(1, 2) @ leaves[1].permute(0, 2, 3, 1) * options.scale, -1)
    expected = (weights * mask / 0.75 @ leaves[2].transpose(1, 2)).transpose(1, 2)
    found, _ = reference.forward(q, k, v, Shape(), options)
    torch.testing.assert_close(found, expected.detach())
    dout = torch.randn_like(expected)
    for mine, theirs in zip(
        reference.backward(dout, None, q, k, v, Shape(), options), torch.autograd.grad(expected, leaves, dout)
    ):
        torch.testing.assert_close(mine, theirs)


def test_a_soft_cap_bounds_the_scores_and_has_its_gradient() -> None:
    q, k, v = (4 * torch.randn(1, 5, 1, 8, dtype=torch.float64) for _ in range(3))
    options = Options(1.0, softcap=2.0)
    leaves = [x.clone().requires_grad_() for x in (q, k, v)]
    scores = 2.0 * torch.tanh(leaves[0].transpose(1, 2) @ leaves[1].permute(0, 2, 3, 1) / 2.0)
    expected = (torch.softmax(scores, -1) @ leaves[2].transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(reference.forward(q, k, v, Shape(), options)[0], expected.detach())
    dout = torch.randn_like(expected)
    for mine, theirs in zip(
        reference.backward(dout, None, q, k, v, Shape(), options), torch.autograd.grad(expected, leaves, dout)
    ):
        torch.testing.assert_close(mine, theirs)


def test_memory_does_not_grow_with_the_square_of_the_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a window the keys computed for some queries are those in sight, however many there are."""
    seen: list[int] = []
    original = reference._part

    def watched(some: Any, i: slice, j: slice, *rest: Any) -> Any:
        seen.append(j.stop - j.start)
        return original(some, i, j, *rest)

    monkeypatch.setattr(reference, "_part", watched)
    q = torch.randn(1, 1000, 1, 8)
    reference.forward(q, q, q, Shape(), Options(0.3, causal=True, window=64))
    assert max(seen) == reference.ROWS + 64
