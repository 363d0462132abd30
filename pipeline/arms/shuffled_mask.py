"""Layer-wise shuffled masks (Frankle et al. 2021): as many survivors in each unit, on other inputs of it.

One that kept only each layer's count would be the random mask.
"""

from numpy.random import Generator

from pipeline.domain.arms import Arm, rewound
from pipeline.domain.masks import Mask


def shuffled_mask(masks: str = "ticket") -> Arm:
    """masks: the arm whose counts are kept."""
    return Arm(masks_of=masks, mask=_shuffled, weights=rewound)


def _shuffled(mask: Mask, rng: Generator) -> Mask:
    return mask.shuffled(rng)
