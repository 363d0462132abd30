"""The initial weights of the survivors beside all initial weights (appendices F.1 and F.2)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.domain.masks import Mask
from pipeline.examine.quantities import Measured

Weights = Mapping[str, NDArray[Any]]


def measure(initial: Weights, mask: Mask) -> Measured:
    """By layer only, because the initial weights of a network differ in size between layers. Layers without surviving weights are
    left out.
    """
    found: Measured = {}
    for layer, kept in mask.items():
        values = initial[layer][kept].astype(np.float64)
        if values.size:
            found["bimodality", layer] = bimodality(values)
            found["valley", layer] = valley(values)
            found["magnitude", layer] = float(np.abs(values).mean())
            found["spread", layer] = float(values.std())
    return found


def bimodality(values: NDArray[np.float64]) -> float:
    """Sarle's bimodality coefficient, with the sample's skewness and excess kurtosis.

    It is 1/3 for a normal distribution and 5/9 for a uniform one. A larger value suggests two modes; two equally frequent values
    give 1. The coefficient is not a test: it is also large for a skewed distribution with one mode (5/9 for an exponential one),
    and it may be small for two modes of very different size. `valley` does not have this weakness. The coefficient is NaN for
    fewer than 4 values and for equal values.
    """
    from scipy import stats  # type: ignore[import-untyped]  # scipy comes with scikit-learn

    n = values.size
    if n < 4 or np.ptp(values) == 0:
        return float("nan")
    skewness, excess = (float(f(values, bias=False)) for f in (stats.skew, stats.kurtosis))
    return (skewness**2 + 1) / (excess + 3 * (n - 1) ** 2 / ((n - 2) * (n - 3)))


def valley(values: NDArray[np.float64]) -> float:
    """The lowest point of the distribution between its highest points on either side of zero, divided by the lower of these two.

    It is above 1 if the distribution has one mode, near 1 if it is uniform, and below 1 if it has a mode on either side of zero,
    even if these modes differ in size. The values are counted in bins of half a standard deviation, and the middle bin is centred
    on zero. With few values, the valley may be low by chance. It is NaN if all values have the same sign or are equal.
    """
    width = values.std() / 2
    if not width or values.min() >= 0 or values.max() <= 0:
        return float("nan")
    bins = np.rint(values / width).astype(np.int64)
    most = int(np.abs(bins).max())
    counts = np.bincount(bins + most, minlength=2 * most + 1)
    below, above = (
        counts[:most][::-1],
        counts[most + 1 :],
    )  # from zero outward, so that of equal points the nearest is the highest
    left, right = most - 1 - int(below.argmax()), most + 1 + int(above.argmax())
    peak = min(counts[left], counts[right])
    return float(counts[left + 1 : right].min() / peak) if peak else float("nan")


def edges(values: NDArray[Any]) -> NDArray[np.float64]:
    """The edges of the bins of a layer's histograms. They are symmetric about 0, and a larger layer has more bins (Rice's rule,
    up to 40).

    Shapes: values (replicates, *shape of the layer) -> (b + 1,)
    """
    half = int(np.clip(np.cbrt(values.size / values.shape[0]), 6, 20))
    limit = float(np.abs(values).max()) or 1.0
    return np.linspace(-limit, limit, 2 * half + 1)


def histogram(values: NDArray[Any], bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """The density of the values' distribution, which integrates to 1; zeros without values. Shapes: bins (b + 1,) -> (b,)"""
    counts = np.histogram(values, bins)[0]
    return np.asarray(counts / (max(1, counts.sum()) * np.diff(bins)))
