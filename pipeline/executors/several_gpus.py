"""Groups of lanes on all GPUs of this machine: a process for each GPU, which sees no other one."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess

import torch

from pipeline.executors import one_by_one, processes
from pipeline.executors.stop import Stop
from pipeline.executors.tally import Report
from pipeline.executors.work import Work, split
from pipeline.run.job import Job

VISIBLE = "CUDA_VISIBLE_DEVICES"


def run(job: Job, groups: Sequence[Sequence[int]], report: Report, stop: Stop) -> None:
    """With one GPU or one lane, everything is done in this process.

    Raises: UserError of the first group that failed; the others then save checkpoints and stop.
    """
    gpus, lanes = devices(), sum(map(len, groups))
    if min(len(gpus), lanes) < 2:
        one_by_one.run(job, groups, report, stop)
        return
    import cloudpickle  # the network's `make` is a function inside a function, which pickle refuses

    _Gpus(gpus, _Pickled(cloudpickle.dumps(job)), split(groups, len(gpus)), report, stop).run()


def devices() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES calls them."""
    count = torch.cuda.device_count()
    return os.environ[VISIBLE].split(",")[:count] if os.environ.get(VISIBLE) else [str(i) for i in range(count)]


@dataclass(frozen=True)
class _Pickled:
    """The job for a new process, in which nothing is set yet."""

    job: bytes

    def run(self, group: Sequence[int], report: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        import cloudpickle

        from pipeline.run import device

        job: Job = cloudpickle.loads(self.job)
        own = replace(job, device=device.chosen(job.setup.bound.experiment.training.precision))
        one_by_one.run(own, [group], lambda done, _: report(done), stopped)


class _Gpus(processes._Pool):
    def __init__(self, gpus: Sequence[str], work: Work, groups: Sequence[Sequence[int]], report: Report, stop: Stop) -> None:
        super().__init__(work, groups, report, stop)
        self.gpus, self.limit, self.used = gpus, len(gpus), dict[BaseProcess, str]()
        self.context = multiprocessing.get_context("spawn")  # type: ignore[assignment]  # CUDA does not survive a fork

    def _start(self, group: Sequence[int]) -> None:
        taken = {self.used.get(process) for process in self.running.values()}
        gpu, before = next(gpu for gpu in self.gpus if gpu not in taken), os.environ.get(VISIBLE)
        os.environ[VISIBLE] = gpu  # the new process inherits it
        try:
            super()._start(group)
        finally:
            del os.environ[VISIBLE]
            if before is not None:
                os.environ[VISIBLE] = before
        self.used[[*self.running.values()][-1]] = gpu
