"""The winning ticket (section 2): each round prunes the one before, and the survivors are rewound to the rewind point."""

from collections.abc import Mapping
from typing import Any

from pipeline.domain.arms import Arm, rewound


def ticket(criterion: str | Mapping[str, Any] | None = None, structure: str | Mapping[str, Any] | None = None) -> Arm:
    """criterion, structure: others than the experiment's."""
    return Arm(prunes="own", criterion=criterion, structure=structure, weights=rewound)
