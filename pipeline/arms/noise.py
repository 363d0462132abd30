"""The ticket's masks and its rewound weights with Gaussian noise on them (appendix F.7)."""

import math

from numpy.random import Generator

from pipeline.domain.arms import Arm, Weights
from pipeline.domain.masks import Mask


def noise(sigma: float, masks: str = "ticket") -> Arm:
    """sigma: the standard deviation of the noise, in standard deviations of each layer's weights before pruning.
    masks: the arm whose masks are used.
    """

    if isinstance(sigma, bool) or not isinstance(sigma, (int, float)) or not 0 <= sigma < math.inf:
        raise ValueError(f"sigma is {sigma!r}, but should be a number from 0 on, such as 0.5")

    def weights(mask: Mask, rewound: Weights, rng: Generator) -> Weights:
        noisy = {name: rewound[name] + sigma * rewound[name].std() * rng.standard_normal(rewound[name].shape) for name in mask}
        return {**rewound, **{name: array.astype(rewound[name].dtype) for name, array in noisy.items()}}

    return Arm(masks_of=masks, weights=weights)
