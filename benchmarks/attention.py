"""Time attention: our kernel beside torch's function with each of its backends, FlexAttention and variable-length attention.

    python benchmarks/attention.py --out benchmarks/results/attention.json
    python benchmarks/attention.py --smoke --out attention.json            a few tiny problems, on whatever is there

All contenders compute the same problem on the same random data in one process, in turn; medians of their times, useful
TFLOP/s (pairs of real tokens that may see each other: 4·d operations forward, 10·d backward) and peak memory. Before it is
timed, a contender's output and gradients are compared with the reference in float64 on a shorter problem of the same kind, with
outputs allocated on memory filled with NaN. What a contender cannot compute, or computes wrongly, is said, not left out. Then
our kernel is asked a hundred times for the same bits, and a whole step of training follows (`attention_training.py`). Problems
for which no time is left are said to be unmeasured.
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Callable, Iterator

import attention_hopper
import attention_training
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from nlpcli.kernels import reference
from nlpcli.kernels.choose import kernel_fault
from nlpcli.kernels.operator import attention
from nlpcli.kernels.problem import Options, Shape, default_scale

BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
}
CHECKED = 300  # tokens at most of the problem that is compared with float64
ERROR = 2.0  # times that of plain attention in the same type, besides a rounding of the greatest number
RUNS = 100  # that are to give the same bits
OWN = ("kernel", "nlpcli hopper")  # these compute what stands in padding and dropout's mask as the reference does
ROUNDS, LEAST = 7, 0.02  # of which the median is taken; seconds each round lasts at least
LIMIT = 330.0  # seconds after which no further problem is begun, so that there is time for the steps of training


@dataclass(frozen=True)
class Case:
    """One problem: texts of these lengths, padded or packed."""

    name: str
    lengths: tuple[int, ...]
    d: int = 64
    heads: int = 16
    causal: bool = False
    window: int | None = None
    dropout: float = 0.0
    packed: bool = False
    queries: int | None = None  # of a row, if fewer than its keys: decoding

    def pairs(self) -> int:
        """Pairs of tokens that may see each other, over all heads."""
        total = 0
        for n in self.lengths:
            if self.queries is not None:
                total += self.queries * n
            elif self.window is None:
                total += n * (n + 1) // 2 if self.causal else n * n
            else:
                w = min(self.window, n - 1)
                behind = n * (w + 1) - w * (w + 1) // 2
                total += behind if self.causal else 2 * behind - n
        return total * self.heads

    def shorter(self) -> Case:
        """The same kind of problem with texts of at most CHECKED tokens."""
        scale = max(1.0, max(self.lengths) / CHECKED)
        lengths = tuple(max(1, int(n / scale)) for n in self.lengths)
        return Case(**{**self.__dict__, "lengths": lengths, "heads": 2, "window": None if self.window is None else 64})


def cases(smoke: bool) -> Iterator[Case]:
    """Yield what is measured."""
    if smoke:
        yield from (Case("padded", (40, 23), heads=2), Case("causal", (64,), heads=2, causal=True))
        yield from (Case("window", (64,), heads=2, causal=True, window=8), Case("packed", (30, 50), heads=2, packed=True))
        return
    some = tuple(int(1024 * share) for share in (1.0, 0.2, 0.4, 0.3, 0.6, 0.25, 0.5, 0.35)) * 4  # 45 % real tokens
    yield Case("padded, 45 % real, dropout 0.1", some, dropout=0.1)
    yield Case("padded, 45 % real", some)
    for length in (1024, 4096):
        yield Case(f"packed, {length}", tuple(int(length * s) for s in (1.0, 0.5, 0.75, 0.9)) * (16384 // length), packed=True)
    for d, heads in ((64, 32), (128, 16)):
        for length in (512, 2048, 8192, 32768):
            rows = max(1, 16384 // length)
            yield Case(f"d {d} causal {length}", (length,) * rows, d, heads, causal=True)
        yield Case(f"d {d} full 8192", (8192,) * 2, d, heads)
        yield Case(f"d {d} window 1024 of 32768", (32768,), d, heads, causal=True, window=1024)
    yield Case("decode, 5 beams, 8192 keys", (8192,) * 16, 64, 16, queries=5)


def make(case: Case, device: torch.device, dtype: torch.dtype) -> tuple[list[Tensor], Shape, Options]:
    """Return random q, k, v (and the gradient of the output) with what the operator is told; padding holds NaN."""
    made = torch.Generator().manual_seed(1)
    longest, batch = max(case.lengths), len(case.lengths)
    sizes = [(batch, case.queries or longest, case.heads, case.d), *[(batch, longest, case.heads, case.d)] * 2]
    q, k, v = (torch.randn(size, generator=made).to(device, dtype) for size in sizes)
    dout = torch.randn(sizes[0], generator=made).to(device, dtype)
    lengths = torch.tensor(case.lengths, device=device)
    real = torch.arange(longest, device=device) < lengths[:, None]
    seed = torch.tensor([1], device=device)
    options = Options(default_scale(case.d), case.causal, window=case.window, dropout_p=case.dropout, seed=seed)
    if case.packed:
        offsets = F.pad(lengths.cumsum(0), (1, 0))
        return [x[real] for x in (q, k, v, dout)], Shape(q_offsets=offsets, k_offsets=offsets), options
    if real.all():
        return [q, k, v, dout], Shape(), options
    if not case.queries:
        dout[~real] = 0
    for x in (k, v) if case.queries else (q, k, v):
        x[~real] = torch.nan
    return [q, k, v, dout], Shape(None if case.queries else lengths.int(), lengths.int()), options


Run = Callable[[Tensor, Tensor, Tensor], Tensor]


def contenders(case: Case, shape: Shape, options: Options, device: torch.device, dtype: torch.dtype) -> dict[str, Run | str]:
    """Return each contender for a problem, or why it is not one."""
    found: dict[str, Run | str] = {}
    fault = kernel_fault(device, dtype, case.d)
    found["kernel"] = fault or (lambda q, k, v: attention(q, k, v, *shape, *options, "kernel")[0])
    found["nlpcli hopper"] = attention_hopper.excuse(case, device) or partial(
        attention_hopper.run, shape=shape, options=options
    )
    if max(case.lengths) <= CHECKED:
        found["reference"] = lambda q, k, v: attention(q, k, v, *shape, *options, "reference")[0]
    if case.packed:
        found["varlen_attn"] = _varlen(case, shape)
        return found
    mask = _mask(case, shape, device)
    dense = partial(_sdpa, case=case, mask=mask)
    found["sdpa"] = dense
    if device.type == "cuda":
        for name, backend in BACKENDS.items():
            found[f"sdpa, {name}"] = partial(_with_backend, dense, backend)
        found["FlexAttention"] = _flex(case, shape) if not case.dropout else "has no dropout"
    return found


def _mask(case: Case, shape: Shape, device: torch.device) -> Tensor | None:
    longest = max(case.lengths)
    at = torch.arange(longest, device=device)
    allowed = None
    if case.window is not None:
        apart = at - at[:, None]
        allowed = (apart.abs() <= case.window) & ((apart <= 0) | (not case.causal))
    if shape.k_lengths is not None:
        real = (at < shape.k_lengths[:, None])[:, None, None]
        allowed = real if allowed is None else allowed & real
    return allowed


def _sdpa(q: Tensor, k: Tensor, v: Tensor, case: Case, mask: Tensor | None) -> Tensor:
    rows = (x.transpose(1, 2) for x in (q, k, v))
    causal = case.causal and mask is None
    out: Tensor = F.scaled_dot_product_attention(*rows, attn_mask=mask, dropout_p=case.dropout, is_causal=causal)  # type: ignore[misc]
    return out.transpose(1, 2)


def _with_backend(run: Run, backend: SDPBackend, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    with sdpa_kernel(backend):
        return run(q, k, v)


def _varlen(case: Case, shape: Shape) -> Run | str:
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return f"torch {torch.__version__} has none"
    if not torch.cuda.is_available():
        return "is for GPUs"
    assert shape.q_offsets is not None
    offsets, longest = shape.q_offsets.int(), max(case.lengths)
    return lambda q, k, v: varlen_attn(q, k, v, offsets, offsets, longest, longest)  # type: ignore[no-any-return]


def _flex(case: Case, shape: Shape) -> Run:
    from torch.nn.attention.flex_attention import create_block_mask

    def allowed(b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        seen = j >= 0
        if case.causal:
            seen = seen & (j <= i)
        if case.window is not None:
            seen = seen & ((i - j).abs() <= case.window)
        return seen if shape.k_lengths is None else seen & (j < shape.k_lengths[b])

    longest = max(case.lengths)
    blocks = create_block_mask(allowed, len(case.lengths), None, case.queries or longest, longest)

    def run(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out: Tensor = _compiled_flex()(*(x.transpose(1, 2) for x in (q, k, v)), block_mask=blocks)
        return out.transpose(1, 2)

    return run


@cache
def _compiled_flex() -> Any:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)


def check(name: str, case: Case, device: torch.device, dtype: torch.dtype) -> str:
    """Return what is wrong with a contender on a shorter problem; nothing if all is well."""
    case = case.shorter()
    tensors, shape, options = make(case, device, dtype)
    run = contenders(case, shape, options, device, dtype)[name]
    if isinstance(run, str):
        return run
    clean = [x.nan_to_num() for x in tensors] if name not in OWN else tensors
    torch.full((1 << 22,), torch.nan, device=device, dtype=dtype)  # freed at once: what is allocated next lies on NaN
    found = _answers(run, clean, case)
    if case.dropout and name not in OWN:
        return ""  # its own mask: nothing to compare with
    right, plain = (_referred([x.to(t) for x in tensors], shape, options) for t in (torch.float64, dtype))
    for part, x, exact, usual in zip(("output", "gradient of q", "gradient of k", "gradient of v"), found, right, plain):
        error, allowed = ((y.double() - exact).abs().nan_to_num(torch.inf).max().item() for y in (x, usual))
        if error > ERROR * allowed + torch.finfo(dtype).eps * exact.abs().max().item():
            return f"wrong: the {part} is off by {error:.3g}, plain attention's by {allowed:.3g}"
    return ""


def _answers(run: Run, tensors: list[Tensor], case: Case) -> list[Tensor]:
    """Return the output, and, unless it decodes, the gradients; 0 for queries that are padding."""
    *leaves, dout = (x.detach().requires_grad_() for x in tensors)
    if case.queries:
        with torch.no_grad():
            return [run(*leaves)]
    out = run(*leaves)
    found = [out.detach(), *torch.autograd.grad(out, leaves, dout)]
    return [x.masked_fill(_padding(case, x), 0) if number < 2 else x for number, x in enumerate(found)]


def _padding(case: Case, x: Tensor) -> Tensor:
    if case.packed:
        return torch.zeros((), dtype=torch.bool, device=x.device)
    lengths = torch.tensor(case.lengths, device=x.device)
    return (torch.arange(x.size(1), device=x.device) >= lengths[:, None])[..., None, None]


def _referred(tensors: list[Tensor], shape: Shape, options: Options) -> list[Tensor]:
    *inputs, dout = tensors
    out, _ = reference.forward(*inputs, shape, options)  # type: ignore[call-arg]
    return [out, *reference.backward(dout, None, *inputs, shape, options)[:3]]  # type: ignore[call-arg]


def repeat(case: Case, device: torch.device, dtype: torch.dtype) -> str:
    """Return how many runs of our kernel gave the same bits as the first, deterministic as it was asked to be."""
    tensors, shape, options = make(case, device, dtype)
    options = options._replace(deterministic=True)
    tier = "reference" if kernel_fault(device, dtype, case.d) else "kernel"

    def run(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attention(q, k, v, *shape, *options, tier)[0]  # type: ignore[no-any-return]

    first = _answers(run, tensors, case)
    same = sum(all(map(torch.equal, _answers(run, tensors, case), first)) for _ in range(RUNS))
    return f"{same} of {RUNS}, {tier}"


def measure(case: Case, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """Time every contender on one problem, forward and backward, in turn."""
    tensors, shape, options = make(case, device, dtype)
    dout = tensors.pop()
    found: dict[str, Any] = {}
    steps: dict[str, dict[str, Callable[[], Any]]] = {}
    for name, run in contenders(case, shape, options, device, dtype).items():
        try:
            problem = run if isinstance(run, str) else check(name, case, device, dtype)
            if problem or isinstance(run, str):
                found[name] = {"left out": problem}
                continue
            steps[name] = _steps(run, tensors if name in OWN else [x.nan_to_num() for x in tensors], dout, case)
            found[name] = {"memory_mib": _peak(steps[name], device)}
        except Exception as e:  # a contender may refuse a problem in any way
            found[name] = {"left out": f"{type(e).__name__}: {str(e).splitlines()[0][:200]}"}
            steps.pop(name, None)
    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(ROUNDS):
        for name, kinds in steps.items():
            for kind, step in kinds.items():
                times.setdefault((name, kind), []).append(_seconds(step, device))
    operations = {"forward": 4, "both": 14}
    for (name, kind), values in times.items():
        median = statistics.median(values)
        found[name][f"{kind}_ms"] = round(1e3 * median, 4)
        found[name][f"{kind}_tflops"] = round(operations[kind] * case.d * case.pairs() / median / 1e12, 1)
        if case.queries:
            read = 2 * sum(case.lengths) * case.heads * case.d * tensors[0].element_size()
            found[name]["gb_per_second"] = round(read / median / 1e9, 1)
    return found


def _steps(run: Run, tensors: list[Tensor], dout: Tensor, case: Case) -> dict[str, Callable[[], Any]]:
    leaves = [x.detach().requires_grad_() for x in tensors]

    def forward() -> None:
        with torch.no_grad():
            run(*tensors)

    def both() -> None:
        torch.autograd.grad(run(*leaves), leaves, dout)

    return {"forward": forward} if case.queries else {"forward": forward, "both": both}


def _peak(steps: dict[str, Callable[[], Any]], device: torch.device) -> float | None:
    for step in steps.values():  # compiles, too
        step()
    if device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    for step in steps.values():
        step()
    return round((torch.cuda.max_memory_allocated() - before) / 2**20, 1)


def _seconds(step: Callable[[], Any], device: torch.device) -> float:
    """Return the seconds of a step, from enough of them that starting and waiting do not count."""
    wait = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    wait()
    count, started = 0, time.perf_counter()
    while not count or time.perf_counter() - started < LEAST:
        step()
        count += 1
        wait()
    return (time.perf_counter() - started) / count


def copied(device: torch.device) -> float:
    """Return the GB/s of a plain copy, read and written: what decoding is to be compared with."""
    x = torch.ones(1 << (30 if device.type == "cuda" else 22), dtype=torch.uint8, device=device)
    y = torch.empty_like(x)
    seconds = statistics.median(_seconds(lambda: y.copy_(x), device) for _ in range(ROUNDS))
    return round(2 * len(x) / seconds / 1e9, 1)


def main() -> None:
    arguments, device, dtype, result = attention_training.command_line(__doc__)
    result |= {"rounds": ROUNDS, "cases": {}}
    result["copy_gb_per_second"] = copied(device)
    started = time.perf_counter()

    def write() -> None:
        arguments.out.write_text(json.dumps(result, indent=2) + "\n", "utf-8")  # what is known so far, if the time runs out

    for case in cases(arguments.smoke):
        in_time = time.perf_counter() - started < LIMIT
        result["cases"][case.name] = measure(case, device, dtype) if in_time else {"not measured": "no time was left"}
        print(case.name, json.dumps(result["cases"][case.name]), flush=True)
        write()
    result["same_bits"] = {case.name: repeat(case, device, dtype) for case in list(cases(arguments.smoke))[:4]}
    print("same bits", json.dumps(result["same_bits"]), flush=True)
    write()
    result["training"] = attention_training.measure_all(device, dtype, arguments.smoke)
    write()


if __name__ == "__main__":
    main()
