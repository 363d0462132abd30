"""How evenly the survivors of fully connected layers are spread over units (appendix F.6)."""

from collections.abc import Mapping
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.domain.masks import BoolArray, Mask
from pipeline.domain.pruning import Layer
from pipeline.examine.quantities import Measured

FULLY_CONNECTED = ("fc", "output")


def layers_of(layers: Mapping[str, Layer]) -> list[str]:
    """The fully connected layers. Shapes: their weights are (units that the layer computes, units that feed the layer)."""
    return [name for name, layer in layers.items() if layer.kind in FULLY_CONNECTED and len(layer.shape) == 2]


def first_of(layers: Mapping[str, Layer]) -> str | None:
    """The layer that reads the network's inputs; None when it is not fully connected."""
    first = next(iter(layers), None)
    return first if first in layers_of(layers) else None


def measure(mask: Mask, layers: Mapping[str, Layer]) -> Measured:
    found: Measured = {}
    for layer in layers_of(layers):
        kept = mask[layer]
        for way, connections, counts in (("in", "inputs", incoming(kept)), ("out", "outputs", outgoing(kept))):
            found[f"{connections}_per_unit", layer] = float(counts.mean())
            found[f"unevenness_{way}", layer] = gini(counts)
            found[f"unevenness_{way}_chance", layer] = expected_gini(counts.size, kept.size // counts.size, int(counts.sum()))
    first = first_of(layers)
    if first is not None:
        found["unused_inputs", first] = float((outgoing(mask[first]) == 0).mean())
    return found | _dead(mask, layers)


def _dead(mask: Mask, layers: Mapping[str, Layer]) -> Measured:
    """The shares of dead units, by hidden layer and together; a layer whose units the next layer does not read has none."""
    hidden = [
        (name, (incoming(mask[name]) == 0) | (outgoing(mask[after]) == 0))
        for name, after in pairwise(layers_of(layers))
        if layers[name].shape[0] == layers[after].shape[1]
    ]
    found: Measured = {("dead_units", name): float(dead.mean()) for name, dead in hidden}
    return found | ({("dead_units", ""): float(np.concatenate([dead for _, dead in hidden]).mean())} if hidden else {})


def incoming(kept: BoolArray) -> NDArray[np.int_]:
    """Shapes: (out, in) -> (out,), the number of connections into each unit."""
    return np.asarray(np.count_nonzero(kept, axis=1))


def outgoing(kept: BoolArray) -> NDArray[np.int_]:
    """Shapes: (out, in) -> (in,), the number of connections out of each unit that feeds the layer."""
    return np.asarray(np.count_nonzero(kept, axis=0))


def gini(counts: NDArray[np.int_]) -> float:
    """The Gini coefficient: the mean difference between two units, divided by twice the mean. It is 0 if all units have the same
    number, 1 - 1/n if one of n units has all connections, and NaN if there are no connections.
    """
    n, total = counts.size, int(counts.sum())
    if not total:
        return float("nan")
    ranks = np.arange(1, n + 1)
    return float(2 * (ranks * np.sort(counts)).sum() / (n * total) - (n + 1) / n)


@cache  # replicates and arms have the same numbers of weights
def expected_gini(units: int, places: int, kept: int) -> float:
    """The expected Gini coefficient of a random mask with `kept` weights, in which each unit has `places` places for them.

    The number S of weights that two units have together is hypergeometric. Given S, the number of weights of the first unit is
    hypergeometric too. Its mean distance from S/2, and with it the mean difference of the two units, has a closed form like that
    of de Moivre for the binomial distribution.
    """
    from scipy.stats import hypergeom  # type: ignore[import-untyped]  # scipy comes with scikit-learn

    if not kept or units == 1:
        return 0.0 if kept else float("nan")
    together = np.arange(2 * places + 1)
    above = together // 2 + 1  # the first number of weights above the mean
    here = hypergeom.pmf(above, 2 * places, places, together)
    difference = 2 * above * (places - together + above) * here / places
    mean_difference = float((hypergeom.pmf(together, units * places, 2 * places, kept) * difference).sum())
    return (units - 1) * mean_difference / (2 * kept)
