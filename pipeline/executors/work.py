"""The work that an executor is given, and its division among GPUs."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipeline.run.job import Job

# It is called with the lanes, report(lane-iterations done) and stopped(), which tells it to leave after an evaluation.
Work = Callable[[Sequence[int], Callable[[int], None], Callable[[], bool]], None]


def job_of(work: Work) -> "Job":
    """What the work belongs to: another process or machine needs the job itself, with a device of its own."""
    job: Job = work.__self__  # type: ignore[attr-defined]  # the work is always Job.run
    return job


def split(groups: Sequence[Sequence[int]], gpus: int) -> list[tuple[int, ...]]:
    """The same lanes in groups for so many GPUs. Groups stay whole when there are as many of them already."""
    parts = -(-gpus // len(groups))
    return [tuple(part.tolist()) for group in groups for part in np.array_split(group, min(parts, len(group)))]
