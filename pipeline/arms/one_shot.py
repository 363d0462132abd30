"""The one-shot ticket (section 2): pruned once, from the dense network, to the density of its round."""

from collections.abc import Mapping
from typing import Any

from pipeline.domain.arms import Arm, rewound
from pipeline.values.experiment import Scope


def one_shot(
    criterion: str | Mapping[str, Any] | None = None,
    scope: Scope | None = None,
    structure: str | Mapping[str, Any] | None = None,
    steps: int = 1,
) -> Arm:
    """criterion, scope, structure: others than the experiment's. steps: the number of steps in which each mask is pruned."""
    return Arm(prunes="dense", criterion=criterion, scope=scope, structure=structure, steps=steps, weights=rewound)
