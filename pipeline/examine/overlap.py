"""How much masks have in common, and how much random masks with as many weights in each layer would have in common.

The masks of a ticket in two rounds are not compared, because the later mask is a part of the earlier one, and their overlap is
therefore the ratio of their densities.
"""

from collections.abc import Mapping
from statistics import fmean

import numpy as np

from pipeline.domain.masks import Mask
from pipeline.examine.quantities import Measured

Counts = dict[str, tuple[float, float, float]]  # by layer: weights in the first mask, in the second, and in both


def replicates(masks: Mapping[int, Mask]) -> dict[int, Measured]:
    """Each replicate's mean overlap with the others; empty if there is only one replicate. masks: by seed."""
    seeds, found = list(masks), {}
    pairs = {(a, b): jaccard(masks[a], masks[b], "overlap_replicates") for i, a in enumerate(seeds) for b in seeds[i + 1 :]}
    for seed in seeds:
        mine = [measured for pair, measured in pairs.items() if seed in pair]
        found[seed] = {key: fmean(measured[key] for measured in mine) for key in (mine[0] if mine else {})}
    return found


def jaccard(mask: Mask, other: Mask, quantity: str) -> Measured:
    """The number of weights in both masks, divided by that in at least one, by layer and together; 1 for equal masks.

    The chance is the ratio of the expected numbers: d1 d2 / (d1 + d2 - d1 d2) in a layer of these densities.
    """
    return _beside_chance(mask, other, quantity, union=True)


def found_in(mask: Mask, other: Mask, quantity: str) -> Measured:
    """The share of a mask's weights that another mask also has, by layer and together; by chance, it is the other's density."""
    return _beside_chance(mask, other, quantity, union=False)


def _beside_chance(mask: Mask, other: Mask, quantity: str, union: bool) -> Measured:
    mine, its = mask.kept, other.kept
    real: Counts = {name: (mine[name], its[name], int(np.count_nonzero(a & other[name]))) for name, a in mask.items()}
    chance: Counts = {name: (mine[name], its[name], mine[name] * its[name] / a.size) for name, a in mask.items()}
    return _ratios(real, quantity, union) | _ratios(chance, f"{quantity}_chance", union)


def _ratios(counts: Counts, quantity: str, union: bool) -> Measured:
    """The number of weights in both masks, divided by that in at least one or, without union, by that in the first."""
    first, second, shared = (sum(numbers) for numbers in zip(*counts.values(), strict=True))
    found: Measured = {}
    for layer, (mine, its, both) in {**counts, "": (first, second, shared)}.items():
        whole = mine + its - both if union else mine
        if whole:
            found[quantity, layer] = both / whole
    return found
