"""The one-shot ticket (section 2): pruned once, from the dense network, to the density of its round."""

from collections.abc import Mapping
from typing import Any

from pipeline.domain.arms import Arm, rewound


def one_shot(criterion: str | Mapping[str, Any] | None = None, structure: str | Mapping[str, Any] | None = None) -> Arm:
    """criterion, structure: others than the experiment's."""
    return Arm(prunes="dense", criterion=criterion, structure=structure, weights=rewound)
