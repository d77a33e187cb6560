"""The gradients of one step: of several batches, of this process's rows, in as many pieces as memory asks for."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Iterator

import torch
from lightning_fabric import Fabric

from nlpcli import console
from nlpcli.errors import RunFailed
from nlpcli.models.base import LanguageModel, Model, Objective
from nlpcli.training.checkpoint import random_state, set_random_state
from nlpcli.training.optimisation import teacher_forcing
from nlpcli.training.settings import TrainSettings


@dataclass
class Gradients:
    """Computes a step's gradients, and keeps what a process has for itself.

    Args:
        wrapped: the model as `fabric.setup_module` returned it.
        pieces: into how many parts a batch is cut so that it fits into memory.
        carried: the state of a recurrent language model after the last batch, of each piece.
    """

    fabric: Fabric
    model: Model
    wrapped: Any
    settings: TrainSettings
    pieces: int = 1
    carried: list[dict[str, torch.Tensor]] = field(default_factory=list)
    together: bool = field(default=False, init=False)  # whether processes compute something that needs all of them

    def state(self) -> dict[str, Any]:
        """Return what no two processes have in common, torch's generators among it."""
        carried = [{name: x.cpu() for name, x in piece.items()} for piece in self.carried]
        return {"carried": carried, "pieces": self.pieces, "random": random_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state()` returned."""
        self.carried, self.pieces = state["carried"], state["pieces"]
        set_random_state(state["random"])

    def add(self, batches: list[Any], share: float) -> float:
        """Add up the gradients of the mean loss over all real targets of some batches; return that loss.

        Out of memory cuts the batches into twice as many pieces, from now on, and tries again with the same draws.

        Args:
            share: of the run's budget used up, for scheduled sampling.

        Raises:
            RunFailed: out of memory, and nothing left to cut.
        """
        before, carried = random_state(), list(self.carried)
        while True:
            try:
                return self.add_once(batches, share)
            except RuntimeError as e:
                if not out_of_memory(e):
                    raise
                self._refuse_smaller(e, batches)
            self.model.zero_grad()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            set_random_state(before)
            self.carried = carried = halved(carried)
            self.pieces *= 2
            console.warn(f"out of memory: from now on a batch is computed in {self.pieces} pieces, with the same result")

    def _refuse_smaller(self, e: RuntimeError, batches: list[Any]) -> None:
        cause = str(e).split("\n")[0][:200]
        if self.together:  # the others are in the midst of the same sum
            raise RunFailed("out of memory", cause=cause, fix="lower --batch-tokens, or choose a smaller --preset") from None
        if self.pieces >= max(len(batch[0]) for batch in batches):
            fix = "lower --max-length or --context-length, or choose a smaller --preset"
            raise RunFailed("out of memory, even for one row at a time", cause=cause, fix=fix) from None

    def add_once(self, batches: list[Any], share: float) -> float:
        """Do the same without another try.

        Raises:
            RuntimeError: out of memory (see `out_of_memory`), or any other fault.
        """
        s, fabric = self.settings, self.fabric
        objective = Objective(
            s.label_smoothing, s.r_drop, s.word_dropout, teacher_forcing(s, share), s.guided_alignment, s.coverage_loss
        )
        ranks, count = fabric.world_size, sum(batch.count for batch in batches)
        parts = [part for batch in batches for part in self.cut(batch)]
        total = torch.zeros((), device=fabric.device)
        for i, (part, weight) in enumerate(parts):
            self._put_back(i % self.pieces)
            last = i == len(parts) - 1
            self.together = s.shard
            with fabric.no_backward_sync(self.wrapped, enabled=not last) if ranks > 1 else nullcontext():
                loss = self.wrapped(part.to(fabric.device), objective) * weight
                self.together = self.together or (last and ranks > 1)
                fabric.backward(loss * (ranks / count))  # processes average their gradients
            total += loss.detach()
            self._keep(i % self.pieces)
        self.together = False
        if ranks > 1:
            total = fabric.all_reduce(total, reduce_op="sum")  # type: ignore[assignment]
        mean: float = float(total) / count
        return mean

    def cut(self, batch: Any) -> Iterator[tuple[Any, float]]:
        """Cut a batch by rows, for this process and for memory; yield each part with the weight of its loss.

        The rows of a process do not depend on how many pieces it needs. If none is left for a piece it computes the first one
        without weight, as all processes must take part in every step.
        """
        ranks, pieces = self.fabric.world_size, self.pieces
        for i in range(pieces):
            first = self.fabric.global_rank + i * ranks
            left = first < len(batch[0])
            yield rows_of(batch, slice(first, None, ranks * pieces) if left else slice(0, 1)), float(left)

    def _put_back(self, piece: int) -> None:
        if isinstance(self.model, LanguageModel) and self.carried:
            self.model.carry(self.carried[piece])

    def _keep(self, piece: int) -> None:
        if isinstance(self.model, LanguageModel) and (state := self.model.carried()):
            if len(self.carried) != self.pieces:
                self.carried = [{} for _ in range(self.pieces)]
            self.carried[piece] = state


def rows_of(batch: Any, rows: slice) -> Any:
    """Return some rows of a batch: of each tensor in it."""
    return type(batch)(*(x[rows] if isinstance(x, torch.Tensor) else x for x in batch))


def halved(carried: list[dict[str, torch.Tensor]]) -> list[dict[str, torch.Tensor]]:
    """Cut the carried state of each piece in two, as `Gradients.cut` cuts the rows: first all even ones, then all odd."""
    return [{name: x[odd::2] for name, x in piece.items()} for odd in (0, 1) for piece in carried]


def out_of_memory(e: BaseException) -> bool:
    """Tell whether torch could not get memory, on a GPU or on the CPU."""
    return isinstance(e, torch.OutOfMemoryError) or "DefaultCPUAllocator: can't allocate memory" in str(e)
