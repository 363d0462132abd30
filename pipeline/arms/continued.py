"""Masks found without resets (appendix B): those of learning-rate rewinding, under which the rewound weights are trained."""

from pipeline.domain.arms import Arm, rewound


def continued() -> Arm:
    return Arm(masks_of="lr_rewind", weights=rewound)
