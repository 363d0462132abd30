"""The executors of groups of lanes. The machine and the environment decide which one runs, never params.yaml."""

import os
import time
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from pipeline.executors.stop import Stop
from pipeline.executors.tally import Report
from pipeline.values.errors import UserError

if TYPE_CHECKING:
    from pipeline.run.job import Job

LOCAL = "local"


def run(job: "Job", groups: Sequence[Sequence[int]]) -> None:
    """Trains the lanes of an item with their progress shown, and notes for MLflow what that took.

    Raises: as `dispatch`.
    """
    from pipeline.executors import checkout, runtime, settled
    from pipeline.executors.progress import Progress
    from pipeline.executors.reached import Reached
    from pipeline.executors.sampler import Sampler

    item = job.lanes[0].item
    settled.remove()
    settled.reopen(item)
    density = job.tickets[0].mask.density
    title = f"{item.experiment} {item.name} {density:.1%}, {len(job.lanes)} lanes"
    progress = Progress(title, job.iterations, Reached(job))
    code = checkout.now()
    sampler, began = Sampler(job.device), time.monotonic()
    dispatch(job, groups, sampler.watching(progress.update))
    progress.close()
    if progress.resumed < job.iterations:  # otherwise, the note is that of the stage which trained them
        took, resumed = time.monotonic() - began, progress.resumed / job.iterations
        system = sampler.columns() if _executor() == LOCAL else {}  # a cluster trains elsewhere
        # Before the lanes are in place, for whoever mirrors them then.
        runtime.write(item, job.device, took, system, code, _executor(), resumed)


def finished(job: "Job") -> None:
    """An item's lanes are in place. Their checkpoints go as soon as nobody can need them."""
    from pipeline.executors import settled

    settled.note(job.lanes[0].item, job.keys)


def dispatch(job: "Job", groups: Sequence[Sequence[int]], report: Report) -> None:
    """Runs every group, on a Ray cluster when LOTTERY_EXECUTOR is ray.

    Raises: UserError of the first group that failed; KeyboardInterrupt when interrupted, terminated, or orphaned.
    In both cases the other groups save checkpoints and stop.
    """
    from pipeline.executors import processes, several_gpus, work

    chosen: ModuleType = processes
    if job.device.type == "cuda":
        chosen, groups = several_gpus, work.apart(job.setup, groups)
    match _executor():
        case "local":
            pass
        case "ray":
            from pipeline.executors import ray

            chosen = ray
        case other:
            raise UserError(f"LOTTERY_EXECUTOR is {other!r}, but should be local or ray")
    stop = Stop()
    chosen.run(job, groups, report, stop)
    if stop():
        raise KeyboardInterrupt


def _executor() -> str:
    return os.environ.get("LOTTERY_EXECUTOR") or LOCAL
