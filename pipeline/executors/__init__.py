"""The executors of groups of lanes. The machine decides which one runs, never params.yaml, and no result depends on it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.executors.stop import Stop
from pipeline.executors.tally import Report
from pipeline.executors.work import Work

if TYPE_CHECKING:
    import torch


def run(work: Work, groups: Sequence[Sequence[int]], report: Report, device: "torch.device") -> None:
    """Runs every group.

    Raises: UserError of the first group that failed; KeyboardInterrupt when interrupted, terminated, or orphaned.
    In both cases the other groups save checkpoints and stop.
    """
    from pipeline.executors import one_by_one, processes

    stop = Stop()
    (one_by_one if device.type == "cuda" else processes).run(work, groups, report, stop)
    if stop():
        raise KeyboardInterrupt
