"""The dense network, trained as long as it and the rounds up to this one take together without rewinding to a later point:
it shows what that time gains without pruning.
"""

from pipeline.domain.arms import Arm, Weights


def dense_long() -> Arm:
    return Arm(masks_of="dense", weights=_initial, training="all_rounds")


def _initial(initial: Weights) -> Weights:
    return initial
