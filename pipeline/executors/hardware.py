"""What a training ran on: for the note about it and for MLflow, never for a result."""

import platform
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.executors.processes import cores

if TYPE_CHECKING:
    import torch


def name(device: "torch.device") -> str:
    """The device on which lanes are trained, as the note has always called it."""
    import torch

    return torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or platform.machine()


def about(device: "torch.device") -> dict[str, Any]:
    """cores: those that this process may use. memory_gigabytes: that of the machine."""
    import psutil
    import torch

    found: dict[str, Any] = {
        "processor": _processor(),
        "cores": cores(),
        "memory_gigabytes": round(psutil.virtual_memory().total / 1e9, 1),
    }
    if device.type == "cuda":
        found["gpus"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return found


def versions(device: "torch.device") -> dict[str, str]:
    import numpy
    import torch

    found = {"python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__}
    return found | ({"cuda": str(torch.version.cuda)} if device.type == "cuda" else {})


def _processor() -> str:
    """The name that the maker gave it; `platform` knows only the kind, such as x86_64."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
