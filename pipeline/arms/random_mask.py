"""Random sparsity (appendix E): a mask with as many survivors in each layer, at random places, and the rewound weights."""

from numpy.random import Generator

from pipeline.domain.arms import Arm, rewound
from pipeline.domain.masks import Mask


def random_mask(masks: str = "ticket") -> Arm:
    """masks: the arm whose numbers of survivors are kept."""
    return Arm(masks_of=masks, mask=_scattered, weights=rewound)


def _scattered(mask: Mask, rng: Generator) -> Mask:
    return mask.scattered(rng)
