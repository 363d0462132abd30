"""Learning-rate rewinding (Renda et al. 2020): the trained weights are trained on, by the schedule from the rewind point."""

from pipeline.domain.arms import Arm, trained


def lr_rewind() -> Arm:
    return Arm(prunes="own", weights=trained)
