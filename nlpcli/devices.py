"""Which device and which number format to compute with: one place chooses, and says so."""

from __future__ import annotations

import torch

from nlpcli.errors import Unavailable, UsageError


def pick_device(device: str) -> str:
    """Return `cpu` or `cuda` for auto, cpu or cuda.

    Raises:
        Unavailable: cuda was asked for and torch sees none.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {device}: unknown device", fix="choose auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise Unavailable(
            "--device cuda: no CUDA device is available",
            cause="torch was built for the CPU" if torch.version.cuda is None else "torch sees no GPU (nvidia-smi)",
            fix="use --device cpu, or install a CUDA build of torch on a machine with an NVIDIA GPU",
        )
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def pick_precision(precision: str, device: str) -> str:
    """Return `32`, `bf16` or `16` for auto, 32, bf16 or 16; auto takes bf16 where the processor multiplies in it.

    Raises:
        Unavailable: bf16 was asked for and the GPU does not have it, or 16 on a CPU.
    """
    if precision not in ("auto", "32", "bf16", "16"):
        raise UsageError(f"--precision {precision}: unknown precision", fix="choose auto, 32, bf16 or 16")
    if precision == "16" and device != "cuda":
        raise Unavailable(
            "--precision 16: float16 is for GPUs",
            cause="torch has no fast float16 matrix products on a CPU",
            fix="use --precision bf16 or 32",
        )
    if device == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        if precision == "bf16" and not native:
            raise Unavailable("--precision bf16: this GPU has no bf16", fix="use --precision 32")
    else:
        has = torch.cpu.get_capabilities()
        native = bool(has.get("avx512_bf16") or has.get("amx_bf16"))
    if precision == "auto":
        return "bf16" if native else "32"
    return precision
