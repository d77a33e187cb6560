"""`nlpcli doctor`: what this machine has, what nlpcli would choose on it and why, and whether its own parts work here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import torch

from nlpcli.devices import pick_device, pick_precision
from nlpcli.environment import environment
from nlpcli.kernels.choose import Choice, choose
from nlpcli.kernels.problem import Options, Shape, default_scale

EXTRAS = {  # modules that are of use where they are installed
    "kiwipiepy": ("Korean morphemes: --pretokenizer kiwi", "nlpcli[ko]"),
    "ray": ("work on many machines: --cluster", "nlpcli[cluster]"),
    "matplotlib": ("plots as PNG and PDF", "nlpcli[plot]"),
    "mecab_ko": ("BLEU of Korean by words", "sacrebleu[ko]"),
}
HEAD_SIZE = 64


@dataclass(frozen=True)
class Diagnosis:
    """What was found; `attention` says by case which tier computes it and why, `missing` what could be installed."""

    environment: dict[str, str]
    processor: dict[str, str]
    gpus: list[str]
    device: str
    precision: str
    attention: dict[str, str]
    missing: dict[str, str]


def doctor(*, device: Literal["auto", "cpu", "cuda"] = "auto") -> Diagnosis:
    """Look at the machine; on a GPU also compile the attention kernel and test it against the reference.

    Raises:
        Unavailable: this device is not there.
    """
    found = pick_device(device)
    precision = pick_precision("auto", found)
    has = torch.cpu.get_capabilities()
    formats = ", ".join(name for name in ("avx2", "avx512", "avx512_bf16", "amx_bf16") if has.get(name)) or "none of note"
    return Diagnosis(
        environment=environment(),
        processor={"cores": str(os.cpu_count()), "threads": str(torch.get_num_threads()), "instructions": formats},
        gpus=[_gpu(i) for i in range(torch.cuda.device_count())],
        device=found,
        precision=precision,
        attention={case: f"{choice.tier}: {choice.why}" for case, choice in _attention(found, precision).items()},
        missing={name: f"{use}: pip install '{package}'" for name, (use, package) in EXTRAS.items() if not find_spec(name)},
    )


def _gpu(number: int) -> str:
    properties = torch.cuda.get_device_properties(number)
    memory = f"{properties.total_memory / 2**30:.0f} GiB"
    return f"{properties.name}, {memory}, compute capability {properties.major}.{properties.minor}"


def _attention(device: str, precision: str) -> dict[str, Choice]:
    dtype = {"bf16": torch.bfloat16, "16": torch.float16, "32": torch.float32}[precision]
    lengths = torch.empty(2, dtype=torch.int32, device=device)
    plain, padded = Options(default_scale(HEAD_SIZE)), Shape(lengths, lengths)
    cases: dict[str, tuple[int, Shape, Options]] = {
        "sentences, padded": (64, padded, plain),
        "1,024 tokens, padded": (1024, padded, plain),
        "16,384 tokens, causal": (16_384, Shape(), plain._replace(causal=True)),
        "16,384 tokens, a window of 512": (16_384, Shape(), plain._replace(window=512)),
    }
    q = torch.empty(2, 1, 1, HEAD_SIZE, dtype=dtype, device=device)
    return {case: choose(q, keys, shape, options) for case, (keys, shape, options) in cases.items()}
