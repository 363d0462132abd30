"""A lane is one training run; an item is the lanes of one DVC stage, all replicates (and draws) of one round and arm."""

import re
from dataclasses import dataclass
from typing import Literal, Self

from pipeline.values.errors import UserError


@dataclass(frozen=True)
class Arm:
    """How the lanes of an arm come about, in one round.

    masks: pruned from the arm's own round before, from the dense network, or of another arm (`masks_of`): as they are,
    with the survivors of each layer anywhere, or with those of each unit on other inputs.
    start: the weights training begins from: the dense training's at the rewind point, those the masks were pruned from
    had in the end, or fresh ones.
    lr: as the schedule says, or the last of the schedule throughout.
    """

    label: str  # in figures and reports
    masks: Literal["own", "dense", "same", "random", "shuffled"]
    start: Literal["rewound", "trained", "fresh"]
    masks_of: str | None = None
    lr: Literal["scheduled", "last"] = "scheduled"

    @property
    def is_control(self) -> bool:
        """Whether it takes another arm's masks: it is made by the stage `control`, the others by `prune` and `retrain`."""
        return self.masks_of is not None


# The order of tables; an arm comes after the one whose masks it takes. Sources: the paper's section 2 (ticket, one_shot,
# reinit), appendix B (continued) and E (random_mask); Renda et al. 2020 (lr_rewind, fine_tune); Frankle et al. 2021 (shuffles).
ARMS: dict[str, Arm] = {
    "ticket": Arm("ticket", "own", "rewound"),
    "one_shot": Arm("one-shot ticket", "dense", "rewound"),
    "lr_rewind": Arm("learning-rate rewinding", "own", "trained"),
    "fine_tune": Arm("fine-tuning", "own", "trained", lr="last"),
    "continued": Arm("ticket, mask without resets", "same", "rewound", masks_of="lr_rewind"),
    "reinit": Arm("random reinit", "same", "fresh", masks_of="ticket"),
    "one_shot_reinit": Arm("random reinit, one-shot mask", "same", "fresh", masks_of="one_shot"),
    "random_mask": Arm("random mask", "random", "rewound", masks_of="ticket"),
    "shuffled_mask": Arm("shuffled mask", "shuffled", "rewound", masks_of="ticket"),
}


@dataclass(frozen=True)
class Item:
    """`r07` is the ticket of round 7 (`r00` the dense network), `one_shot_r07` and `reinit_r07` are other arms."""

    experiment: str
    round: int
    arm: str

    @property
    def name(self) -> str:
        return f"r{self.round:02d}" if self.arm == "ticket" else f"{self.arm}_r{self.round:02d}"

    @property
    def previous(self) -> "Item":
        """The item whose trained weights and masks this one is pruned from; of a first round the dense network."""
        chained = ARMS[self.arm].masks == "own" and self.round > 1
        return Item(self.experiment, self.round - 1, self.arm) if chained else self.dense

    @property
    def start(self) -> "Item":
        """The item whose lanes have the weights this one begins from, unless these are fresh."""
        return self.previous if ARMS[self.arm].start == "trained" else self.dense

    @property
    def masked(self) -> "Item":
        """The item whose masks this one trains under: itself unless it is a control."""
        return Item(self.experiment, self.round, ARMS[self.arm].masks_of or self.arm)

    @property
    def dense(self) -> "Item":
        return Item(self.experiment, 0, "ticket")

    @classmethod
    def parse(cls, path: str) -> Self:
        """From the command line of a stage. Raises: UserError when it does not name an item."""
        found = re.fullmatch(rf"([a-z][a-z0-9_]*)/(?:({'|'.join(ARMS)})_)?r(\d\d+)", path)
        if not found:
            raise UserError(f"{path!r} does not name a round; should be like lenet/r07 or lenet/reinit_r07")
        return cls(found[1], int(found[3]), found[2] or "ticket")


@dataclass(frozen=True)
class Lane:
    item: Item
    seed: int
    draw: int | None = None  # None unless something of the item is drawn

    @property
    def name(self) -> str:
        return f"seed{self.seed}" if self.draw is None else f"seed{self.seed}_draw{self.draw}"

    def __str__(self) -> str:
        return f"{self.item.experiment}/{self.item.name}/{self.name}"
