"""Where the time of nlpcli's training steps goes, for `train.py --profile`.

Kinds of operation are told by torch's names for them and for what stands around them: the loss is computed in one
function of its own (`_FusedLoss`), whose products count as products and all else as loss. Times are those of the thread
that trains; on several cores an operation counts as long as it runs, not once a core.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any, Callable

import torch
from torch.profiler import ProfilerActivity, profile, record_function

PROFILED = 10  # steps at most: the profiler keeps every operation
SIDE = 2048  # of the square product that shows what the machine can do
PRODUCTS = ("aten::addmm", "aten::mm", "aten::linear", "mkldnn", "aten::lstm", "aten::gru", "aten::rnn", "mkl::", "onednn")
COPIES = ("copy_", "_to_copy", "clone", "contiguous", "cat", "stack", "index", "gather", "scatter", "fill_", "zero_", "select")
KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (  # the first that matches the operation or what it is part of
    ("optimiser", ("Optimizer.", "_foreach", "_fused_adam", "linalg_vector_norm", "clip_grad")),
    ("dropout", ("dropout", "Dropout", "bernoulli", "keep_factors", "addcmul")),
    ("attention products", ("aten::bmm", "aten::baddbmm", "scaled_dot_product")),
    ("softmax", ("softmax",)),
    ("norms", ("layer_norm", "rms_norm", "LayerNorm")),
    ("embeddings", ("embedding",)),
)


def kind_of(name: str, around: list[str]) -> str:
    """Return the kind of an operation of torch; `around` are the names of those it is part of, innermost first."""
    product = any(part in name for part in PRODUCTS)
    if any("FusedLoss" in outer for outer in [name, *around]):
        return "products of the output layer" if product else "loss, elementwise"
    if product and not any("Optimizer." in outer for outer in around):
        return "products of the layers"
    for kind, parts in KINDS:
        if any(part in inner for inner in [name, *around] for part in parts):
            return kind
    return "copies" if any(part in name for part in COPIES) else "rest"


def shares(profiler: Any) -> tuple[dict[str, float], dict[str, float]]:
    """Return seconds by kind, and by name of those in `rest` that take longest."""
    seconds: Counter[str] = Counter()
    rest: Counter[str] = Counter()
    for event in profiler.events():
        around, outer = [], event.cpu_parent
        while outer is not None:
            around.append(outer.name)
            outer = outer.cpu_parent
        kind = kind_of(event.name, around)
        seconds[kind] += event.self_cpu_time_total / 1e6
        if kind == "rest":
            rest[event.name] += event.self_cpu_time_total / 1e6
    return dict(seconds), dict(rest.most_common(12))


def weights_read(model: Any) -> tuple[int, int]:
    """Return the weights in products a source token and a target token goes through."""
    src = tgt = 0
    for name, p in model.named_parameters():
        if p.ndim < 2 or "embed" in name or name == "output.weight":
            continue
        of_source = name.startswith("encoder.") or "attention.key" in name or "cross_attention.kv" in name
        src, tgt = (src + p.numel(), tgt) if of_source else (src, tgt + p.numel())
    return src, tgt + model.output.weight.numel()


def limit(precision: str, repeat: int = 20) -> float:
    """Return the GFLOP/s of a square product in this number format: the best of `repeat`."""
    a, b = (torch.randn(SIDE, SIDE, dtype=torch.bfloat16 if precision == "bf16" else torch.float32) for _ in range(2))
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - started)
    return 2 * SIDE**3 / min(times) / 1e9


def profile_training(job: dict[str, Any], make_trainer: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Time `steps` steps after `warmup` others, then profile some more; return shares and GFLOP/s.

    FLOPs are 6 for each weight that a real token goes through (2 forward, 4 backward): padding, attention scores and
    all that is elementwise are not in it.
    """
    from nlpcli.training.loop import Step

    warmup, steps = job["warmup"], job["steps"]
    profiled = min(PROFILED, steps)
    top = limit(job["precision"])
    trainer, _ = make_trainer({**job, "settings": {**job.get("settings", {}), "max_steps": warmup + steps + profiled + 1}})
    _name_dropout()
    seen = _watch_sources(trainer)
    profiler = profile(activities=[ProfilerActivity.CPU])
    for event in trainer.run():
        if not isinstance(event, Step):
            continue
        if event.step == warmup:
            began, before = event.seconds, (seen["src"], trainer.progress.count)
        elif event.step == warmup + steps:
            seconds, src, tgt = event.seconds - began, seen["src"] - before[0], trainer.progress.count - before[1]
            started = (seen["src"], trainer.progress.count, event.seconds)
            profiler.start()
        elif event.step == warmup + steps + profiled:
            whole = event.seconds - started[2]
            profiler.stop()
            break
    a_source, a_target = weights_read(trainer.model)
    flops = 6 * (a_source * src + a_target * tgt)
    profiled_flops = 6 * (a_source * (seen["src"] - started[0]) + a_target * (trainer.progress.count - started[1]))
    by_kind, rest = shares(profiler)
    by_kind["between operations"] = max(0.0, whole - sum(by_kind.values()))  # Python, and the profiler itself
    total = sum(by_kind.values())
    products = sum(s for kind, s in by_kind.items() if kind.startswith("products"))
    return {
        "share_of_time": {kind: round(s / total, 4) for kind, s in sorted(by_kind.items(), key=lambda item: -item[1])},
        "largest_of_rest": {name: round(s / total, 4) for name, s in rest.items()},
        "milliseconds_a_step": round(1000 * seconds / steps, 1),
        "profiled_milliseconds_a_step": round(1000 * total / profiled, 1),
        "target_tokens_per_second": round(tgt / seconds),
        "weights_a_source_token": a_source,
        "weights_a_target_token": a_target,
        "gflop_a_step": round(flops / steps / 1e9, 2),
        "gflops": round(flops / seconds / 1e9, 1),
        "gflops_within_products": round(profiled_flops / products / 1e9, 1),
        "gflops_of_a_square_product": round(top, 1),
        "share_of_the_limit": round(flops / seconds / 1e9 / top, 3),
    }


def _name_dropout() -> None:
    """Let the profiler see the random numbers of dropout, which numpy draws."""
    from nlpcli.kernels import dropout

    draw = dropout.keep_factors

    def named(*arguments: Any) -> Any:
        with record_function("keep_factors"):
            return draw(*arguments)

    dropout.keep_factors = named


def _watch_sources(trainer: Any) -> dict[str, int]:
    """Count the real source tokens of the batches as they are computed; the loop itself counts targets alone."""
    seen = {"src": 0}

    def before(_: Any, arguments: tuple[Any, ...]) -> None:
        seen["src"] += int(arguments[0].src_lengths_b.sum())

    trainer.model.register_forward_pre_hook(before)
    return seen
