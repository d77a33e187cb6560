"""Which tiles each Triton kernel of attention takes, by architecture, type and head size.

The first of each list, compiled for bf16 and heads of 64 and 128 without a relative bias, spills no register; a test keeps it
so. The order is what compilers' figures suggest; `autotune` measures.
"""

from __future__ import annotations

import triton
from torch import Tensor

from nlpcli.kernels.problem import Options
from nlpcli.kernels.triton_launch import Tiles

FORWARD, DECODE = "forward", "decode"
KEYS, QUERIES = "keys", "queries"  # of the backward pass: one kernel owns tiles of keys, one owns tiles of queries

HALF, FULL = 2, 4  # bytes of a number
Table = dict[
    tuple[str, int], dict[int, list[Tiles]]
]  # kernel and bytes → widest head → candidates: the best first, the one that leaves most registers free last

AMPERE: Table = {  # in no more shared memory than the smaller GPUs have, 99 KiB
    (FORWARD, HALF): {
        64: [Tiles(128, 64, 8, 3), Tiles(64, 64, 4, 3)],
        128: [Tiles(128, 64, 8, 3), Tiles(128, 32, 8, 3), Tiles(64, 64, 8, 3)],
        256: [Tiles(64, 32, 8, 2)],
    },
    (KEYS, HALF): {
        64: [Tiles(32, 128, 8, 2), Tiles(32, 64, 4, 2)],
        128: [Tiles(32, 64, 8, 2)],
        256: [Tiles(16, 32, 8, 1)],
    },
    (QUERIES, HALF): {
        64: [Tiles(128, 32, 8, 2), Tiles(64, 32, 4, 2)],
        128: [Tiles(128, 32, 8, 2), Tiles(64, 32, 4, 2)],
        256: [Tiles(64, 32, 8, 1)],
    },
    (DECODE, HALF): {64: [Tiles(16, 128, 4, 3)], 128: [Tiles(16, 64, 4, 3)], 256: [Tiles(16, 32, 4, 3)]},
    # Exact products of fp32 know no tensor cores, and take their operands through registers.
    (FORWARD, FULL): {64: [Tiles(32, 32, 4, 2)], 128: [Tiles(32, 32, 8, 1)], 256: [Tiles(16, 16, 8, 1)]},
    (KEYS, FULL): {64: [Tiles(32, 32, 8, 2)], 128: [Tiles(16, 32, 8, 1)], 256: [Tiles(16, 16, 8, 1)]},
    (QUERIES, FULL): {64: [Tiles(32, 32, 4, 2)], 128: [Tiles(32, 16, 4, 2)], 256: [Tiles(16, 16, 8, 1)]},
    (DECODE, FULL): {64: [Tiles(16, 64, 4, 2)], 128: [Tiles(16, 32, 8, 2)], 256: [Tiles(16, 16, 8, 2)]},
}

HOPPER: Table = AMPERE | {
    (FORWARD, HALF): {
        64: [Tiles(128, 128, 8, 2), Tiles(64, 64, 4, 3), Tiles(128, 64, 8, 3)],
        128: [Tiles(128, 64, 8, 3), Tiles(128, 64, 8, 2), Tiles(64, 64, 8, 3)],
        256: [Tiles(128, 32, 8, 2), Tiles(64, 32, 8, 2)],
    },
    (KEYS, HALF): {
        64: [Tiles(64, 128, 8, 3), Tiles(32, 128, 8, 2)],
        128: [Tiles(32, 128, 8, 3), Tiles(32, 128, 8, 2), Tiles(32, 64, 8, 2)],
        256: [Tiles(32, 32, 8, 2)],
    },
    (QUERIES, HALF): {
        64: [Tiles(128, 64, 8, 2), Tiles(64, 64, 4, 2)],
        128: [Tiles(128, 64, 8, 2), Tiles(128, 32, 8, 2)],
        256: [Tiles(64, 32, 8, 2)],
    },
}

BLACKWELL: Table = AMPERE | {
    (FORWARD, HALF): {
        64: [Tiles(128, 64, 8, 3), Tiles(64, 64, 4, 3)],
        128: [Tiles(128, 64, 8, 3), Tiles(64, 64, 4, 2)],
        256: [Tiles(64, 64, 8, 2), Tiles(64, 32, 8, 2)],
    },
    (KEYS, HALF): {
        64: [Tiles(64, 128, 8, 2), Tiles(32, 128, 4, 2)],
        128: [Tiles(64, 64, 8, 2), Tiles(32, 128, 8, 2)],
        256: [Tiles(16, 64, 8, 1)],
    },
    (QUERIES, HALF): {
        64: [Tiles(128, 64, 8, 2), Tiles(64, 64, 4, 2)],
        128: [Tiles(128, 64, 8, 2), Tiles(128, 32, 8, 2)],
        256: [Tiles(64, 32, 8, 1)],
    },
}


def choices(kernel: str, q: Tensor, options: Options) -> list[Tiles]:
    """Return the tiles to choose from, the best first. A relative bias takes registers for itself, and small tiles."""
    arch = architecture()
    table = HOPPER if arch == 90 else BLACKWELL if 100 <= arch < 120 else AMPERE
    by_width = table[kernel, q.element_size()]
    candidates = by_width[min(width for width in by_width if width >= q.size(-1))]
    return candidates if options.relative_bias is None else candidates[::-1]


def architecture() -> int:
    """Return the compute capability of the GPU in use; in Triton's interpreter, that of the smallest table."""
    return 80 if triton.knobs.runtime.interpret else int(triton.runtime.driver.active.get_current_target().arch)
