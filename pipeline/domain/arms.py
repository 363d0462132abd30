"""An arm says how the lanes beside the dense network come about in one round: whose masks, which weights, how trained."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from pipeline.domain.masks import Mask
from pipeline.values.errors import UserError

Weights = Mapping[str, NDArray[Any]]
# What `weights` and `mask` of an arm may ask for by the names of their parameters.
FOUND = ("mask", "initial", "rewound", "trained")
DRAWN = ("fresh", "rng")


@dataclass(frozen=True)
class Arm:
    """prunes: its masks are pruned from the arm's own round before, or from the dense network; or else
    masks_of: they are those of another arm in the same round; those of the arm `dense` are full.
    criterion: the one its masks are pruned by, when it is not the experiment's.
    weights: makes the weights that training begins from; a weight that the mask removes is set to 0 afterwards.
    mask: makes another mask of those that `masks_of` names; without it they are taken as they are.
    Both ask by name for `mask`, `initial` (weights of iteration 0), `rewound` (of the rewind point), `trained` (at the end
    of what it was pruned from), `fresh` (new weights from the experiment's init) or `rng` (a NumPy Generator): the last two
    are drawn for each of the arm's draws.
    training: as the experiment says, at the last learning rate of its schedule, or for as many iterations as all rounds
    up to this one take together, its schedule stretched.
    order: of the data; the replicate's own, or drawn.
    """

    weights: Callable[..., Weights]
    prunes: Literal["own", "dense"] | None = None
    masks_of: str | None = None
    criterion: str | Mapping[str, Any] | None = None
    mask: Callable[..., Mask] | None = None
    training: Literal["scheduled", "last_rate", "all_rounds"] = "scheduled"
    order: Literal["replicate", "drawn"] = "replicate"

    def __post_init__(self) -> None:
        if (self.prunes is None) == (self.masks_of is None):
            raise UserError("it should have either `prunes` or `masks_of`")
        if self.masks_of is None and self.mask is not None:
            raise UserError("only an arm with `masks_of` can have `mask`: pruned masks are as they are")
        if self.masks_of is not None and self.criterion is not None:
            raise UserError("only an arm with `prunes` can have a criterion of its own")
        unknown = sorted(self.asks.difference(FOUND, DRAWN))
        if unknown:
            raise UserError(f"it asks for {', '.join(unknown)}; should ask for some of {', '.join((*FOUND, *DRAWN))}")

    @property
    def is_control(self) -> bool:
        """Whether it takes another arm's masks: it is made by the stage `control`, the others by `prune` and `retrain`."""
        return self.masks_of is not None

    @property
    def asks(self) -> frozenset[str]:
        return frozenset(name for f in (self.weights, self.mask) if f is not None for name in inspect.signature(f).parameters)

    @property
    def is_drawn(self) -> bool:
        """Whether anything random is in it, so that it can be drawn several times for a seed."""
        return bool(self.asks.intersection(DRAWN)) or self.order == "drawn"

    @property
    def begins_at_rewind(self) -> bool:
        """Whether training begins at the rewind point: at iteration 0 it does only with nothing but fresh or initial weights."""
        return not {"rewound", "trained"}.isdisjoint(inspect.signature(self.weights).parameters)


def call(function: Callable[..., Any], offered: Mapping[str, Callable[[], Any]]) -> Any:
    """Calls a function of an arm with what it asks for; each of the offers is made only then."""
    return function(**{name: offered[name]() for name in inspect.signature(function).parameters})


def rewound(rewound: Weights) -> Weights:
    """The weights of a winning ticket (section 2, step 4)."""
    return rewound


def trained(trained: Weights) -> Weights:
    """The weights that the masks were pruned from, as training left them."""
    return trained


def fresh(fresh: Weights) -> Weights:
    """New weights from the experiment's init (section 2: random reinitialisation)."""
    return fresh
