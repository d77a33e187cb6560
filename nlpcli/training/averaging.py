"""Averages of weights: a moving one during training, and the mean of several checkpoints."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Iterator, Mapping

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from nlpcli.errors import ArtifactError, first_five
from nlpcli.training.sharding import part_of


class Ema:
    """An exponential moving average of a model's parameters (Polyak & Juditsky 1992); buffers are not averaged.

    The n-th update (from 0) keeps min(`decay`, (1 + n) / (10 + n)) of the average, so that the first, bad weights are
    soon forgotten. It takes as much memory as the parameters, and as much again within `applied`.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.weights = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the parameters after an optimiser step."""
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(list(self.weights.values()), [p.detach() for p in model.parameters()], 1 - keep)
        self.updates += 1

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Give the model the averaged weights for as long as the context lasts, then its own back, to the last bit."""
        parameters: list[Tensor] = list(model.parameters())
        own = [p.detach().clone() for p in parameters]
        _copy(parameters, list(self.weights.values()))  # values, not pointers: cuDNN keeps recurrent weights in one block
        try:
            yield
        finally:
            _copy(parameters, own)

    def state_dict(self) -> dict[str, Any]:
        """Return the average as tensors and plain values."""
        return {"updates": self.updates, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned, for the same model and on the device of this one.

        Raises:
            ArtifactError: the state is of a model with other parameters.
        """
        fix = "start anew with --force"
        same_shapes("the moving average", "the model", shapes(state["weights"]), shapes(self.weights), fix)
        self.updates = state["updates"]
        for name, weight in self.weights.items():
            weight.copy_(part_of(state["weights"][name], weight))


@torch.no_grad()
def _copy(targets: list[Tensor], sources: list[Tensor]) -> None:
    for target, source in zip(targets, sources):  # no foreach: it does not know tensors spread over processes
        target.copy_(source)


def average(paths: list[Path]) -> dict[str, Tensor]:
    """Return the mean of the weights in several safetensors files (Vaswani et al. 2017, §6.1), in their own type.

    One tensor at a time is added up, in float64, so memory holds the result and little else.

    Args:
        paths: at least one file; all with the same names, shapes and types.

    Raises:
        ArtifactError: a file cannot be read, or differs from the first.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(_opened(path)) for path in paths]
        first = _header(files[0])
        for path, file in zip(paths[1:], files[1:]):
            same_shapes(str(path), str(paths[0]), _header(file), first, "average checkpoints of one and the same run")
        return {name: _mean(files, name) for name in first}


def _mean(files: list[Any], name: str) -> Tensor:
    tensor: Tensor = files[0].get_tensor(name)
    total = tensor.double()
    for file in files[1:]:
        total += file.get_tensor(name)
    return (total / len(files)).to(tensor.dtype)


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (OSError, SafetensorError) as e:
        raise ArtifactError(
            f"{path} cannot be read", cause=f"{type(e).__name__}: {e}"[:300], fix="train again, or leave the file out"
        ) from None


def shapes_in(path: Path) -> dict[str, str]:
    """Return the shape of each weight in a safetensors file, as `shapes` does, without reading them.

    Raises:
        ArtifactError: the file cannot be read.
    """
    with _opened(path) as file:
        return {name: str(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no dictionary


def _header(file: Any) -> dict[str, str]:
    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - no dictionary
    return {name: f"{list(s.get_shape())} {s.get_dtype()}" for name, s in slices.items()}


def shapes(weights: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the shape of each of some weights, in words."""
    return {name: str(list(weight.shape)) for name, weight in weights.items()}


def same_shapes(what: str, other: str, found: dict[str, str], wanted: dict[str, str], fix: str) -> None:
    """Compare the names and shapes of two models' weights.

    Raises:
        ArtifactError: they differ; it names the first five.
    """
    differing = [
        f"{name} is {found.get(name, 'missing')}, not {wanted.get(name, 'there')}"
        for name in sorted(found | wanted)
        if found.get(name) != wanted.get(name)
    ]
    if differing:
        raise ArtifactError(
            f"the weights of {what} do not fit those of {other}",
            cause=first_five(differing),
            fix=fix,
        )
