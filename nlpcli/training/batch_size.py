"""`--batch-tokens auto`: as many tokens a batch as memory holds and speed still gains from."""

from __future__ import annotations

import os
import time
from typing import Any, Callable

import torch

from nlpcli import console
from nlpcli.environment import peak_memory_bytes
from nlpcli.training.checkpoint import random_state, set_random_state
from nlpcli.training.gradients import out_of_memory
from nlpcli.training.loop import Trainer

SMALLEST, LARGEST = 1024, 131_072  # tokens
WORTH = 1.1  # times the speed of half as many tokens, to go on doubling
MEMORY = 0.7  # share of the memory that is free at first, which a step may take
TRIALS = 3  # batches, the one with the most padded tokens among them


def find_batch_tokens(make: Callable[[int], Trainer]) -> int:
    """Try 1,024 tokens a batch, then ever twice as many, each for a few batches without changing a weight.

    It ends where memory does (the device's, or what the machine has free), or where twice the tokens are not 1.1 times as
    fast. Larger batches mean fewer steps an epoch, so speed that is not gained is not paid for.
    """
    best, before, tokens = SMALLEST, 0.0, SMALLEST
    while tokens <= LARGEST:
        random = random_state()
        tried = _try(make(tokens))
        set_random_state(random)
        if tried is None:
            break
        speed, share = tried
        console.detail(f"batch of {tokens:,} tokens: {speed:,.0f} targets/s, {100 * share:.0f}% of free memory")
        if share > MEMORY or speed < WORTH * before:
            break
        best, before, tokens = tokens, speed, 2 * tokens
    console.info(f"batch tokens: {best:,}")
    return best


def _try(trainer: Trainer) -> tuple[float, float] | None:
    """Return real targets a second and the share of free memory taken; None when memory ran out."""
    device = trainer.fabric.device
    batches = _batches(trainer)
    free, used = _free_memory(device), _used_memory(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    count, started, peak = 0, time.monotonic(), used
    trainer.model.train()
    try:
        for i, batch in enumerate(batches):
            trainer.gradients.add_once([batch], 0.0)
            peak = max(peak, _used_memory(device))
            if i:
                count += batch.count
            else:  # the first one warms up
                started = time.monotonic()
    except RuntimeError as e:
        if not out_of_memory(e):
            raise
        return None
    finally:
        trainer.optimizer.zero_grad()
    return count / max(time.monotonic() - started, 1e-9), (peak - used) / max(free, 1)


def _batches(trainer: Trainer) -> list[Any]:
    epoch = trainer.batches.epoch(0)
    loaded = [trainer.batches.load(rows) for rows in epoch[: 4 * TRIALS]]
    largest = max(loaded, key=lambda batch: batch[0].numel())
    return [largest, largest, *loaded[:TRIALS]]


def _free_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") - peak_memory_bytes()


def _used_memory(device: torch.device) -> int:
    """Return the most memory that was in use until now; it grows with ever larger batches, and that is what is looked for."""
    return int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else peak_memory_bytes()
