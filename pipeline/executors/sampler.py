"""What processor, memory and GPUs of this machine do while an item is trained, under the names that MLflow gives them.

A sample is taken when the training reports its progress. Neither a thread nor an alarm would do: the processes of lanes are
forked from this one, and the alarm belongs to `waiting`. MLflow's own sampler would import MLflow into the training.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.executors.tally import Report

if TYPE_CHECKING:
    import torch

MOST = 120  # samples of an item; when there are more, pairs of them are averaged
EVERY = 1.0  # seconds between the first samples
SECONDS = "seconds"  # since the training began, at the end of what a sample measures
Sample = dict[str, float]


class Sampler:
    """Columns of samples, each a list of numbers as long as the column of seconds."""

    def __init__(self, device: "torch.device", now: Callable[[], float] = time.monotonic) -> None:
        import psutil

        self.device, self.now, self.began = device, now, now()
        self.every, self.last = EVERY, self.began
        self.samples: list[Sample] = []
        psutil.cpu_percent()  # later calls measure from here on

    def watching(self, report: Report) -> Report:
        """Does what `report` does, and takes a sample when it is time for one."""

        def reported(done: int, resumed: int) -> None:
            report(done, resumed)
            if self.now() - self.last >= self.every:
                self.take()

        return reported

    def take(self) -> None:
        self.last = self.now()
        self.samples.append({SECONDS: round(self.last - self.began, 3), **_processor(), **_gpus(self.device)})
        if len(self.samples) >= MOST:
            self.samples = [_mean(*pair) for pair in zip(self.samples[::2], self.samples[1::2], strict=True)]
            self.every *= 2

    def columns(self) -> dict[str, list[float]]:
        """With a last sample of what is not in one yet; empty for a training of no measurable length."""
        if self.now() - self.last >= min(self.every, EVERY) / 10:
            self.take()
        keys = {key for sample in self.samples for key in sample}
        whole = [sample for sample in self.samples if sample.keys() == keys]  # a GPU may not answer once
        return {key: [sample[key] for sample in whole] for key in sorted(keys)}


def _processor() -> Sample:
    import psutil

    memory = psutil.virtual_memory()
    return {
        "cpu_utilization_percentage": psutil.cpu_percent(),  # of all cores together, since the last call
        "system_memory_usage_megabytes": round(memory.used / 1e6, 1),
        "system_memory_usage_percentage": round(100 * memory.used / memory.total, 1),
    }


def _gpus(device: "torch.device") -> Sample:
    """torch asks NVML, which needs no CUDA context, through the package nvidia-ml-py; without the package nothing is known."""
    if device.type != "cuda":
        return {}
    import torch

    found: Sample = {}
    try:
        for i in range(torch.cuda.device_count()):
            used, total = torch.cuda.device_memory_used(i), torch.cuda.get_device_properties(i).total_memory
            found |= {
                f"gpu_{i}_utilization_percentage": float(torch.cuda.utilization(i)),
                f"gpu_{i}_memory_usage_megabytes": round(used / 1e6, 1),
                f"gpu_{i}_memory_usage_percentage": round(100 * used / total, 1),
                f"gpu_{i}_power_usage_watts": torch.cuda.power_draw(i) / 1000,
            }
    except Exception:  # of NVML, which has many kinds: a training must not end because a counter cannot be read
        return {}
    return found


def _mean(first: Sample, second: Sample) -> Sample:
    shared = {key: round((first[key] + second[key]) / 2, 3) for key in first if key in second}
    return shared | {SECONDS: second[SECONDS]}
