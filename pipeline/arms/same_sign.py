"""The same masks with fresh magnitudes and the signs of the rewound weights (Zhou et al. 2019)."""

import numpy as np

from pipeline.domain.arms import Arm, Weights
from pipeline.domain.masks import Mask


def same_sign(masks: str = "ticket") -> Arm:
    """masks: the arm whose masks are used."""
    return Arm(masks_of=masks, weights=_signed)


def _signed(mask: Mask, rewound: Weights, fresh: Weights) -> Weights:
    return {**rewound, **{name: np.copysign(fresh[name], rewound[name]) for name in mask}}
