"""The work that an executor is given, and its division among GPUs."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from pipeline.run.setup import Setup


class Work(Protocol):
    """Some lanes to train, each of them a number. It is a Job (pipeline.run.job), of which most executors need no more."""

    def run(self, group: Sequence[int], report: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        """report: takes the lane-iterations done. stopped: tells the work to leave after an evaluation."""


def split(groups: Sequence[Sequence[int]], gpus: int) -> list[tuple[int, ...]]:
    """The same lanes in groups for so many GPUs. Groups stay whole when there are as many of them already."""
    parts = -(-gpus // len(groups))
    return [tuple(part.tolist()) for group in groups for part in np.array_split(group, min(parts, len(group)))]


def apart(setup: "Setup", groups: Sequence[Sequence[int]]) -> Sequence[Sequence[int]]:
    """The groups for a GPU. In bf16 each lane is alone, because the evaluation of a batch fails: torch.func does not apply
    autocast to it (torch 2.11 on CUDA, torch 2.14 on a CPU).
    """
    lanes = [lane for group in groups for lane in group]
    if setup.bound.experiment.training.precision != "bf16" or len(lanes) == len(groups):
        return groups
    print("warning: in bf16, lanes are trained one at a time on a GPU; in fp32 or tf32 they are batched", file=sys.stderr)
    return [[lane] for lane in lanes]
