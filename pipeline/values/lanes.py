"""A lane is one training run; an item is the lanes of one DVC stage, all replicates (and draws) of one round and arm."""

import re
from dataclasses import dataclass
from typing import Literal, Self

from pipeline.values.errors import UserError

Arm = Literal["ticket", "one_shot", "reinit", "one_shot_reinit"]
CONTROLS: dict[Arm, Arm] = {"reinit": "ticket", "one_shot_reinit": "one_shot"}  # control -> the arm whose masks it takes


@dataclass(frozen=True)
class Item:
    """`r07` is the ticket of round 7 (`r00` the dense network), `one_shot_r07` and `reinit_r07` are other arms."""

    experiment: str
    round: int
    arm: Arm

    @property
    def name(self) -> str:
        return f"r{self.round:02d}" if self.arm == "ticket" else f"{self.arm}_r{self.round:02d}"

    @property
    def previous(self) -> "Item":
        """The item whose trained weights and masks this one is pruned from."""
        return Item(self.experiment, self.round - 1 if self.arm == "ticket" else 0, "ticket")

    @property
    def masked(self) -> "Item":
        """The item whose masks this one trains under: itself unless it is a control."""
        return Item(self.experiment, self.round, CONTROLS.get(self.arm, self.arm))

    @property
    def stage(self) -> str:
        """The DVC stage, as it stands behind the colon of `dvc repro experiments/<experiment>/dvc.yaml:<stage>`."""
        if self.round == 0:
            return "train_dense"
        return f"{'control' if self.arm in CONTROLS else 'retrain'}@{self.name}"

    @classmethod
    def parse(cls, path: str) -> Self:
        """From the command line of a stage. Raises: UserError when it does not name an item."""
        found = re.fullmatch(r"([a-z][a-z0-9_]*)/(?:(one_shot|reinit|one_shot_reinit)_)?r(\d\d+)", path)
        if not found:
            raise UserError(f"{path!r} does not name a round; should be like lenet/r07 or lenet/reinit_r07")
        return cls(found[1], int(found[3]), found[2] or "ticket")  # type: ignore[arg-type]


@dataclass(frozen=True)
class Lane:
    item: Item
    seed: int
    draw: int | None = None  # None unless the item is a control

    @property
    def name(self) -> str:
        return f"seed{self.seed}" if self.draw is None else f"seed{self.seed}_draw{self.draw}"

    def __str__(self) -> str:
        return f"{self.item.experiment}/{self.item.name}/{self.name}"
