"""The folder of one lane. This module alone writes and reads the files in it.

start.safetensors    the weights at which training began; for a ticket, mask * rewound weights; those of every lane are masked
trained.safetensors  the weights at which training ended
rewind.safetensors   dense lanes only: the weights at the rewind point
mask.safetensors     only where the mask was made for this lane; otherwise lane.json names the item that has it
history.csv          one row for each evaluation
lane.json            what the lane is, what it depends on and how it ended
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pipeline.domain.masks import Mask
from pipeline.files import store
from pipeline.files.store import Arrays, Shaped
from pipeline.values import paths
from pipeline.values.lanes import Lane

WEIGHTS = ("start", "trained", "rewind")


@dataclass(frozen=True)
class LaneFiles:
    folder: Path

    @classmethod
    def of(cls, lane: Lane) -> Self:
        return cls(paths.lanes(lane.item.experiment, lane.item.name) / lane.name)

    @property
    def about(self) -> Path:
        return self.folder / "lane.json"

    @property
    def history(self) -> Path:
        return self.folder / "history.csv"

    @property
    def own_mask(self) -> Path:
        return self.folder / "mask.safetensors"

    def weights_file(self, which: str) -> Path:
        """which: one of WEIGHTS."""
        return self.folder / f"{which}.safetensors"

    def weights(self, which: str, layers: Mapping[str, Shaped] | None = None, target: str = "") -> Arrays:
        """layers: the weights that have to be there, finite. target: what `dvc repro` takes to make them.

        Raises: UserError when they are missing, damaged, or those of another network.
        """
        path = self.weights_file(which)
        return store.require(path, store.read_arrays(path, target), layers or {}, target)

    def read_about(self, target: str = "") -> dict[str, Any]:
        """target: what `dvc repro` takes to make it. Raises: UserError when lane.json is missing or damaged."""
        return store.read_json(self.about, target)

    def mask_file(self, about: Mapping[str, Any]) -> Path:
        """The file of the mask the lane was trained under. about: the content of its lane.json."""
        return self.own_mask if about["masks"] is None else paths.mask(about["experiment"], about["masks"], about["seed"])

    def write(
        self, about: Mapping[str, Any], weights: Mapping[str, Arrays], history: Sequence[Mapping[str, Any]], mask: Mask | None
    ) -> None:
        """weights: by their names in WEIGHTS. mask: one that only this lane has. lane.json is last: it marks a complete lane."""
        for which, arrays in weights.items():
            store.write_arrays(self.weights_file(which), arrays)
        if mask is not None:
            store.write_mask(self.own_mask, mask)
        store.write_csv(self.history, list(history[0]), history)
        store.write_json(self.about, about)
