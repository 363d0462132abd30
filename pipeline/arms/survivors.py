"""The same masks with fresh weights that have the distribution of the ticket's own weights (appendix F.3): in each layer, every
survivor gets the rewound weight of a random survivor. If this were as good as the ticket, the distribution alone would win.
"""

from numpy.random import Generator

from pipeline.domain.arms import Arm, Weights
from pipeline.domain.masks import Mask


def survivors(masks: str = "ticket") -> Arm:
    """masks: the arm whose masks are used."""
    return Arm(masks_of=masks, weights=_drawn)


def _drawn(mask: Mask, rewound: Weights, rng: Generator) -> Weights:
    found = dict(rewound)
    for name, kept in mask.items():
        found[name] = rewound[name].copy()
        found[name][kept] = rng.choice(rewound[name][kept], int(kept.sum())) if kept.any() else 0
    return found
