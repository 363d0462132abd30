"""Learning-rate rewinding (Renda et al. 2020): the trained weights go on, by the schedule from the rewind point on."""

from pipeline.domain.arms import Arm, trained


def lr_rewind() -> Arm:
    return Arm(prunes="own", weights=trained)
