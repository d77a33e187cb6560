"""Recurrent layers over rows of different lengths, beside torch's own way: packed sequences."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nlpcli.models import layers

ROWS = [1, 3, layers.TOGETHER, layers.TOGETHER + 1, 61, 64]  # around what is computed together, and a prime number


def packed(stack: nn.RNNBase, x_bsh: Tensor, lengths_b: Tensor) -> tuple[Tensor, ...]:
    out, last = stack(pack_padded_sequence(x_bsh, lengths_b, batch_first=True, enforce_sorted=False))
    outs = pad_packed_sequence(out, batch_first=True, total_length=x_bsh.size(1))[0]
    return outs, *(last if isinstance(last, tuple) else (last,))


def gradients(stack: nn.RNNBase, x: Tensor, found: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    weighed = [(tensor * torch.arange(tensor.numel(), dtype=x.dtype).view_as(tensor).cos()).sum() for tensor in found]
    return torch.autograd.grad(torch.stack(weighed).sum(), [x, *stack.parameters()])


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize(("d_in", "bidirectional", "depth"), [(5, True, 2), (16, False, 1)])
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-9), (torch.float32, 1e-3)])  # the second by oneDNN
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_padding_is_not_read(
    cell: Any, dtype: torch.dtype, atol: float, d_in: int, bidirectional: bool, depth: int, rows: int
) -> None:
    torch.manual_seed(rows)
    stack = layers.recurrent(cell, d_in, 4, depth, 0.0, bidirectional).to(dtype)
    x, lengths = torch.randn(rows, 7, d_in, dtype=dtype, requires_grad=True), torch.randint(1, 8, (rows,))
    lengths[0] = 7
    out, last = layers.read_padded(stack, x, lengths)
    ours, expected = (out, *last), packed(stack, x, lengths)
    for found, right in zip((*ours, *gradients(stack, x, ours)), (*expected, *gradients(stack, x, expected))):
        torch.testing.assert_close(found, right, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_stack_goes_on_from_a_state(cell: Any, rows: int) -> None:
    """In two parts, the second from where the first ended, it gives what it gives in one; as many rows as came."""
    torch.manual_seed(rows)
    stack = layers.recurrent(cell, 5, 4, 2, 0.0).double()
    x = torch.randn(rows, 6, 5, dtype=torch.float64)
    names = ("h", "c") if cell == "lstm" else ("h",)
    state = {name: torch.randn(rows, 2, 4, dtype=torch.float64) for name in names}
    first, between = layers.run(stack, x[:, :2], state)
    second, end = layers.run(stack, x[:, 2:], between)
    layers_first = tuple(state[name].transpose(0, 1).contiguous() for name in names)
    expected, last = stack(x, layers_first if cell == "lstm" else layers_first[0])
    torch.testing.assert_close(torch.cat([first, second], 1), expected, rtol=0, atol=1e-12)
    for name, right in zip(names, last if cell == "lstm" else (last,)):
        torch.testing.assert_close(end[name].transpose(0, 1), right, rtol=0, atol=1e-12)
