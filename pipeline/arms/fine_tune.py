"""Fine-tuning, as in Renda et al. (2020): the trained weights are trained on at the last learning rate of the schedule."""

from pipeline.domain.arms import Arm, trained


def fine_tune() -> Arm:
    return Arm(prunes="own", weights=trained, training="last_rate")
