"""The masks of a replicate, pruned by a criterion, which asks by name for what it needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.domain import pruning, seeds
from pipeline.domain.arms import Weights
from pipeline.domain.masks import Mask
from pipeline.files.lane import LaneFiles
from pipeline.run.bound import Bound
from pipeline.values.errors import UserError, blaming, type_of
from pipeline.values.lanes import Item, Lane
from pipeline.values.plugins import Plugin

if TYPE_CHECKING:
    from pipeline.scoring.probe import Probe


def prune(
    criterion: Plugin, offers: Mapping[str, Callable[[], Any]], mask: Mask, groups: Sequence[pruning.Group], rounds: int
) -> Mask:
    """The mask after so many rounds, by the scores of a criterion; higher is kept.

    A criterion may ask for: `trained`, the trained weights that the item is pruned from; `initial`, those of iteration 0;
    `rewound`, those of the rewind point; `mask`, the one that is pruned; `rng`, a NumPy Generator; `module`, the network
    with the trained weights; `batch`, inputs and targets to train on; `gradient`, a function of weights and a number of
    batches. Only weights with a mask are offered. `gradient` needs all parameters, and takes those it is not given from
    the trained ones.
    Raises: UserError when the criterion fails or does not give each weight a score.
    """
    asked = {name: offers[name]() for name in criterion.asks}
    found = criterion(**asked)
    if not isinstance(found, Mapping):
        raise UserError(f"{criterion} gives {type_of(found)}, should give a mapping of weights' names to scores")
    with blaming(f"{criterion} gives no arrays of scores"):
        scores = {name: np.asarray(array) for name, array in found.items()}
    wrong = [name for name, array in scores.items() if array.dtype.kind not in "biuf"]
    if wrong:
        raise UserError(f"{criterion} gives {', '.join(wrong)} scores of type {scores[wrong[0]].dtype}, should be numbers")
    try:
        return pruning.prune(scores, mask, groups, rounds)
    except UserError as error:
        raise UserError(f"{criterion}: {error}") from error


@dataclass(frozen=True)
class Scoring:
    """What the criterion of an item is offered. The network and the data are read once, and only when it asks for them."""

    bound: Bound
    item: Item

    def offers(self, seed: int, mask: Mask) -> Mapping[str, Callable[[], Any]]:
        """What the criterion of a replicate may ask for; `mask` is the one that is pruned."""
        dense, previous = self.bound.lottery.dense, self.bound.lottery.pruned_from(self.item)

        def of_lane(of: Item, which: str) -> Weights:
            return LaneFiles.of(Lane(of, seed)).weights(which, mask)

        def masked(weights: Weights) -> Weights:
            return {name: weights[name] for name in mask}

        return {
            "trained": lambda: masked(of_lane(previous, "trained")),
            "initial": lambda: masked(of_lane(dense, "start")),
            "rewound": lambda: masked(of_lane(dense, "rewind")),
            "mask": lambda: mask,
            "rng": lambda: np.random.default_rng(seeds.derive(seed, "criterion", self.item.name)),
            "module": lambda: self._probe.module_with(of_lane(previous, "trained")),
            "batch": lambda: self._probe.batches(seed, 1)[0],
            "gradient": lambda: self._probe.gradient_of(seed, of_lane(previous, "trained")),
        }

    @cached_property
    def _probe(self) -> "Probe":
        from pipeline.run import setup  # these import torch
        from pipeline.scoring.probe import Probe

        return Probe(setup.begin(self.bound))
