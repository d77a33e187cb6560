"""One timed process and all below it: seconds, seconds of processor, memory; for `translate.py` and `translate_memory.py`."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))

from memory import memory, tree

EVERY = 0.2  # seconds between two looks at memory


class Failed(Exception):
    """A process ended with an error; its message is the end of what it wrote."""


def watch(command: list[str]) -> dict[str, float]:
    """Run a command; return seconds, seconds of processor, and the peak of all its processes together (PSS, MiB).

    Raises:
        Failed: it cannot be run, or exits with something else than 0.
    """
    environment = {**os.environ, "PYTHONSAFEPATH": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": "ignore"}
    with tempfile.TemporaryFile("w+") as said:
        started = time.perf_counter()
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment)
        except OSError as e:
            raise Failed(str(e)) from e
        together, looked = 0, 0.0
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.perf_counter() - looked > EVERY:
                looked = time.perf_counter()
                together = max(together, sum(memory(each)[1] for each in tree(process.pid)))
            time.sleep(0.005)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait for what is gone
        if process.returncode:
            said.seek(0)
            raise Failed("\n".join(said.read().splitlines()[-6:]) or f"exit {process.returncode}")
    processor = usage.ru_utime + usage.ru_stime
    return {"seconds": round(seconds, 3), "processor_seconds": round(processor, 3), "peak_mib": round(together / 1024)}


def machine(cores: list[int]) -> dict[str, Any]:
    """Describe what all ran on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    found = {"processor": model or platform.machine(), "cores": os.cpu_count(), "cores_used": len(cores)}
    return {**found, "python": platform.python_version(), "system": f"{platform.system()}-{platform.machine()}"}


def keep(out: Path, part: str, found: dict[str, Any]) -> None:
    """Write a part of the results beside those that are there."""
    result: dict[str, Any] = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    result[part] = {**result.get(part, {}), **found}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def pin(cores: list[int]) -> None:
    """Have this process and all it starts run on these cores alone, as `taskset` does."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
