"""The dense network, trained as long as all rounds up to this one together: it shows what that time gains without pruning."""

from pipeline.domain.arms import Arm, Weights


def dense_long() -> Arm:
    return Arm(masks_of="dense", weights=_initial, training="all_rounds")


def _initial(initial: Weights) -> Weights:
    return initial
