"""Shuffled masks, after Frankle et al. (2021), who shuffle within each layer: here each unit keeps as many inputs, but random
ones, because a mask that kept only the number of survivors in each layer would be the random mask.
"""

from numpy.random import Generator

from pipeline.domain.arms import Arm, rewound
from pipeline.domain.masks import Mask


def shuffled_mask(masks: str = "ticket") -> Arm:
    """masks: the arm whose numbers of survivors are kept."""
    return Arm(masks_of=masks, mask=_shuffled, weights=rewound)


def _shuffled(mask: Mask, rng: Generator) -> Mask:
    return mask.shuffled(rng)
