"""The work that an executor is given, and its division among GPUs."""

from collections.abc import Callable, Sequence

import numpy as np

# It is called with the lanes, report(lane-iterations done) and stopped(), which tells it to leave after an evaluation.
Work = Callable[[Sequence[int], Callable[[int], None], Callable[[], bool]], None]


def split(groups: Sequence[Sequence[int]], gpus: int) -> list[tuple[int, ...]]:
    """The same lanes in groups for so many GPUs. Groups stay whole when there are as many of them already."""
    parts = -(-gpus // len(groups))
    return [tuple(part.tolist()) for group in groups for part in np.array_split(group, min(parts, len(group)))]
