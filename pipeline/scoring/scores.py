"""The scores by which a replicate's weights are pruned, from a criterion that asks by name for what it needs."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pipeline.domain import seeds
from pipeline.domain.arms import Weights
from pipeline.domain.masks import Mask
from pipeline.files.lane import LaneFiles
from pipeline.run.bound import Bound
from pipeline.values.errors import UserError, reason
from pipeline.values.lanes import Item, Lane


def of(bound: Bound, item: Item, seed: int, mask: Mask) -> Weights:
    """Scores of every weight of the network; higher is kept.

    A criterion may ask for: `trained`, the weights at the end of what the item is pruned from; `initial`, those of iteration
    0; `rewound`, those of the rewind point; `mask`, the one that is pruned; `rng`, a NumPy Generator; `module`, the network
    with the trained weights; `batch`, inputs and targets to train on; `gradient`, a function of weights and of how many
    batches. All weights are of the masks' names only, but those that `gradient` is given, which need all of them: it takes
    what is missing from the trained ones.
    Raises: UserError when the criterion fails or gives no scores.
    """
    criterion = bound.criteria[item.arm]
    offers = _offers(bound, item, seed, mask)
    try:
        found = criterion(**{name: offers[name]() for name in criterion.asks})
    except UserError:
        raise
    except Exception as error:  # whatever the user's criterion does
        raise UserError(f"{criterion} failed: {reason(error)}") from error
    if not isinstance(found, Mapping):
        raise UserError(f"{criterion} gives a {type(found).__name__}, should give a mapping of weights' names to scores")
    return {name: np.asarray(scores) for name, scores in found.items()}


def _offers(bound: Bound, item: Item, seed: int, mask: Mask) -> Mapping[str, Callable[[], Any]]:
    dense, previous = bound.lottery.dense, bound.lottery.pruned_from(item)

    def of_lane(of: Item, which: str) -> Weights:
        return LaneFiles.of(Lane(of, seed)).weights(which)

    def masked(weights: Weights) -> Weights:
        return {name: weights[name] for name in mask}

    def with_network(what: str) -> Any:
        from pipeline.run import setup
        from pipeline.scoring import probe  # torch, and the data: only for a criterion that asks for them

        start, trained = setup.begin(bound), of_lane(previous, "trained")
        if what == "module":
            return probe.module_with(start, trained)
        if what == "batch":
            return probe.batches(start, seed, 1)[0]
        return probe.gradient_of(start, seed, trained)

    return {
        "trained": lambda: masked(of_lane(previous, "trained")),
        "initial": lambda: masked(of_lane(dense, "start")),
        "rewound": lambda: masked(of_lane(dense, "rewind")),
        "mask": lambda: mask,
        "rng": lambda: np.random.default_rng(seeds.derive(seed, "criterion", item.name)),
        "module": lambda: with_network("module"),
        "batch": lambda: with_network("batch"),
        "gradient": lambda: with_network("gradient"),
    }
