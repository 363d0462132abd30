"""The scores by which a replicate's weights are pruned, from a criterion, which asks by name for what it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.domain import seeds
from pipeline.domain.arms import Weights
from pipeline.domain.masks import Mask
from pipeline.files.lane import LaneFiles
from pipeline.run.bound import Bound
from pipeline.values.errors import UserError, reason
from pipeline.values.lanes import Item, Lane

if TYPE_CHECKING:
    from pipeline.scoring.probe import Probe


@dataclass(frozen=True)
class Scoring:
    """The scores of an item's replicates. The network and the data are read once, and only for a criterion that asks for them."""

    bound: Bound
    item: Item

    def of(self, seed: int, mask: Mask) -> Weights:
        """Scores of every weight of the network; higher is kept.

        A criterion may ask for: `trained`, the trained weights that the item is pruned from; `initial`, those of iteration 0;
        `rewound`, those of the rewind point; `mask`, the one that is pruned; `rng`, a NumPy Generator; `module`, the network
        with the trained weights; `batch`, inputs and targets to train on; `gradient`, a function of weights and a number of
        batches. Only weights with a mask are offered. `gradient` needs all parameters, and takes those it is not given from
        the trained ones.
        Raises: UserError when the criterion fails or gives no scores.
        """
        criterion, offers = self.bound.criteria[self.item.arm], self._offers(seed, mask)
        try:
            found = criterion(**{name: offers[name]() for name in criterion.asks})
        except UserError:
            raise
        except Exception as error:  # whatever the user's criterion does
            raise UserError(f"{criterion} failed: {reason(error)}") from error
        if not isinstance(found, Mapping):
            raise UserError(f"{criterion} gives a {type(found).__name__}, should give a mapping of weights' names to scores")
        return {name: np.asarray(scores) for name, scores in found.items()}

    def _offers(self, seed: int, mask: Mask) -> Mapping[str, Callable[[], Any]]:
        dense, previous = self.bound.lottery.dense, self.bound.lottery.pruned_from(self.item)

        def of_lane(of: Item, which: str) -> Weights:
            return LaneFiles.of(Lane(of, seed)).weights(which)

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
