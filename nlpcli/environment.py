"""What a process runs on and in: versions that shape its results, processors, memory."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # glibc's numbers of these parameters (mallopt(3))
LARGEST_KEPT = 32 << 20  # bytes: the most that glibc takes for MMAP_THRESHOLD
LIBRARIES = ("torch", "sentencepiece", "gensim", "kiwipiepy", "numpy", "sacrebleu", "lightning-fabric")


def environment() -> dict[str, str]:
    """Describe what the artifact was made with: versions of Python and of the libraries that shape results."""
    found = {"python": platform.python_version(), "platform": f"{platform.system()}-{platform.machine()}"}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def processors() -> int:
    """Return the number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory_bytes() -> int:
    """Return this process's largest resident set so far, in bytes."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def keep_freed_memory() -> None:
    """Have this process keep the memory it frees, up to 1 GiB, for what it allocates next.

    A search allocates and frees the same megabytes at every step; where glibc gives them back each time, the system has to
    clear them again, which takes up to a third of a processor's time. Nothing is done where there is no glibc.
    """
    if sys.platform != "linux" or not hasattr(libc := ctypes.CDLL(None), "mallopt"):
        return
    libc.mallopt(MMAP_THRESHOLD, LARGEST_KEPT)
    libc.mallopt(TRIM_THRESHOLD, 1 << 30)
