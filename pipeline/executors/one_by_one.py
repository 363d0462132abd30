"""Groups of lanes run one after the other in this process. This is for CUDA, where a group is all lanes of a stage."""

import gc
import sys
from collections.abc import Callable, Sequence
from functools import partial

import torch

from pipeline.executors.tally import Report, Tally
from pipeline.executors.work import Work
from pipeline.values.errors import UserError


def run(work: Work, groups: Sequence[Sequence[int]], report: Report, stop: Callable[[], bool]) -> None:
    """Runs the groups. A group that does not fit in the GPU's memory is split in two, and so on.

    Raises: UserError when one lane alone does not fit.
    """
    waiting, tally = list(groups), Tally(report)
    while waiting and not stop():
        group, short = waiting.pop(0), False
        try:
            work.run(group, partial(tally.count, tuple(group)), stop)
        except torch.OutOfMemoryError:
            short = True
        if short:  # outside the handler, whose traceback would keep the memory
            if len(group) == 1:
                raise UserError("one lane alone does not fit in the GPU's memory; use a smaller network or batch")
            tally.forget(tuple(group))
            half = len(group) // 2
            print(f"{len(group)} lanes do not fit in the GPU's memory side by side; trying {half}", file=sys.stderr)
            waiting[:0] = [group[:half], group[half:]]
            gc.collect()
            torch.cuda.empty_cache()
