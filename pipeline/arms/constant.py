"""The same masks and signs with one magnitude for each layer, the standard deviation of its weights before pruning (Zhou et al.
2019).
"""

import numpy as np

from pipeline.domain.arms import Arm, Weights
from pipeline.domain.masks import Mask


def constant(masks: str = "ticket") -> Arm:
    """masks: the arm whose masks are used."""
    return Arm(masks_of=masks, weights=_constant)


def _constant(mask: Mask, rewound: Weights) -> Weights:
    return {**rewound, **{name: np.copysign(rewound[name].std(), rewound[name]) for name in mask}}
