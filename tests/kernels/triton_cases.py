"""Problems for the tests of the Triton kernels, the answer in float64, and what plain products in the same type yield."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from nlpcli.kernels import reference
from nlpcli.kernels.problem import Options, Shape
from tests.kernels import written_out
from tests.kernels.written_out import Written

HEADS, GROUPS, SIZE = 4, 2, 16
SEED = 0x1234_5678_9ABC_DEF1
EDGES = [0, 1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65]
Parts = list[Tensor]  # one of each sequence
Forward = Callable[..., tuple[Tensor, Tensor]]
Backward = Callable[..., tuple[Tensor, Tensor, Tensor, Tensor | None]]


@dataclass
class Problem:
    """Sequences of a batch, each [length, heads, size], and gradients of what comes out."""

    q: Parts
    k: Parts
    v: Parts
    dout: Parts
    dlse: Parts  # [heads, length]

    @property
    def batch(self) -> int:
        return len(self.q)


@dataclass
class Answer:
    """What a kernel computed, or the reference; one of each sequence, the bias's gradient of all."""

    out: Parts
    lse: Parts
    dq: Parts
    dk: Parts
    dv: Parts
    dbias: Tensor | None


def problem(
    queries: list[int],
    keys: list[int],
    dtype: torch.dtype = torch.float32,
    *,
    heads: int = HEADS,
    groups: int = GROUPS,
    size: int = SIZE,
) -> Problem:
    torch.manual_seed(sum(queries) * 1000 + sum(keys))

    def some(lengths: list[int], heads: int) -> Parts:
        return [torch.randn(length, heads, size).to(dtype) for length in lengths]

    dlse = [torch.randn(heads, length) for length in queries]
    return Problem(some(queries, heads), some(keys, groups), some(keys, groups), some(queries, heads), dlse)


def options(size: int = SIZE, *, heads: int = HEADS, **features: Any) -> Options:
    """Return options; True for a feature that takes a tensor is one made up."""
    torch.manual_seed(7)
    if features.get("alibi_slopes") is True:
        features["alibi_slopes"] = torch.rand(heads)
    if features.get("relative_bias") is True:
        features["relative_bias"] = torch.randn(heads, 2 * 11 + 1)
    if features.get("dropout_p"):
        features["seed"] = torch.tensor([SEED])
    return Options(1 / math.sqrt(size), **features)


def written(o: Options) -> Written:
    def array(x: Tensor | None) -> np.ndarray | None:
        return None if x is None else x.double().numpy()

    seed = 0 if o.seed is None else int(o.seed)
    slopes, bias = array(o.alibi_slopes), array(o.relative_bias)
    return Written(o.scale, o.causal, o.bottom_right, o.window, o.softcap, slopes, bias, o.dropout_p, seed)


def expected(p: Problem, o: Options, *, gradients: bool = True) -> Answer:
    """Return the answer in float64."""
    w = written(o)
    answer = Answer([], [], [], [], [], None)
    if gradients and w.bias is not None:
        answer.dbias = torch.zeros(w.bias.shape, dtype=torch.float64)
    for b in range(p.batch):
        q, k, v, dout, dlse = (x[b].double().numpy() for x in (p.q, p.k, p.v, p.dout, p.dlse))
        out, lse = written_out.forward(q, k, v, b, w)
        answer.out.append(torch.from_numpy(out))
        answer.lse.append(torch.from_numpy(lse))
        if gradients:
            dq, dk, dv, dbias = written_out.backward(dout, dlse, q, k, v, b, w)
            for kept, found in zip((answer.dq, answer.dk, answer.dv), (dq, dk, dv), strict=True):
                kept.append(torch.from_numpy(found))
            if answer.dbias is not None:
                answer.dbias += torch.from_numpy(dbias)
    return answer


def referred(p: Problem, o: Options, *, gradients: bool = False) -> Answer:
    """Return the reference's answer in float64: for lengths at which `expected` takes too long."""
    answer = Answer([], [], [], [], [], None)
    for b in range(p.batch):
        q, k, v, dout, dlse = (x[b][None].double() for x in (p.q, p.k, p.v, p.dout, p.dlse))
        out, lse = reference.forward(q, k, v, Shape(), o)
        answer.out.append(out[0])
        answer.lse.append(lse[0])
        if gradients:
            found = reference.backward(dout, dlse, q, k, v, Shape(), o)[:3]
            for kept, x in zip((answer.dq, answer.dk, answer.dv), found, strict=True):
                kept.append(x[0])
    return answer


def plain(p: Problem, o: Options) -> Answer:
    """Return what products, a softmax and torch's own gradients yield in the type of the inputs."""
    w = written(o)
    answer = Answer([], [], [], [], [], None)
    bias = None if o.relative_bias is None else o.relative_bias.detach().to(p.q[0].dtype, copy=True).requires_grad_()
    heads, group = p.q[0].size(1), p.q[0].size(1) // p.k[0].size(1)
    for b in range(p.batch):
        q, k, v = (x[b].clone().requires_grad_() for x in (p.q, p.k, p.v))
        s = torch.einsum("ihd,jhd->hij", q, k.repeat_interleave(group, 1)) * o.scale
        if o.softcap:
            s = o.softcap * torch.tanh(s / o.softcap)
        places = torch.arange(len(q))[:, None] + (len(k) - len(q) if o.bottom_right else 0)
        apart = torch.arange(len(k)) - places
        if o.alibi_slopes is not None:
            s = s - (o.alibi_slopes[:, None, None] * apart.abs()).to(s.dtype)
        if bias is not None:
            reach = bias.size(1) // 2
            s = s + bias[:, apart.clamp(-reach, reach) + reach]
        allowed = torch.ones(apart.shape, dtype=torch.bool)
        if o.causal:
            allowed &= apart <= 0
        if o.window is not None:
            allowed &= apart.abs() <= o.window
        s = s.masked_fill(~allowed, -math.inf)
        seen = allowed.any(1)[:, None]
        a = torch.softmax(torch.where(seen, s, 0), -1) * seen
        if o.dropout_p:
            factors = [[[w.factor(b * heads + h, i, j) for j in range(len(k))] for i in range(len(q))] for h in range(heads)]
            a = a * torch.tensor(factors, dtype=a.dtype).view(a.shape)
        out = torch.einsum("hij,jhd->ihd", a, v.repeat_interleave(group, 1))
        lse = torch.logsumexp(torch.where(seen, s, 0), -1).where(seen[:, 0], -math.inf)
        found = [out, lse]
        out_grad = [p.dout[b], p.dlse[b].to(lse.dtype).where(seen[:, 0], 0)]
        wanted = [q, k, v] + ([] if bias is None else [bias])
        dq, dk, dv, *_ = grads = torch.autograd.grad(found, wanted, out_grad)
        for kept, x in zip((answer.out, answer.lse, answer.dq, answer.dk, answer.dv), (out, lse, dq, dk, dv), strict=True):
            kept.append(x.detach())
        if bias is not None:
            answer.dbias = grads[3] + (0 if answer.dbias is None else answer.dbias)
    return answer


def _forward(*arguments: Any, **settings: Any) -> tuple[Tensor, Tensor]:
    from nlpcli.kernels.triton_forward import forward

    return forward(*arguments, **settings)


def _backward(*arguments: Any, **settings: Any) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    from nlpcli.kernels.triton_backward import backward

    return backward(*arguments, **settings)


def packed(
    p: Problem, o: Options, *, gradients: bool = True, forward: Forward = _forward, backward: Backward = _backward, **more: Any
) -> Answer:
    """Run the kernels on sequences that follow one another."""

    queries, keys = [len(x) for x in p.q], [len(x) for x in p.k]
    q, k, v, dout = (torch.cat(x) for x in (p.q, p.k, p.v, p.dout))
    offsets = [torch.tensor([0, *lengths]).cumsum(0) for lengths in (queries, keys)]
    shape = Shape(q_offsets=offsets[0], k_offsets=offsets[1])
    out, lse = forward(q, k, v, shape, o, **more)
    if not gradients:
        return Answer(list(out.split(queries)), list(lse.split(queries, 1)), [], [], [], None)
    dq, dk, dv, dbias = backward(dout, torch.cat(p.dlse, 1), q, k, v, out, lse, shape, o, **more)
    of_queries, of_keys = ([x.split(lengths) for x in some] for some, lengths in (((out, dq), queries), ((dk, dv), keys)))
    return Answer(
        list(of_queries[0]), list(lse.split(queries, 1)), list(of_queries[1]), list(of_keys[0]), list(of_keys[1]), dbias
    )


def padded(
    p: Problem, o: Options, *, gradients: bool = True, forward: Forward = _forward, backward: Backward = _backward, **more: Any
) -> Answer:
    """Run the kernels on rows with NaN and infinity for padding; what comes out there must be 0, and −∞ for logarithms."""

    def rows(parts: Parts, fill: float) -> Tensor:
        x = parts[0].new_full((len(parts), max(map(len, parts)) + 3, *parts[0].shape[1:]), fill)
        for b, part in enumerate(parts):
            x[b, : len(part)] = part
        return x

    q, k, v, dout = (rows(x, fill) for x, fill in ((p.q, math.nan), (p.k, math.nan), (p.v, math.inf), (p.dout, math.nan)))
    dlse = rows([x.T for x in p.dlse], math.nan).transpose(1, 2)
    lengths = [torch.tensor([len(x) for x in parts], dtype=torch.int32) for parts in (p.q, p.k)]
    shape = Shape(q_lengths=lengths[0], k_lengths=lengths[1])
    out, lse = forward(q, k, v, shape, o, **more)
    for b in range(p.batch):
        assert out[b, len(p.q[b]) :].eq(0).all()
        assert lse[b, :, len(p.q[b]) :].eq(-math.inf).all()

    def parts(x: Tensor, like: Parts) -> Parts:
        return [row[: len(part)] for row, part in zip(x, like, strict=True)]

    answer = Answer(parts(out, p.q), [row.T for row in parts(lse.transpose(1, 2), p.q)], [], [], [], None)
    if not gradients:
        return answer
    dq, dk, dv, answer.dbias = backward(dout, dlse, q, k, v, out, lse, shape, o, **more)
    for b in range(p.batch):
        assert all(x[b, len(part[b]) :].eq(0).all() for x, part in ((dq, p.q), (dk, p.k), (dv, p.k)))
    answer.dq, answer.dk, answer.dv = parts(dq, p.q), parts(dk, p.k), parts(dv, p.k)
    return answer


def names(answer: Answer) -> dict[str, Tensor]:
    """Return all numbers of an answer, one tensor a name."""
    lists = {name: getattr(answer, name) for name in ("out", "lse", "dq", "dk", "dv")}
    named = {name: torch.cat([x.flatten().double() for x in parts]) for name, parts in lists.items() if parts}
    return named if answer.dbias is None else {**named, "dbias": answer.dbias.flatten().double()}


def assert_close(found: Answer, right: Answer, common: Answer, dtype: torch.dtype) -> None:
    """Demand an error no more than twice that of plain products, and a few roundings of the greatest number."""
    some, exact, usual = names(found), names(right), names(common)
    for name, x in exact.items():
        finite = x.isfinite()
        assert torch.equal(some[name].isfinite(), finite), name
        if finite.any():
            error, bound = ((y[name][finite] - x[finite]).abs().max() for y in (some, usual))
            room = (8 if dtype == torch.float32 else 1) * torch.finfo(dtype).eps * x[finite].abs().max().clamp(1)
            assert error <= 2 * bound + room, f"{name}: {error} against {bound}"


def assert_same(first: Answer, second: Answer) -> None:
    """Demand the same bits."""
    others = names(second)
    assert all(torch.equal(x, others[name]) for name, x in names(first).items())


FEATURES: list[dict[str, Any]] = [
    {},
    {"causal": True},
    {"causal": True, "bottom_right": True},
    {"window": 9},
    {"window": 0},
    {"causal": True, "bottom_right": True, "window": 20},
    {"softcap": 1.5},
    {"alibi_slopes": True, "causal": True},
    {"alibi_slopes": True, "bottom_right": True},
    {"relative_bias": True},
    {"relative_bias": True, "causal": True, "softcap": 2.0},
    {"dropout_p": 0.3},
    {"dropout_p": 0.1, "causal": True, "relative_bias": True, "alibi_slopes": True, "softcap": 3.0, "window": 30},
]


def name(features: dict[str, Any]) -> str:
    return "-".join(features) or "none"


@st.composite
def drawn(draw: st.DrawFn) -> tuple[list[int], list[int], dict[str, Any]]:
    """Return lengths of up to three sequences, and features."""
    lengths = st.one_of(st.sampled_from(EDGES), st.integers(0, 70))
    pairs = draw(st.lists(st.tuples(lengths, lengths), min_size=1, max_size=3))
    features = {
        "causal": draw(st.booleans()),
        "bottom_right": draw(st.booleans()),
        "window": draw(st.none() | st.integers(0, 80)),
        "softcap": draw(st.sampled_from([0.0, 2.0])),
        "alibi_slopes": draw(st.sampled_from([None, True])),
        "relative_bias": draw(st.sampled_from([None, True])),
        "dropout_p": draw(st.sampled_from([0.0, 0.2])),
    }
    return [q for q, _ in pairs], [k for _, k in pairs], features
