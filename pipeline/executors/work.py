"""The work that an executor is given, and its division among GPUs."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np


class Work(Protocol):
    """Some lanes to train, each of them a number. It is a Job (pipeline.run.job), of which most executors need no more."""

    def run(self, group: Sequence[int], report: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        """report: takes the lane-iterations done. stopped: tells the work to leave after an evaluation."""


def split(groups: Sequence[Sequence[int]], gpus: int) -> list[tuple[int, ...]]:
    """The same lanes in groups for so many GPUs. Groups stay whole when there are as many of them already."""
    parts = -(-gpus // len(groups))
    return [tuple(part.tolist()) for group in groups for part in np.array_split(group, min(parts, len(group)))]
