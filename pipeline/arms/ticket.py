"""The winning ticket (section 2): iterative pruning, each round from the one before, and back to the rewind point."""

from collections.abc import Mapping
from typing import Any

from pipeline.domain.arms import Arm, rewound


def ticket(criterion: str | Mapping[str, Any] | None = None) -> Arm:
    """criterion: another one than the experiment's."""
    return Arm(prunes="own", criterion=criterion, weights=rewound)
