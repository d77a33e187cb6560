"""The GPU kernels run in Triton's interpreter here: no GPU is needed, and none is used."""

from __future__ import annotations

import os

os.environ.setdefault("TRITON_INTERPRET", "1")  # before anything loads Triton, which reads it when a kernel is defined
