"""How certain a difference between two arms is: the t interval and the p values of its values in each replicate.

Why a t test: exact sign flips of n differences cannot give a one-sided p below 1 / 2**n, which is 1/8 for three seeds, and a
bootstrap of five values resamples the same five. The t distribution is exact for differences that are normal, and means over
a test set of thousands are close to that. From EXACT_FROM to EXACT_TO replicates, sign flips need no such assumption, can reach
any level that matters and can be counted, so they replace it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
POWER = 0.80
FEWEST = 3  # replicates: from two, the interval is nine standard deviations on either side and says nothing
EXACT_FROM, EXACT_TO = 10, 20  # replicates whose 2**n sign flips are counted instead of a t test


@dataclass(frozen=True)
class Difference:
    """mean: of the differences, in the metric's own unit. error: its standard error; None when n is too small, 0 when all
    differences are equal, which is luck and gives no interval.
    """

    mean: float
    error: float | None
    n: int

    @property
    def half(self) -> float | None:
        """Half the width of the interval."""
        return _quantile(self.n - 1) * self.error if self.error else None

    @property
    def bounds(self) -> tuple[float, float] | None:
        half = self.half
        return None if half is None else (self.mean - half, self.mean + half)

    @property
    def detectable(self) -> float | None:
        """The distance from a claim's border that this n and this spread would have shown with a probability of POWER (by the
        noncentral t distribution); None without a spread.
        """
        if not self.error:
            return None
        from scipy.special import nctdtrinc  # type: ignore[import-untyped]  # scipy comes with scikit-learn

        return float(nctdtrinc(self.n - 1, 1 - POWER, _quantile(self.n - 1))) * self.error


def paired(mine: pd.DataFrame, theirs: pd.DataFrame, column: str) -> Difference:
    """Of the seeds that both have; draws of a seed are averaged first, because they share its dense network."""
    means = [lanes.groupby("seed")[column].mean() for lanes in (mine, theirs)]
    return of(list((means[0] - means[1]).dropna()))


def of(differences: Sequence[float]) -> Difference:
    """Of one difference for each replicate."""
    n = len(differences)
    mean = math.fsum(differences) / n if n else math.nan
    if n < FEWEST:
        return Difference(mean, None, n)
    deviation = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (n - 1))
    if deviation < 1e-12 * max(map(abs, differences)):  # what is left of equal differences after rounding
        deviation = 0.0
    return Difference(mean, deviation / math.sqrt(n), n)


def p_above(differences: Sequence[float], border: float) -> float:
    """The p value of the hypothesis that the true mean is at most `border`: small when the differences lie above it.

    A paired t test, one-sided. Sign flips take its place from EXACT_FROM to EXACT_TO replicates, and where all differences are
    equal: their spread of zero is luck, and a t test would take it for certainty. Raises: ValueError for less than FEWEST.
    """
    found = of(differences)
    if found.error is None:
        raise ValueError(f"{found.n} differences are too few for a test; should be {FEWEST}")
    distances = [d - border for d in differences]
    if not found.error or EXACT_FROM <= found.n <= EXACT_TO:
        return _by_flips(distances)
    from scipy.special import stdtr

    return float(stdtr(found.n - 1, (border - found.mean) / found.error))


def _by_flips(distances: Sequence[float]) -> float:
    """The share of all choices of signs whose sum is at least that of the actual ones."""
    import numpy as np

    size = math.fsum(map(abs, distances))
    if len(distances) > EXACT_TO:  # all equal: only the actual signs reach their sum
        return 0.5 ** len(distances) if min(distances) > 0 else 1.0
    sums = np.zeros(1)
    for distance in distances:
        sums = np.concatenate([sums + abs(distance), sums - abs(distance)])
    return float(np.mean(sums >= math.fsum(distances) - 1e-9 * size))


def _quantile(degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + LEVEL) / 2))
