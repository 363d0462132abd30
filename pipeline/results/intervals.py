"""How certain a difference between two arms is: the t interval of its values in each replicate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
FEWEST = 3  # replicates: from two, the interval is nine times as wide as from three and says nothing


@dataclass(frozen=True)
class Difference:
    """mean: of the differences, in the metric's own unit. half: half the width of the interval; None when n is too small."""

    mean: float
    half: float | None
    n: int

    @property
    def bounds(self) -> tuple[float, float] | None:
        return None if self.half is None else (self.mean - self.half, self.mean + self.half)


def paired(mine: pd.DataFrame, theirs: pd.DataFrame, column: str) -> Difference:
    """Of the seeds that both have; draws of a seed are averaged first, because they share its dense network."""
    means = [lanes.groupby("seed")[column].mean() for lanes in (mine, theirs)]
    differences = (means[0] - means[1]).dropna()
    n = len(differences)
    mean = math.fsum(differences) / n if n else math.nan
    if n < FEWEST:
        return Difference(mean, None, n)
    from scipy.special import stdtrit  # type: ignore[import-untyped]  # scipy comes with scikit-learn

    deviation = math.sqrt(math.fsum((differences - mean) ** 2) / (n - 1))
    return Difference(mean, float(stdtrit(n - 1, (1 + LEVEL) / 2)) * deviation / math.sqrt(n), n)
