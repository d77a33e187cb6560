"""Number formats for translating: weights packed once for the processor's matrix products, in float32, bfloat16 or int8.

Activations stay float32 between products, so that attention, normalisation and scores are computed as in training. int8
has one scale a row of the weights and one a row of the input: what a sentence is translated with does not change it.

No gradient goes through packed layers.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nlpcli.errors import Unavailable
from nlpcli.models.base import Model
from nlpcli.models.recurrent_steps import RecurrentSteps

TYPICAL_ROWS = 64  # products are packed for about so many rows at once
TINY = 1e-12  # the scale of a row of zeros
M = TypeVar("M", bound=Model)


class Packed(nn.Module):
    """A linear layer for inference. `weight` and `bias` are those of the layer it was made from."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias = layer.weight, layer.bias


class PackedFloat(Packed):
    """Products of float32 or bfloat16 in oneDNN's own layout, which saves laying out the weights at every call."""

    def __init__(self, layer: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__(layer)
        self.dtype = dtype
        self._weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach().to(dtype), TYPICAL_ROWS)
        self._bias = None if layer.bias is None else layer.bias.detach().to(dtype)
        self._product = torch.ops.mkldnn._linear_pointwise.default

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self._product(x.to(self.dtype), self._weight, self._bias, "none", [], "")
        return out.to(x.dtype)


class CastLinear(Packed):
    """Products in another format where nothing is packed: on a GPU."""

    def __init__(self, layer: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__(layer)
        self._weight = layer.weight.detach().to(dtype)
        self._bias = None if layer.bias is None else layer.bias.detach().to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.to(self._weight.dtype), self._weight, self._bias).to(x.dtype)


class PackedInt8(Packed):
    """Products of int8: x ≈ s · round(127 x / s) / 127 with s = max|x| of the row; weights the same, a row an output."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer)
        weight = layer.weight.detach()
        largest = weight.abs().amax(1).clamp_min(TINY)
        self._weight = (weight * (127 / largest)[:, None]).round().to(torch.int8).t()
        self._bias = layer.bias.detach() if layer.bias is not None else weight.new_zeros(len(weight))
        self._steps = 127 if torch.cpu._is_vnni_supported() else 63  # without VNNI two products are summed in 16 bits
        self._scale = largest / (127 * self._steps)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.size(-1))
        largest = rows.abs().amax(1, keepdim=True).clamp_min_(TINY)
        whole = (rows * (self._steps / largest)).round_().to(torch.int8)
        out = torch._int_mm(whole, self._weight) * self._scale
        return torch.addcmul(self._bias, out, largest, out=out).view(*x.shape[:-1], -1)


def quantize(model: M, quantization: str = "float32") -> M:
    """Return the model made ready for translating, in a number format; it shares what it can with the model given.

    A Transformer that translates keeps its cache as `cached.py` does, a recurrent decoder runs step by step.

    Args:
        model: in eval mode, on its device.
        quantization: float32, bfloat16, int8; on a GPU float32, bfloat16 or float16.

    Raises:
        Unavailable: the device, or this build of torch, does not have the format.
    """
    from nlpcli.models.cached import CachedTranslation
    from nlpcli.models.transformer import TransformerTranslation

    device = next(model.parameters()).device.type
    check_quantization(quantization, device)
    kept = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    ready = deepcopy(model, kept)  # the modules are new, their weights are not
    _pack(ready, quantization, device)
    if isinstance(ready, TransformerTranslation):
        return CachedTranslation(ready)  # type: ignore[return-value]
    return ready


def check_quantization(quantization: str, device: str) -> None:
    """Refuse a number format that a device does not have.

    Raises:
        Unavailable: it does not.
    """
    known = ("float32", "bfloat16", "int8") if device == "cpu" else ("float32", "bfloat16", "float16")
    if quantization not in known:
        raise Unavailable(
            f"--quantization {quantization}: PyTorch does not have it on {'a CPU' if device == 'cpu' else 'a GPU'}",
            cause=f"there are {', '.join(known)}",
            fix="choose one of these, or for a Transformer --engine ctranslate2",
        )


def _pack(model: nn.Module, quantization: str, device: str) -> None:
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, pack_linear(child, quantization, device))
    if isinstance(getattr(model, "decoder", None), nn.RNNBase):
        linears = _cells(model.decoder)  # type: ignore[arg-type]
        packed = [tuple(pack_linear(linear, quantization, device) for linear in pair) for pair in linears]
        model.decoder = RecurrentSteps(model.decoder.mode, packed)  # type: ignore[arg-type]


def pack_linear(layer: nn.Linear, quantization: str, device: str) -> nn.Module:
    """Return the layer in a number format; as it is where nothing is gained, or its format is not float32."""
    if layer.weight.dtype != torch.float32:
        return layer
    if device == "cpu" and quantization == "int8":
        return PackedInt8(layer)
    dtype: torch.dtype = getattr(torch, quantization)
    if device == "cpu" and torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return PackedFloat(layer, dtype)
    return layer if quantization == "float32" else CastLinear(layer, dtype)


def _cells(stack: nn.RNNBase) -> list[tuple[nn.Linear, nn.Linear]]:
    """Return the products of each layer: from its input, and from its state."""
    return [(_linear(w_x, b_x), _linear(w_h, b_h)) for w_x, w_h, b_x, b_h in stack.all_weights]


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.size(1), weight.size(0), device="meta")
    layer.weight, layer.bias = nn.Parameter(weight.detach()), nn.Parameter(bias.detach())
    return layer
