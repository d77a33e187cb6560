"""Two linear layers with ReLU and dropout between them (Vaswani et al. 2017, eq. 2), for training on a CPU in bf16.

oneDNN adds the bias and cuts off what is below zero within the product. What is dropped is set to zero by a mask of bits, and
1 / (1 − p) goes into the second layer's weights: then the inner features say by themselves which of them have a gradient, so
nothing else is kept of them, and the backward pass goes over them once.

Axes: … token, m features of the model, f inner features.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.amp import custom_bwd, custom_fwd

from nlpcli.kernels.dropout import drop_in_place

BF16 = torch.bfloat16


def fits(x: Tensor) -> bool:
    """Tell whether `feed_forward` computes this: on a CPU, under automatic mixed precision in bf16, with oneDNN."""
    if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu") or not torch.is_grad_enabled():
        return False
    return torch.get_autocast_dtype("cpu") == BF16 and torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def feed_forward(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, p: float) -> Tensor:
    """Return dropout(ReLU(x W₁ᵀ + b₁)) W₂ᵀ + b₂ in bf16, for x [..., m], W₁ [f, m] and W₂ [m, f]; p is the share dropped."""
    out: Tensor = _FeedForward.apply(x, w1, b1, w2, b2, p)  # type: ignore[no-untyped-call]
    return out


class _FeedForward(torch.autograd.Function):
    @staticmethod
    @custom_fwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def forward(ctx: Any, x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, p: float) -> Tensor:
        product = torch.ops.mkldnn._linear_pointwise.default
        x_nm, first = x.reshape(-1, x.size(-1)).to(BF16), w1.to(BF16)
        y_nf = product(x_nm, first, b1.to(BF16), "relu", [], "")
        second = (w2 / (1 - p) if p else w2).to(BF16)
        if p:
            drop_in_place(y_nf, p)
        ctx.save_for_backward(x_nm, y_nf, first, second)
        ctx.p, ctx.types = p, [t.dtype for t in (x, w1, b1, w2, b2)]
        out: Tensor = product(y_nf, second, b2.to(BF16), "none", [], "").view(x.shape)
        return out

    @staticmethod
    @custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x_nm, y_nf, first, second = ctx.saved_tensors
        grad = grads[0].reshape(-1, grads[0].size(-1)).to(BF16)
        of_inner = torch.ops.aten.threshold_backward(grad @ second, y_nf, 0.0)
        of_w2 = (grad.t() @ y_nf).float() / (1 - ctx.p)
        found = [of_inner @ first, of_inner.t() @ x_nm, of_inner.sum(0), of_w2, grad.sum(0)]
        found = [tensor.to(dtype) for tensor, dtype in zip(found, ctx.types)]
        return found[0].view(grads[0].shape), *found[1:], None
