"""The greatest values of each row of scores, as torch.topk gives them and in a fraction of its time on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor

LANES = 64  # columns are looked at in so many lanes; the greatest of a lane is found by vector instructions


def best(x_nv: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k greatest values of each row and their columns, [n, k], the greatest first.

    The k greatest stand in the k lanes with the greatest maxima (lane l: columns l, l + 64, l + 128, …), so only these are
    sorted. Of equal values, which one comes first is not the same as in torch.topk.
    """
    n, v = x_nv.shape
    k = min(k, v)
    if x_nv.device.type != "cpu" or k > LANES // 2 or v < 8 * LANES:
        return x_nv.topk(k, dim=1)
    whole = v - v % LANES
    lanes = x_nv[:, :whole].view(n, -1, LANES).amax(1)
    chosen = lanes.argmax(1, keepdim=True) if k == 1 else lanes.topk(k, dim=1, sorted=False).indices
    rest = torch.arange(whole, v).expand(n, -1)
    columns = torch.cat([(chosen[:, None] + torch.arange(0, whole, LANES)[:, None]).flatten(1), rest], 1)
    values = x_nv.gather(1, columns)
    if k == 1:
        at = values.argmax(1, keepdim=True)
        return values.gather(1, at), columns.gather(1, at)
    top, at = values.topk(k, dim=1)
    return top, columns.gather(1, at)
