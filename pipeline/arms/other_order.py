"""A second training of the same ticket, in which only the order of the data differs (Frankle et al. 2020). The error along the
line between the two trained networks tells whether the ticket is stable.
"""

from pipeline.domain.arms import Arm, rewound


def other_order(masks: str = "ticket") -> Arm:
    """masks: the arm that is trained again; `dense` for the dense network, from the rewind point on."""
    return Arm(masks_of=masks, weights=rewound, order="drawn")
