"""A ticket found in another experiment (Morcos et al. 2019): its mask and its initial weights, trained on this experiment's data.

The masks are copied by the stage `borrow`, which checks that both experiments start from the same initial weights.
"""

from pipeline.domain.arms import Arm, rewound


def transferred(masks_from: str) -> Arm:
    """masks_from: the experiment in which the tickets were found; those of its same rounds are taken."""
    return Arm(prunes="dense", weights=rewound)
