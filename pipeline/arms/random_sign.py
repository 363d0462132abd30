"""The same masks with the magnitudes of the rewound weights and random signs (Zhou et al. 2019)."""

from numpy.random import Generator

from pipeline.domain.arms import Arm, Weights
from pipeline.domain.masks import Mask


def random_sign(masks: str = "ticket") -> Arm:
    """masks: the arm whose masks are used."""
    return Arm(masks_of=masks, weights=_flipped)


def _flipped(mask: Mask, rewound: Weights, rng: Generator) -> Weights:
    signs = {name: rng.choice([-1, 1], rewound[name].shape).astype(rewound[name].dtype) for name in mask}
    return {**rewound, **{name: rewound[name] * sign for name, sign in signs.items()}}
