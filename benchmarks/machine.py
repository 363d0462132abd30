"""Where and when a benchmark ran: hardware, versions, and how much of the machine others used meanwhile."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import torch

from pipeline.executors.processes import cores


@contextmanager
def described() -> Iterator[dict[str, str]]:
    """Yields a description that is filled in when the block ends."""
    about: dict[str, str] = {}
    started, own, before = time.time(), sum(os.times()[:4]), _ticks()
    yield about
    stolen, idle, total = (after - then for after, then in zip(_ticks(), before, strict=True))
    others = total - idle - stolen - (sum(os.times()[:4]) - own) * os.sysconf("SC_CLK_TCK")
    about |= {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(started)),
        "seconds": f"{time.time() - started:.0f}",
        "processor": f"{_processor()}, {cores()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "stolen by the host": f"{stolen / max(1, total):.0%}",
        "used by other processes": f"{max(0.0, others / max(1, total)):.0%}",
        "versions": f"Python {platform.python_version()}, " + ", ".join(f"{n} {version(n)}" for n in ("torch", "numpy", "dvc")),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    found = {key.strip(): value.strip() for key, value in found.items()}
    model = " ".join(f"{key} {found[key]}" for key in ("cpu family", "model", "stepping") if key in found)
    return " ".join(part for part in (found.get("model name", platform.machine()), f"({model})" if model else "") if part)


def _ticks() -> tuple[int, int, int]:
    """Returns the stolen, idle and total ticks of the processors since the machine started; zeros where Linux does not tell."""
    try:
        fields = [int(n) for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except (OSError, ValueError):
        return 0, 0, 0
    return fields[7], fields[3] + fields[4], sum(fields)
