"""Time one training step of a document Transformer by what computes its attention, for attention.py. As a program: that alone.

python benchmarks/attention_training.py --out FILE [--smoke]

An encoder and decoder of the base size (Vaswani et al. 2017) reads and writes random documents. A step is what `nlpcli train`
does: the loss in mixed precision, gradients, clipping, AdamW. All contenders have the same weights and take turns; before that
their losses on a shorter batch are compared with the reference's. `sdpa` gets padded rows and a mask of their padding, as
torch takes them. Tokens are real target tokens; peak memory is a contender's own, weights and optimiser included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import replace
from torch import nn

from nlpcli.kernels.choose import Wanted, hopper_fault, is_hopper, kernel_fault
from nlpcli.models.base import Objective
from nlpcli.models.config import TransformerConfig
from nlpcli.models.load import build_model
from nlpcli.tokenization.batches import Batch, pad
from nlpcli.tokenization.tokenizer import BOS, EOS
from nlpcli.training.optimisation import make_optimizer
from nlpcli.training.settings import TrainSettings

VOCABULARY, MARKS = 8000, 4  # pieces, of which the first are no words
SHORTER = 32  # times, for comparing losses
ERROR = 0.005  # of the reference's loss, in bf16
WARMUP, ROUNDS = 1, 5
BASE = TransformerConfig(d_model=512, d_ff=2048, num_heads=8, encoder_layers=6, decoder_layers=6, positions="rotary")
SMALL = TransformerConfig(d_model=32, d_ff=64, num_heads=2, encoder_layers=1, decoder_layers=1, positions="rotary")


@dataclass(frozen=True)
class Documents:
    """A batch of documents of these tokens, as long in translation."""

    lengths: tuple[int, ...]
    attention_dropout: float = 0.0


CASES = {
    "a document of 16384 tokens, attention dropout 0.1": Documents((16384,), 0.1),
    "four documents, 45 % of 65536 tokens real, attention dropout 0.1": Documents((16384, 3277, 6554, 3277), 0.1),
    "a document of 16384 tokens": Documents((16384,)),
}
SMOKE = {"two documents": Documents((40, 23), 0.1)}


class Contender:
    """A model in training whose attention one tier computes."""

    def __init__(self, tier: Wanted, config: TransformerConfig, device: torch.device, dtype: torch.dtype) -> None:
        torch.manual_seed(1)
        self.device, self.dtype = device, dtype
        self.model: Any = build_model("transformer", config, "translation", VOCABULARY, VOCABULARY).to(device)
        self.model.use_attention(tier)
        self.optimizer = make_optimizer(self.model, TrainSettings())

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the mean loss of a real target token."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.model(batch, Objective(label_smoothing=0.1)) / batch.count  # type: ignore[no-any-return]

    def step(self, batch: Batch) -> None:
        """Train one step."""
        self.loss(batch).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def loss_without_dropout(self, batch: Batch) -> float:
        with torch.no_grad():
            found = float(self.model.eval() and self.loss(batch))
        self.model.train()
        return found


def batch_of(lengths: tuple[int, ...], device: torch.device) -> Batch:
    """Return random documents and their translations."""
    made = torch.Generator().manual_seed(1)

    def rows() -> list[list[int]]:
        return [torch.randint(MARKS, VOCABULARY, (n - 1,), generator=made).tolist() for n in lengths]

    src, lengths_b = pad([[*row, EOS] for row in rows()])
    tgt = rows()
    return Batch(src, lengths_b, pad([[BOS, *row] for row in tgt])[0], pad([[*row, EOS] for row in tgt])[0]).to(device)


def fault(tier: Wanted, device: torch.device, dtype: torch.dtype, head_size: int) -> str:
    """Return why a tier would not compute, but another in its place; nothing if it would."""
    if tier not in ("kernel", "hopper"):
        return ""
    why = kernel_fault(device, dtype, head_size)
    if tier == "hopper" and not why:
        why = hopper_fault(device, dtype, head_size) if is_hopper(device) else "is for Hopper GPUs"
    return why


def measure(documents: Documents, device: torch.device, dtype: torch.dtype, config: TransformerConfig) -> dict[str, Any]:
    """Time a step of every tier, in turn."""
    tiers: list[Wanted] = ["sdpa", "kernel", *([] if documents.attention_dropout else ["hopper"])]  # type: ignore[list-item]
    if device.type == "cpu":
        tiers = ["sdpa", "reference"]
    config = replace(config, attention_dropout=documents.attention_dropout)
    batch = batch_of(documents.lengths, device)
    shorter = batch_of(tuple(max(2, n // SHORTER) for n in documents.lengths), device)
    expected = Contender("reference", config, device, dtype).loss_without_dropout(shorter)
    found: dict[str, Any] = {}
    contenders: dict[str, Contender] = {}
    for tier in tiers:
        try:
            contender, peak = _warmed_up(tier, config, device, dtype, shorter, batch, expected)
            contenders[tier], found[tier] = contender, {"peak_mib": peak}
        except Exception as e:  # above all memory that runs out
            found[tier] = {"left out": f"{type(e).__name__}: {str(e).splitlines()[0][:200]}"}
    seconds: dict[str, list[float]] = {tier: [] for tier in contenders}
    for _ in range(ROUNDS):
        for tier, contender in contenders.items():
            seconds[tier].append(_seconds(contender, batch))
    for tier, values in seconds.items():
        median = statistics.median(values)
        found[tier] |= {"step_ms": round(1e3 * median, 1), "tokens_per_second": round(batch.count / median, 1)}
        if why := fault(tier, device, dtype, config.d_model // config.num_heads):  # type: ignore[arg-type]
            found[tier] = {"left out": why}  # it was given up on the way
    return {"target_tokens": batch.count, **_beside_sdpa(found)}


def _warmed_up(
    tier: Wanted,
    config: TransformerConfig,
    device: torch.device,
    dtype: torch.dtype,
    shorter: Batch,
    batch: Batch,
    expected: float,
) -> tuple[Contender, float | None]:
    """Return a contender after its first steps, and its peak of memory."""
    if why := fault(tier, device, dtype, config.d_model // config.num_heads):
        raise ValueError(why)
    before = 0
    if device.type == "cuda":
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated()
    contender = Contender(tier, config, device, dtype)
    loss = contender.loss_without_dropout(shorter)
    if not abs(loss / expected - 1) <= ERROR:
        raise ValueError(f"wrong: a loss of {loss:.4f} where the reference has {expected:.4f}")
    for _ in range(WARMUP):
        contender.step(batch)  # compiles, and makes the optimiser's state
    if device.type != "cuda":
        return contender, None
    torch.cuda.reset_peak_memory_stats()
    contender.step(batch)
    return contender, round((torch.cuda.max_memory_allocated() - before) / 2**20, 1)


def _seconds(contender: Contender, batch: Batch) -> float:
    wait = torch.cuda.synchronize if contender.device.type == "cuda" else (lambda: None)
    wait()
    started = time.perf_counter()
    contender.step(batch)
    wait()
    return time.perf_counter() - started


def _beside_sdpa(found: dict[str, Any]) -> dict[str, Any]:
    base = found["sdpa"]
    for tier, row in found.items():
        if tier != "sdpa" and "step_ms" in row and "step_ms" in base:
            row["times_as_fast_as_sdpa"] = round(base["step_ms"] / row["step_ms"], 2)
            if row["peak_mib"]:
                row["memory_of_sdpa"] = round(row["peak_mib"] / base["peak_mib"], 2)
    return found


def measure_all(device: torch.device, dtype: torch.dtype, smoke: bool) -> dict[str, Any]:
    """Measure all cases; print each."""
    found = {}
    for name, documents in (SMOKE if smoke else CASES).items():
        found[name] = measure(documents, device, dtype, SMALL if smoke else BASE)
        print(name, json.dumps(found[name]), flush=True)
    return found


def command_line(doc: str | None) -> tuple[argparse.Namespace, torch.device, torch.dtype, dict[str, Any]]:
    """Return the arguments, the device and type that are measured, and what a result says of them."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    return parser.parse_args(), device, dtype, {"device": name, "torch": torch.__version__, "type": str(dtype)}


def main() -> None:
    arguments, device, dtype, result = command_line(__doc__)
    result |= {"rounds": ROUNDS, "training": measure_all(device, dtype, arguments.smoke)}
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
