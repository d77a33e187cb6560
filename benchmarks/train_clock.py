"""The one clock of `train.py`: it hears of the end of each step and of the target tokens of its batches."""

from __future__ import annotations

import resource
import time
from typing import Any, Callable


class Done(BaseException):
    """The last measured step is made; no tool catches it as an error."""


class Clock:
    """Counts real target tokens and the time of `steps` steps after `warmup` others."""

    def __init__(self, warmup: int, steps: int) -> None:
        self.warmup, self.steps = warmup, steps
        self.waiting = self.parameters = 0
        self.tokens: list[int] = []
        self.ends: list[float] = []

    def count(self, tokens: int) -> None:
        """Take note of the target tokens of a batch."""
        self.waiting += tokens

    def step(self, parameters: Any) -> None:
        """Take note of the end of a step; raise `Done` after the last one."""
        self.ends.append(time.perf_counter())
        self.tokens.append(self.waiting)
        self.waiting = 0
        if len(self.ends) == self.warmup + self.steps:
            self.parameters = sum(p.numel() for p in parameters)
            raise Done

    def watch(self) -> None:
        """Hear of the steps of every torch optimiser of this process."""
        from torch.optim.optimizer import register_optimizer_step_post_hook

        def after(optimizer: Any, *_: Any) -> None:
            self.step(p for group in optimizer.param_groups for p in group["params"])

        register_optimizer_step_post_hook(after)

    def result(self) -> dict[str, Any]:
        """Return what was measured, with the largest resident set of this process."""
        import torch

        assert len(self.ends) == self.warmup + self.steps, "the tool ended before the clock did"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            "tokens": sum(self.tokens[self.warmup :]),
            "seconds": self.ends[-1] - self.ends[self.warmup - 1],
            "peak_mib": round(peak / 1024),
            "parameters": self.parameters,
            "threads": torch.get_num_threads(),
        }


def counted(clock: Clock, owner: Any, name: str, tokens: Callable[[Any, tuple[Any, ...]], int]) -> None:
    """Let the clock count what `tokens(returned, arguments)` says after each call of a method."""
    method = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        returned = method(*arguments, **named)
        clock.count(tokens(returned, arguments))
        return returned

    setattr(owner, name, wrapped)
