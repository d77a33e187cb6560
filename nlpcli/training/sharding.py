"""One model spread over several processes: each holds a part of every weight, of its gradient and of the optimiser's state.

Zhao et al. 2023 (FSDP), by torch's `fully_shard`. A layer's weights are put together just before it computes and let go
after. What is read or written outside of a step (validation, checkpoints) is put together first, and all processes take
part in that.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import Any, Iterator, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from nlpcli.models.base import Model
from nlpcli.models.blocks import CrossAttention, Layer

Value = TypeVar("Value")


def shard(model: Model, mesh: DeviceMesh) -> None:
    """Spread a model over the processes of `mesh`, in place: a Transformer's layers one by one, all else as a whole."""
    warnings.filterwarnings("ignore", "FSDP2-wrapped module")  # against computing in place on what a layer returns
    for module in model.modules():
        if isinstance(module, CrossAttention):  # its keys and values are computed before the layer is
            fully_shard(module.kv, mesh=mesh)
    for module in list(model.modules()):
        if isinstance(module, Layer):
            fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh, reshard_after_forward=False)


@contextmanager
def whole(model: nn.Module) -> Iterator[None]:
    """Give every process the whole model for as long as the context lasts; all of them must enter it.

    Any process may then compute alone. A model that is not spread is left as it is.
    """
    units = [module for module in model.modules() if isinstance(module, FSDPModule)]
    for unit in units:
        unit.set_reshard_after_forward(False, recurse=False)
        unit.unshard()
    try:
        yield
    finally:
        for unit in units:
            unit.reshard()
            unit.set_reshard_after_forward(unit is not model, recurse=False)


def put_together(value: Value) -> Value:
    """Return a nested value with every tensor that is spread replaced by the whole of it; all processes must call it."""
    found: Any = value
    if isinstance(value, DTensor):
        found = value.full_tensor()
    elif isinstance(value, dict):
        found = {key: put_together(item) for key, item in value.items()}
    elif isinstance(value, list):
        found = [put_together(item) for item in value]
    return found  # type: ignore[no-any-return]


def spread(wholes: dict[Any, Tensor], own: dict[Any, Tensor]) -> dict[Any, Tensor]:
    """Return of each whole tensor this process's part, where the tensor of that name in `own` is spread."""
    return {name: part_of(tensor, own[name]) if name in own else tensor for name, tensor in wholes.items()}


def part_of(tensor: Tensor, own: Tensor) -> Tensor:
    """Return this process's part of a whole tensor as it has one of `own`; the tensor itself if that is not spread."""
    if not isinstance(own, DTensor) or tensor.shape != own.shape:
        return tensor
    # every process has read the whole from the same file: nothing needs to be sent
    return distribute_tensor(tensor.to(own.device), own.device_mesh, own.placements, src_data_rank=None)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load an optimiser's state that was put together into one whose weights may be spread."""
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    parts = {i: {key: part_of(x, weights[i]) for key, x in entry.items()} for i, entry in state["state"].items()}
    optimizer.load_state_dict({**state, "state": parts})
