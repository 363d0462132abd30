"""A lane is one training run; an item is the lanes of one DVC stage, all replicates (and draws) of one round and arm."""

import re
from dataclasses import dataclass
from typing import Literal

Arm = Literal["ticket", "one_shot", "reinit", "one_shot_reinit"]
MASKED = ("ticket", "one_shot")  # arms with masks of their own; the others train under these masks with other weights
CONTROLS = {"reinit": "ticket", "one_shot_reinit": "one_shot"}  # control -> the arm whose masks it takes


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
        arm = CONTROLS.get(self.arm)
        return Item(self.experiment, self.round, "ticket" if arm == "ticket" else "one_shot") if arm else self

    @property
    def stage(self) -> str:
        """The DVC stage, as it stands behind the colon of `dvc repro experiments/<experiment>/dvc.yaml:<stage>`."""
        if self.round == 0:
            return "train_dense"
        return f"{'control' if self.arm in CONTROLS else 'retrain'}@{self.name}"

    @classmethod
    def parse(cls, experiment: str, name: str) -> "Item":
        """Raises: ValueError when the name is not an item's."""
        found = re.fullmatch(r"(?:(one_shot|reinit|one_shot_reinit)_)?r(\d\d+)", name)
        if not found:
            raise ValueError(f"{name!r} is not a round; should be like r07 or reinit_r07")
        return cls(experiment, int(found[2]), found[1] or "ticket")  # type: ignore[arg-type]


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
