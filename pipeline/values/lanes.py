"""A lane is one training run; an item is all lanes of one DVC stage: the replicates (and draws) of one round and arm."""

import re
from dataclasses import dataclass
from typing import Self

from pipeline.values.errors import UserError

DENSE, TICKET = "dense", "ticket"


@dataclass(frozen=True)
class Item:
    """`r00` is the dense network, `r07` the ticket of round 7, `one_shot_r07` and `reinit_r07` are other arms."""

    experiment: str
    round: int
    arm: str

    @property
    def name(self) -> str:
        return f"r{self.round:02d}" if self.arm in (DENSE, TICKET) else f"{self.arm}_r{self.round:02d}"

    @classmethod
    def parse(cls, path: str) -> Self:
        """Reads an item from the command line of a stage. Raises: UserError when the argument does not name one."""
        found = re.fullmatch(r"([a-z][a-z0-9_]*)/(?:([a-z][a-z0-9_]*)_)?r(\d\d+)", path)
        if not found:
            raise UserError(f"{path!r} does not name a round; should be like lenet/r07 or lenet/reinit_r07")
        number = int(found[3])
        return cls(found[1], number, found[2] or (TICKET if number else DENSE))


@dataclass(frozen=True)
class Lane:
    item: Item
    seed: int
    draw: int | None = None  # None unless the item's arm draws something at random

    @property
    def name(self) -> str:
        return f"seed{self.seed}" if self.draw is None else f"seed{self.seed}_draw{self.draw}"

    def __str__(self) -> str:
        return f"{self.item.experiment}/{self.item.name}/{self.name}"
