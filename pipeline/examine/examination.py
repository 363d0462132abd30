"""Examines the dense network and every arm that prunes masks of its own, in all rounds and replicates.

Each file is read once, so that the time grows with the number of rounds times the number of replicates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from pipeline.domain import pruning
from pipeline.domain.lottery import Lottery
from pipeline.domain.masks import Mask
from pipeline.domain.pruning import Group
from pipeline.examine import connections, distribution, movement, overlap, storage
from pipeline.examine.collected import Numbers, Profiles
from pipeline.examine.quantities import Measured
from pipeline.examine.replicates import Dense, Reader, Weights
from pipeline.files import masks
from pipeline.settings import places
from pipeline.values.lanes import Item

if TYPE_CHECKING:
    import pandas as pd


def examine(lottery: Lottery) -> tuple[pd.DataFrame, pd.DataFrame]:
    """examined.csv and profiles.csv of an experiment. Raises: UserError that names a file which is missing or damaged."""
    examination = Examination.begin(lottery)
    examination.dense_network()
    pruned = [item for item in lottery.items() if item.round and not lottery.is_control(item)]
    for number in sorted({item.round for item in pruned}):
        examination.round(number, [item for item in pruned if item.round == number])
    order = (list(lottery.arms), list(examination.reader.layers))
    return examination.numbers.table(*order), examination.profiles.table(*order)


@dataclass(frozen=True, eq=False)
class Examination:
    """dense: by seed. groups: the weights that are ranked together. at_once, early: for each seed, the masks that magnitude
    pruning makes from the dense network's trained weights and from its weights at the rewind point; every round updates them.
    """

    lottery: Lottery
    reader: Reader
    groups: list[Group]
    dense: dict[int, Dense]
    at_once: dict[int, Mask]
    early: dict[int, Mask]
    numbers: Numbers
    profiles: Profiles

    @classmethod
    def begin(cls, lottery: Lottery) -> Examination:
        layers, settings = masks.read_layers(lottery.name, places.target(lottery.dense, False)), lottery.experiment.pruning
        reader = Reader(layers)
        dense = {lane.seed: Dense.read(reader, lane) for lane in lottery.lanes(lottery.dense)}
        full = Mask.full({name: layer.shape for name, layer in layers.items()})
        whole = dict.fromkeys(dense, full)
        bins = {name: distribution.edges(np.stack([found.initial[name] for found in dense.values()])) for name in layers}
        groups = pruning.groups(layers, settings.rates, settings.scope)
        return cls(lottery, reader, groups, dense, dict(whole), dict(whole), Numbers(), Profiles(layers, bins))

    def dense_network(self) -> None:
        for seed, found in self.dense.items():
            whole = self.at_once[seed]
            measured = distribution.measure(found.initial, whole) | movement.measure(found.initial, found.trained, whole)
            self.numbers.add(self.lottery.dense, 1.0, seed, measured)
            self.profiles.weights(self.lottery.dense, 1.0, found.initial, whole)

    def round(self, number: int, items: Iterable[Item]) -> None:
        """items: those of the round. The rounds have to be examined in increasing order."""
        for seed, found in self.dense.items():
            self.at_once[seed] = self._pruned(found.trained, self.at_once[seed], number)
            self.early[seed] = self._pruned(found.rewound, self.early[seed], number)
            early = overlap.found_in(self.at_once[seed], self.early[seed], "early_bird")
            self.numbers.add(Item(self.lottery.name, number, self.lottery.dense.arm), self.at_once[seed].density, seed, early)
        for item in items:
            self._item(item)

    def _pruned(self, weights: Weights, mask: Mask, number: int) -> Mask:
        """Prunes the same weights by magnitude in every round, which gives the same mask as pruning the full mask at once."""
        return pruning.prune({name: np.abs(array) for name, array in weights.items()}, mask, self.groups, number)

    def _item(self, item: Item) -> None:
        found = {seed: self.reader.mask(item, seed) for seed in self.dense}
        beside = overlap.replicates(found)
        trained = self._own_training(item, found)
        for seed, mask in found.items():
            dense, density = self.dense[seed], mask.density
            for measured in (
                distribution.measure(dense.initial, mask),
                movement.in_dense_training(dense.initial, dense.trained, mask),
                trained[seed],
                connections.measure(mask, self.reader.layers),
                storage.measure(mask, self.reader.layers),
                beside[seed],
                *self._beside_magnitude(item, mask, seed),
            ):
                self.numbers.add(item, density, seed, measured)
            self.profiles.weights(item, density, dense.initial, mask)
            self.profiles.connections(item, density, mask)

    def _beside_magnitude(self, item: Item, mask: Mask, seed: int) -> list[Measured]:
        """A mask beside those that magnitude pruning of single weights makes; nothing where other structures are removed."""
        if self.lottery.structure(item.arm).name != "weight":
            return []
        found_at_rewind = overlap.found_in(mask, self.early[seed], "mask_found_at_rewind")
        return [overlap.jaccard(mask, self.at_once[seed], "overlap_one_shot"), found_at_rewind]

    def _own_training(self, item: Item, found: dict[int, Mask]) -> dict[int, Measured]:
        """The movement in the training of an item's lanes, averaged over the draws of each seed."""
        measured: dict[int, list[Measured]] = {seed: [] for seed in found}
        for lane in self.lottery.lanes(item):
            start, trained = (self.reader.weights(lane, which) for which in ("start", "trained"))
            measured[lane.seed].append(movement.measure(start, trained, found[lane.seed]))
        return {seed: {key: fmean(draw[key] for draw in draws) for key in draws[0]} for seed, draws in measured.items()}
