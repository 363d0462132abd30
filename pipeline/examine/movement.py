"""How far weights move from where their training began (appendix F.5)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.domain.masks import Mask
from pipeline.examine.quantities import Measured

Weights = Mapping[str, NDArray[Any]]


def measure(start: Weights, trained: Weights, mask: Mask, suffix: str = "") -> Measured:
    """The movement of the weights of a mask, by layer and together. Layers without a weight in the mask are left out.

    Units: outward (negative if weights shrink) and moved are in the weights' own unit, flipped is a fraction.
    suffix: the ending of the quantities' names.
    """
    pairs = {layer: (start[layer][kept], trained[layer][kept]) for layer, kept in mask.items() if kept.any()}
    if not pairs:
        return {}
    sums = {layer: _sums(*pair) for layer, pair in pairs.items()}
    sizes = {layer: begin.size for layer, (begin, _) in pairs.items()}
    sums[""], sizes[""] = sum(sums.values(), np.zeros(3)), sum(sizes.values())
    names = [f"{name}{suffix}" for name in ("outward", "moved", "flipped")]
    means = {layer: sums[layer] / sizes[layer] for layer in sums}
    return {(name, layer): float(mean[i]) for layer, mean in means.items() for i, name in enumerate(names)}


def in_dense_training(start: Weights, trained: Weights, mask: Mask) -> Measured:
    """The movement of the weights of a mask and of the other weights while the dense network is trained."""
    rest = Mask({layer: ~kept for layer, kept in mask.items()})
    return measure(start, trained, mask, "_kept") | measure(start, trained, rest, "_rest")


def _sums(start: NDArray[Any], trained: NDArray[Any]) -> NDArray[np.float64]:
    """The sums of the movements away from zero and of the distances moved, and the number of changes of sign."""
    begin, end = start.astype(np.float64), trained.astype(np.float64)
    step = end - begin
    return np.array([(step * np.sign(begin)).sum(), np.abs(step).sum(), np.count_nonzero(begin * end < 0)])
