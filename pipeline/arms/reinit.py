"""Random reinitialisation (section 2): the same masks with fresh weights."""

from pipeline.domain.arms import Arm, fresh


def reinit(masks: str = "ticket") -> Arm:
    """masks: the arm whose masks are used."""
    return Arm(masks_of=masks, weights=fresh)
