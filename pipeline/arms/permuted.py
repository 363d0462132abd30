"""The same masks with the ticket's own weights, permuted among the survivors of each layer: what is left of the initialisation is
its distribution (as the shuffled weights of Frankle et al. 2021).
"""

from numpy.random import Generator

from pipeline.domain.arms import Arm, Weights
from pipeline.domain.masks import Mask


def permuted(masks: str = "ticket") -> Arm:
    """masks: the arm whose masks are used."""
    return Arm(masks_of=masks, weights=_permuted)


def _permuted(mask: Mask, rewound: Weights, rng: Generator) -> Weights:
    found = dict(rewound)
    for name, kept in mask.items():
        found[name] = rewound[name].copy()
        found[name][kept] = rng.permutation(rewound[name][kept])
    return found
