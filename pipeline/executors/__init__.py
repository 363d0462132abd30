"""The executors of groups of lanes. The machine and the environment decide which one runs, never params.yaml."""

import os
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from pipeline.executors.stop import Stop
from pipeline.executors.tally import Report
from pipeline.executors.work import Work
from pipeline.values.errors import UserError

if TYPE_CHECKING:
    import torch


def run(work: Work, groups: Sequence[Sequence[int]], report: Report, device: "torch.device") -> None:
    """Runs every group, on a Ray cluster when LOTTERY_EXECUTOR is ray.

    Raises: UserError of the first group that failed; KeyboardInterrupt when interrupted, terminated, or orphaned.
    In both cases the other groups save checkpoints and stop.
    """
    from pipeline.executors import processes, several_gpus

    chosen: ModuleType = several_gpus if device.type == "cuda" else processes
    match os.environ.get("LOTTERY_EXECUTOR", "local"):
        case "local" | "":
            pass
        case "ray":
            from pipeline.executors import ray

            chosen = ray
        case other:
            raise UserError(f"LOTTERY_EXECUTOR is {other!r}, but should be local or ray")
    stop = Stop()
    chosen.run(work, groups, report, stop)
    if stop():
        raise KeyboardInterrupt
