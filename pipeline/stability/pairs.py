"""Which lanes of an experiment are two trainings of the same network that differ only in the order of the data."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.domain.arms import Arm, rewound
from pipeline.domain.lottery import Lottery
from pipeline.values.lanes import DENSE, Item, Lane


@dataclass(frozen=True)
class Pair:
    first: Lane
    second: Lane  # in a drawn order


def of(lottery: Lottery) -> Iterator[Pair]:
    """All pairs, item by item."""
    for again in lottery.items():
        first = _repeated(lottery, again)
        if first is not None:
            for lane in lottery.lanes(again):
                yield Pair(Lane(first, lane.seed), lane)


def _repeated(lottery: Lottery, item: Item) -> Item | None:
    """The item whose network an item trains again; None if there is no such item."""
    arm = lottery.arm_of(item)
    if arm is None or not _repeats(lottery, arm):
        return None
    return lottery.dense if arm.masks_of == DENSE else Item(lottery.name, item.round, arm.masks_of or "")


def _repeats(lottery: Lottery, arm: Arm) -> bool:
    """Whether an arm trains the rewound weights under the masks of an arm that trains them too, in another order of the data."""
    again = arm.order == "drawn" and arm.weights is rewound and arm.mask is None and arm.masks_of is not None
    if not again or arm.training != "scheduled":
        return False
    of = lottery.arms.get(arm.masks_of or "")
    same = of is None or (of.weights is rewound and of.order == "replicate" and of.training == "scheduled" and not of.mask)
    return same
