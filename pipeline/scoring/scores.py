"""The masks of a replicate, pruned by a criterion, which asks by name for what it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.domain import seeds
from pipeline.domain.arms import Weights
from pipeline.domain.masks import Mask
from pipeline.domain.pruning import Layer
from pipeline.domain.structures import Plan
from pipeline.files import masks
from pipeline.files.lane import LaneFiles
from pipeline.run.bound import Bound
from pipeline.values.errors import UserError, blaming, type_of
from pipeline.values.lanes import Item, Lane
from pipeline.values.plugins import Plugin

if TYPE_CHECKING:
    from pipeline.scoring.probe import Probe


Offers = Mapping[str, Callable[[], Any]]


def prune_in_steps(
    criterion: Plugin, offers: Callable[[Mask], Offers], mask: Mask, plan: Plan, rounds: range, steps: int
) -> Mask:
    """The mask after so many rounds, in steps between which the density falls by the same factor; each step is pruned by scores
    of the network under the mask of the step before (Tanaka et al. 2020, algorithm 1).

    offers: what the criterion is offered for a mask. rounds: from that of the mask to that of the result.
    """
    for step in range(1, steps + 1):
        mask = prune(criterion, offers(mask), mask, plan, rounds.start + len(rounds) * step / steps)
    return mask


def prune(criterion: Plugin, offers: Offers, mask: Mask, plan: Plan, rounds: float) -> Mask:
    """The mask after so many rounds, by the scores of a criterion; higher is kept.

    A criterion may ask for: `trained`, the trained weights that the item is pruned from; `initial`, those of iteration 0;
    `rewound`, those of the rewind point; `mask`, the one that is pruned; `rng`, a NumPy Generator; `module`, the network
    with the trained weights under the mask; `start_module`, the network with all parameters and buffers of the rewind point,
    its weights under the mask; `loss`, the task's, of outputs and targets; `batch`, inputs and targets to train on;
    `batches`, a function that gives a number of these; `gradient`, a function of weights and a number of batches. Only weights
    with a mask are offered. `gradient` needs all parameters, and takes those it is not given from the trained ones.
    Raises: UserError when the criterion fails or does not give each weight a score.
    """
    asked = {name: offers[name]() for name in criterion.asks}
    found = criterion(**asked)
    if not isinstance(found, Mapping):
        raise UserError(f"{criterion} gives {type_of(found)}, but should give a mapping of weights' names to scores")
    with blaming(f"{criterion} gives no arrays of scores"):
        scores = {name: np.asarray(array) for name, array in found.items()}
    wrong = [name for name, array in scores.items() if array.dtype.kind not in "biuf"]
    if wrong:
        raise UserError(
            f"{criterion} gives {', '.join(wrong)} scores of type {scores[wrong[0]].dtype}, but they should be numbers"
        )
    try:
        return plan.prune(scores, mask, rounds)
    except UserError as error:
        raise UserError(f"{criterion}: {error}") from error


@dataclass(frozen=True)
class Scoring:
    """What the criterion of an item is offered. The network and the data are read once, and only when it asks for them."""

    bound: Bound
    item: Item

    def mask(self, seed: int) -> Mask:
        """The mask of the item for a replicate. Raises: UserError as `prune` does."""
        lottery, item = self.bound.lottery, self.item
        previous = lottery.pruned_from(item)
        rounds, steps = range(previous.round, item.round), lottery.arms[item.arm].steps
        offers, mask = partial(self.offers, seed), self._mask(previous, seed)
        return prune_in_steps(self.bound.criteria[item.arm], offers, mask, self._plan, rounds, steps)

    def offers(self, seed: int, mask: Mask) -> Offers:
        """What the criterion of a replicate may ask for; `mask` is the one that is pruned."""
        dense, previous = self.bound.lottery.dense, self.bound.lottery.pruned_from(self.item)

        def of_lane(of: Item, which: str) -> Weights:
            return self._read(Lane(of, seed), which)

        def masked(weights: Weights) -> Weights:
            return {name: weights[name].copy() for name in mask}

        def trained() -> Weights:
            return mask.apply(of_lane(previous, "trained"))

        return {
            "trained": lambda: masked(trained()),
            "initial": lambda: masked(of_lane(dense, "start")),
            "rewound": lambda: masked(of_lane(dense, "rewind")),
            "mask": lambda: mask,
            "rng": lambda: np.random.default_rng(seeds.derive(seed, "criterion", self.item.name)),
            "module": lambda: self._probe.module_with(trained(), seed),
            "start_module": lambda: self._probe.module_with(mask.apply(of_lane(dense, "rewind")), seed),
            "loss": lambda: self._probe.setup.task.loss,
            "batch": lambda: self._probe.batches(seed, 1)[0],
            "batches": lambda: partial(self._probe.batches, seed),
            "gradient": lambda: self._probe.gradient_of(seed, trained()),
        }

    @cached_property
    def _plan(self) -> Plan:
        """How the masks are pruned. The network is built only for a structure that asks for it."""
        if self.bound.structures[self.item.arm].asks & {"module", "example"}:
            return self._probe.setup.plan(self.item.arm)
        return self.bound.plan(self.item.arm, self._layers)

    @cached_property
    def _layers(self) -> Mapping[str, Layer]:
        return masks.read_layers(self.bound.name, self.bound.target(self.bound.lottery.dense))

    def _mask(self, item: Item, seed: int) -> Mask:
        return masks.read(item, seed, self._layers, self.bound.target(item))

    @cached_property
    def _read(self) -> Callable[[Lane, str], Weights]:
        """Reads a file once, and not in each step."""

        def weights(lane: Lane, which: str) -> Weights:
            return LaneFiles.of(lane).weights(which, self._layers, self.bound.target(lane.item))

        return lru_cache(maxsize=3)(weights)

    @cached_property
    def _probe(self) -> "Probe":
        from pipeline.run import setup  # these import torch
        from pipeline.scoring.probe import Probe

        return Probe(setup.begin(self.bound))
