"""Random reinitialisation of the one-shot tickets (section 2)."""

from pipeline.domain.arms import Arm, fresh


def one_shot_reinit() -> Arm:
    return Arm(masks_of="one_shot", weights=fresh)
