"""Random reinitialisation (section 2): the same masks, fresh weights."""

from pipeline.domain.arms import Arm, fresh


def reinit(masks: str = "ticket") -> Arm:
    """masks: the arm whose masks these are."""
    return Arm(masks_of=masks, weights=fresh)
