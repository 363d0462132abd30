"""Masks found without resets (appendix B): the rewound weights are trained under the masks of learning-rate rewinding."""

from pipeline.domain.arms import Arm, rewound


def continued() -> Arm:
    return Arm(masks_of="lr_rewind", weights=rewound)
