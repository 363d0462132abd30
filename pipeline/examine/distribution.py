"""The initial weights of the survivors beside all initial weights (appendices F.1 and F.2)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.domain.masks import Mask
from pipeline.examine.quantities import Measured

Weights = Mapping[str, NDArray[Any]]


def measure(initial: Weights, mask: Mask) -> Measured:
    """By layer only, because the layers of a network have initial weights of different sizes. Layers without weights are left
    out.
    """
    found: Measured = {}
    for layer, kept in mask.items():
        values = initial[layer][kept].astype(np.float64)
        if values.size:
            found["bimodality", layer] = bimodality(values)
            found["magnitude", layer] = float(np.abs(values).mean())
            found["spread", layer] = float(values.std())
    return found


def bimodality(values: NDArray[np.float64]) -> float:
    """Sarle's bimodality coefficient, with the sample's skewness and excess kurtosis.

    It is 1/3 for a normal distribution and 5/9 for a uniform one. A larger value suggests two modes; two equally frequent values
    give 1. It is not a test: a skewed distribution with one mode has a large coefficient too (an exponential one 5/9), and two
    modes of very different size may have a small one. Initial weights are nearly symmetric, where this does no harm.
    NaN for fewer than 4 values, or for equal ones.
    """
    from scipy import stats

    n = values.size
    if n < 4 or np.ptp(values) == 0:
        return float("nan")
    skewness, excess = (float(f(values, bias=False)) for f in (stats.skew, stats.kurtosis))
    return (skewness**2 + 1) / (excess + 3 * (n - 1) ** 2 / ((n - 2) * (n - 3)))


def edges(values: NDArray[Any]) -> NDArray[np.float64]:
    """Those of the bins of a layer's histograms: symmetric about 0, more of them for a larger layer (Rice's rule)."""
    half = int(np.clip(np.cbrt(values.size), 6, 30))
    limit = float(np.abs(values).max()) or 1.0
    return np.linspace(-limit, limit, 2 * half + 1)


def histogram(values: NDArray[Any], bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """The density of the values' distribution, which integrates to 1; zeros without values. Shapes: bins (b + 1,) -> (b,)"""
    counts = np.histogram(values, bins)[0]
    return counts / (max(1, counts.sum()) * np.diff(bins))
