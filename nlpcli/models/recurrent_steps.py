"""Recurrent layers written out as products and gates, so that the products can be packed in any number format.

For decoding: one position, or few. The equations are those of torch.nn.RNN, LSTM and GRU. Axes: n row, t position, l layer,
h feature.
"""

from __future__ import annotations

from typing import Any, Sequence

import torch
from torch import Tensor, nn


class RecurrentSteps(nn.Module):
    """Takes the place of a one-directional stack with batch_first, without dropout between its layers.

    Args:
        mode: `mode` of the torch.nn.RNNBase.
        cells: of each layer, its products from the input and from the state.
    """

    def __init__(self, mode: str, cells: Sequence[tuple[nn.Module, ...]]) -> None:
        super().__init__()
        self.mode = mode
        self.cells: Any = nn.ModuleList(nn.ModuleList(pair) for pair in cells)

    def forward(self, x_nth: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Return the top layer's outputs and the next state, [l, n, h], as the stack does."""
        states = state if isinstance(state, tuple) else (state,)
        after = []
        for i, (from_input, from_state) in enumerate(self.cells):
            inputs_ntg, own, outs = from_input(x_nth), tuple(s[i] for s in states), []
            for inputs_ng in inputs_ntg.unbind(1):
                own = self._cell(inputs_ng, from_state(own[0]), *own)
                outs.append(own[0])
            x_nth = outs[0][:, None] if len(outs) == 1 else torch.stack(outs, 1)
            after.append(own)
        last = tuple(torch.stack(layers) for layers in zip(*after))
        return x_nth, last if isinstance(state, tuple) else last[0]

    def _cell(self, from_input: Tensor, from_state: Tensor, h: Tensor, c: Tensor | None = None) -> tuple[Tensor, ...]:
        if self.mode == "GRU":
            width = h.size(-1)
            reset, update = (from_input[:, : 2 * width] + from_state[:, : 2 * width]).sigmoid_().chunk(2, -1)
            new = torch.addcmul(from_input[:, 2 * width :], reset, from_state[:, 2 * width :]).tanh_()
            return (torch.lerp(new, h, update),)
        gates = from_input + from_state
        if self.mode == "LSTM":
            assert c is not None
            i, f, g, o = gates.chunk(4, -1)
            c = torch.addcmul(f.sigmoid() * c, i.sigmoid(), g.tanh())
            return o.sigmoid() * c.tanh(), c
        return (gates.tanh_() if self.mode == "RNN_TANH" else gates.relu_(),)
