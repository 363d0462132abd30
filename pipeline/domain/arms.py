"""An arm defines how lanes beside the dense network are made in a round: their masks, their weights and their training."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from numpy.typing import NDArray

from pipeline.domain.masks import Mask
from pipeline.values.errors import UserError, type_of
from pipeline.values.experiment import MOST, Scope

Weights = Mapping[str, NDArray[Any]]
Prunes = Literal["own", "dense"]
Course = Literal["scheduled", "last_rate", "all_rounds"]
Order = Literal["replicate", "drawn"]
# What `weights` and `mask` of an arm may ask for by the names of their parameters: what exists, and what is drawn.
FOUND = ("mask", "initial", "rewound", "trained")
DRAWN = ("fresh", "rng")


@dataclass(frozen=True)
class Arm:
    """How the lanes of an arm are made; it has one of `prunes` and `masks_of`.

    prunes: the masks are pruned from the arm's own previous round, or from the dense network.
    masks_of: the masks are those of another arm in the same round; those of the arm `dense` are full.
    criterion, scope, structure: those by which the masks are pruned, when they are not the experiment's.
    steps: the number of steps in which a mask is pruned, by scores of the network under the mask of the step before.
    weights: makes the weights at which training begins; a weight that the mask removes is set to 0 afterwards.
    mask: makes a new mask from each that `masks_of` names; without it, the masks are used as they are.
    `weights` and `mask` ask by name for `mask`, `initial` (the weights of iteration 0), `rewound` (those of the rewind point),
    `trained` (those at the end of the training from which the mask was pruned), `fresh` (new weights from the experiment's
    init) or `rng` (a NumPy Generator); the last two are drawn for each of the arm's draws. A parameter with a default keeps it.
    training: as the experiment says, at the last learning rate of its schedule, or for 1 + round times
    as many iterations, which the dense network and the rounds up to this one take together, with the schedule stretched.
    order: the order of the data, which is the replicate's own or drawn.
    Raises: UserError when these do not go together.
    """

    weights: Callable[..., Weights]
    prunes: Prunes | None = None
    masks_of: str | None = None
    criterion: str | Mapping[str, Any] | None = None
    scope: Scope | None = None
    structure: str | Mapping[str, Any] | None = None
    steps: int = 1
    mask: Callable[..., Mask] | None = None
    training: Course = "scheduled"
    order: Order = "replicate"

    def __post_init__(self) -> None:
        if (self.prunes is None) == (self.masks_of is None):
            has = "neither" if self.prunes is None else "both"
            raise UserError(f"it has {has} of `prunes` and `masks_of`, but should have one of them")
        chosen = {"prunes": (None, *get_args(Prunes)), "scope": (None, *get_args(Scope))}
        chosen |= {"training": get_args(Course), "order": get_args(Order)}
        for name, choices in chosen.items():
            if getattr(self, name) not in choices:
                should = ", ".join(filter(None, choices))
                raise UserError(f"its `{name}` is {getattr(self, name)!r}, but should be one of {should}")
        if type(self.steps) is not int or not 1 <= self.steps <= MOST:
            raise UserError(f"its `steps` is {self.steps!r}, but should be a whole number from 1 to {MOST}")
        for name in ("weights", "mask"):
            given = getattr(self, name)
            if not callable(given) and (name == "weights" or given is not None):
                raise UserError(f"its `{name}` is {type_of(given)}, but should be a function")
        if self.masks_of is None and self.mask is not None:
            raise UserError("only an arm with `masks_of` can have `mask`: pruned masks are as they are")
        own: dict[str, Any] = {"a criterion": self.criterion, "a scope": self.scope, "a structure": self.structure}
        own |= {"steps": None if self.steps == 1 else self.steps}
        given = [what for what, value in own.items() if value is not None]
        if self.masks_of is not None and given:
            raise UserError(f"only an arm with `prunes` can have {given[0]} of its own")
        unknown = sorted(self.asks.difference(FOUND, DRAWN))
        if unknown:
            raise UserError(f"it asks for {', '.join(unknown)}; should ask for some of {', '.join((*FOUND, *DRAWN))}")

    @property
    def is_control(self) -> bool:
        """Whether the arm takes another arm's masks. The stage `control` makes it; `prune` and `retrain` make others."""
        return self.masks_of is not None

    @property
    def asks(self) -> frozenset[str]:
        return frozenset(name for f in (self.weights, self.mask) if f is not None for name in _asked(f))

    @property
    def is_drawn(self) -> bool:
        """Whether the arm has a random part, so that it can be drawn several times for a seed."""
        return bool(self.asks.intersection(DRAWN)) or self.order == "drawn"

    @property
    def begins_at_rewind(self) -> bool:
        """Whether training begins at the rewind point. It begins at iteration 0 only when all weights are fresh or initial."""
        return not {"rewound", "trained"}.isdisjoint(_asked(self.weights))


def call(function: Callable[..., Any], offered: Mapping[str, Callable[[], Any]]) -> Any:
    """Calls a function of an arm with what it asks for; what it does not ask for is neither read nor drawn."""
    return function(**{name: offered[name]() for name in _asked(function)})


def _asked(function: Callable[..., Any]) -> list[str]:
    return [name for name, p in inspect.signature(function).parameters.items() if p.default is inspect.Parameter.empty]


def rewound(rewound: Weights) -> Weights:
    """The weights of a winning ticket (section 2, step 4)."""
    return rewound


def trained(trained: Weights) -> Weights:
    """The trained weights from which the masks were pruned."""
    return trained


def fresh(fresh: Weights) -> Weights:
    """New weights from the experiment's init (section 2: random reinitialisation)."""
    return fresh
