"""The winning ticket (section 2): each round prunes the one before, and the survivors are rewound to the rewind point."""

from collections.abc import Mapping
from typing import Any

from pipeline.domain.arms import Arm, rewound
from pipeline.values.experiment import Scope


def ticket(
    criterion: str | Mapping[str, Any] | None = None,
    scope: Scope | None = None,
    structure: str | Mapping[str, Any] | None = None,
    steps: int = 1,
) -> Arm:
    """criterion, scope, structure: others than the experiment's. steps: the number of steps in which each mask is pruned."""
    return Arm(prunes="own", criterion=criterion, scope=scope, structure=structure, steps=steps, weights=rewound)
