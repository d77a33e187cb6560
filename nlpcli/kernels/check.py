"""What attention refuses before anything is computed, with what was expected and what came."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nlpcli.kernels.problem import STEPS, Options, Shape

TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
LARGEST_HEAD = 256


def check(q: Tensor, k: Tensor, v: Tensor, shape: Shape, options: Options) -> None:
    """Refuse a problem that cannot be computed.

    Lengths and offsets on a GPU are not looked at, as that would wait for it; the kernel reads within the tensors in any case.

    Raises:
        ValueError: what was expected, and what came.
    """
    _check_tensors(q, k, v, shape.packed)
    batch = len(q) if shape.q_offsets is None else len(shape.q_offsets) - 1
    _check_offsets(q, k, shape) if shape.packed else _check_lengths(q, k, shape, batch)
    _check_options(q, options)


def _expect(holds: bool, expected: str, came: object) -> None:
    if not holds:
        raise ValueError(f"attention: expected {expected}; got {came}")


def _check_tensors(q: Tensor, k: Tensor, v: Tensor, packed: bool) -> None:
    form = "[rows, heads, features] with offsets" if packed else "[batch, length, heads, features] without offsets"
    for name, x in (("q", q), ("k", k), ("v", v)):
        _expect(x.dim() == (3 if packed else 4), f"{name} as {form}", f"a shape of {list(x.shape)}")
        _expect(x.dtype in TYPES, f"{name} in float16, bfloat16, float32 or float64", x.dtype)
        _expect(x.dtype == q.dtype, f"{name} in the type of q, {q.dtype}", x.dtype)
        _expect(x.device == q.device, f"{name} on the device of q, {q.device}", x.device)
        _expect(
            x.stride(-1) == 1 or x.size(-1) == 1, f"{name} with the features of a head side by side", f"strides {x.stride()}"
        )
    _expect(k.shape == v.shape, "k and v of one shape", f"{list(k.shape)} and {list(v.shape)}")
    _expect(packed or len(k) == len(q), f"as many rows in k as in q, {len(q)}", len(k))
    _expect(k.size(-1) == q.size(-1), f"heads of one size in q and k, {q.size(-1)}", k.size(-1))
    _expect(8 <= q.size(-1) <= LARGEST_HEAD, f"heads of 8 to {LARGEST_HEAD} features", q.size(-1))
    heads, groups = q.size(-2), k.size(-2)
    _expect(groups > 0 and heads % groups == 0, "query heads in a whole number for each key head", f"{heads} for {groups}")


def _check_lengths(q: Tensor, k: Tensor, shape: Shape, batch: int) -> None:
    _expect(shape.k_offsets is None, "offsets for q and k, or for neither", "offsets for k alone")
    for name, given, longest in (("q_lengths", shape.q_lengths, q.size(1)), ("k_lengths", shape.k_lengths, k.size(1))):
        if given is None:
            continue
        _check_whole(name, given, q.device)
        _expect(list(given.shape) == [batch], f"{name} of shape [{batch}]", list(given.shape))
        if given.device.type == "cpu" and batch:
            _expect(int(given.min()) >= 0 and int(given.max()) <= longest, f"{name} from 0 to {longest}", given.tolist())


def _check_offsets(q: Tensor, k: Tensor, shape: Shape) -> None:
    lengths = shape.q_lengths is None and shape.k_lengths is None
    _expect(lengths, "lengths or offsets, not both", "both")
    assert shape.q_offsets is not None
    if shape.k_offsets is None:
        raise ValueError("attention: expected offsets for q and k, or for neither; got offsets for q alone")
    count = len(shape.q_offsets)
    for name, given, rows in (("q_offsets", shape.q_offsets, len(q)), ("k_offsets", shape.k_offsets, len(k))):
        _check_whole(name, given, q.device)
        _expect(given.dim() == 1 and len(given) == count and count > 0, f"{name} of shape [{count}]", list(given.shape))
        if given.device.type == "cpu":
            rising = bool((given.diff() >= 0).all()) and int(given[0]) == 0 and int(given[-1]) == rows
            _expect(rising, f"{name} that rise from 0 to {rows}", given.tolist())


def _check_whole(name: str, given: Tensor, device: torch.device) -> None:
    _expect(given.dtype in (torch.int32, torch.int64), f"{name} in int32 or int64", given.dtype)
    _expect(given.device == device, f"{name} on the device of q, {device}", given.device)


def _check_options(q: Tensor, options: Options) -> None:
    o, heads = options, q.size(-2)
    _expect(math.isfinite(o.scale) and o.scale > 0, "a finite scale above 0", o.scale)
    _expect(o.window is None or o.window >= 0, "a window of at least 0", o.window)
    _expect(math.isfinite(o.softcap) and o.softcap >= 0, "a soft cap of at least 0", o.softcap)
    _expect(0 <= o.dropout_p < 1 - 0.5 / STEPS, "a share of dropped weights from 0 to less than 1", o.dropout_p)
    if o.seed is not None:
        _expect(
            o.seed.dtype == torch.int64 and o.seed.numel() == 1, "a seed as one int64", f"{o.seed.dtype}, {list(o.seed.shape)}"
        )
    if o.alibi_slopes is not None:
        _expect(list(o.alibi_slopes.shape) == [heads], f"alibi_slopes of shape [{heads}]", list(o.alibi_slopes.shape))
    if o.relative_bias is not None:
        found = list(o.relative_bias.shape)
        odd = len(found) == 2 and found[0] == heads and found[1] % 2 == 1
        _expect(odd, f"relative_bias of shape [{heads}, an odd number]", found)
    for name, x in (("alibi_slopes", o.alibi_slopes), ("relative_bias", o.relative_bias), ("seed", o.seed)):
        _expect(x is None or x.device == q.device, f"{name} on the device of q, {q.device}", x.device if x is not None else "")
