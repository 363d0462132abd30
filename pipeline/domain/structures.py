"""What is removed together: single weights, weights of a block, or all weights of a unit, a filter or an attention head."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pipeline.domain import pruning
from pipeline.domain.masks import BoolArray, Mask
from pipeline.domain.pruning import Group, Layer
from pipeline.values.errors import UserError, type_of
from pipeline.values.plugins import Plugin

Scores = Mapping[str, NDArray[Any]]


@runtime_checkable
class Plan(Protocol):
    """How the masks of an arm are pruned; a structure (pipeline/structures) returns one."""

    def density(self, rounds: int) -> float:
        """The density of the masks after so many rounds, as a fraction of all weights; it does not depend on scores."""

    def check(self, rounds: int) -> None:
        """Raises: UserError that names the layer of which nothing would be left before so many rounds are over."""

    def prune(self, scores: Scores, mask: Mask, rounds: float) -> Mask:
        """The mask after so many rounds: a part of `mask`, with what has the highest scores."""


def plan_of(structure: Plugin, **offered: Any) -> Plan:
    """The plan of a structure. Raises: UserError when the structure fails, or gives something else."""
    found = structure(**offered)
    if not isinstance(found, Plan):
        raise UserError(f"{structure} gives {type_of(found)}, but should give a Plan (pipeline.domain.structures)")
    return found


@dataclass(frozen=True)
class ByWeight:
    """Single weights are removed, each by its own score."""

    layers: Mapping[str, Layer]
    groups: Sequence[Group]

    def density(self, rounds: int) -> float:
        return pruning.density(self.layers, self.groups, rounds)

    def check(self, rounds: int) -> None:
        pruning.check(self.groups, rounds)

    def prune(self, scores: Scores, mask: Mask, rounds: float) -> Mask:
        return pruning.prune(scores, mask, self.groups, rounds)


@dataclass(frozen=True)
class ByBlock:
    """In each block of m consecutive inputs of a row, as many weights are kept: N:M sparsity (Mishra et al. 2021).

    rates: the rate of each pruned weight. Shapes: the row of a convolution's weight holds its inputs at all places of a filter.
    """

    layers: Mapping[str, Layer]
    rates: Mapping[str, float]
    m: int

    def kept(self, name: str, rounds: float) -> int:
        """The number of weights left in each block; at least one is."""
        left: float = self.m * (1 - self.rates[name]) ** rounds
        return max(1, round(left))

    def density(self, rounds: int) -> float:
        left = {name: layer.size * self.kept(name, rounds) // self.m if name in self.rates else layer.size
                for name, layer in self.layers.items()}  # fmt: skip
        return sum(left.values()) / sum(layer.size for layer in self.layers.values())

    def check(self, rounds: int) -> None:
        """Nothing is ever emptied, because each block keeps a weight."""

    def prune(self, scores: Scores, mask: Mask, rounds: float) -> Mask:
        arrays = dict(mask)
        for name in self.rates:
            score = np.where(mask[name], _checked(scores, mask, name), -np.inf).reshape(-1, self.m)
            alive = mask[name].reshape(-1, self.m)
            keep = self.kept(name, rounds)
            if (alive.sum(axis=1) < keep).any():
                raise ValueError(f"{name}: {keep} weights of each block to keep, but fewer survive")
            # Survivors come first even when their scores are minus infinity; among equals, the first input does.
            order = np.lexsort((-score, ~alive), axis=1)
            kept = np.zeros_like(alive)
            np.put_along_axis(kept, order[:, :keep], True, axis=1)
            arrays[name] = kept.reshape(mask[name].shape)
        return Mask(arrays)


@dataclass(frozen=True, eq=False)
class Member:
    """A weight that units have parts in. units: along a dimension of it, the unit that each position belongs to, or -1."""

    weight: str
    dimension: int
    units: NDArray[np.int64]

    def along(self, kept: BoolArray, rank: int) -> BoolArray:
        """Which positions survive, shaped to be multiplied with a weight of so many dimensions. Shapes: kept (units,)."""
        found: BoolArray = np.where(self.units >= 0, kept[self.units], True)
        return found.reshape([-1 if i == self.dimension else 1 for i in range(rank)])

    def summed(self, scores: NDArray[np.float64], size: int) -> NDArray[np.float64]:
        """The sum of a weight's scores over each unit. Shapes: -> (size,)."""
        others = tuple(i for i in range(scores.ndim) if i != self.dimension)
        total = scores.sum(axis=others)
        return np.bincount(self.units[self.units >= 0], total[self.units >= 0], minlength=size).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Coupled:
    """Units that compute and feed the same layers, such as the filters whose outputs a residual network adds up.

    name: the weight that computes them; its kind has their rate. A member whose dimension is 0 computes the units, any other
    one reads them. Raises: UserError when a weight holds some units more often than others, because densities would then
    depend on which units are kept.
    """

    name: str
    size: int
    members: tuple[Member, ...]

    def __post_init__(self) -> None:
        for member in self.members:
            counts = np.bincount(member.units[member.units >= 0], minlength=self.size)
            if len(counts) != self.size or (counts != counts[0]).any():
                raise UserError(f"{member.weight} holds some units of {self.name} more often than others")

    def alive(self, mask: Mask) -> BoolArray:
        """The units with at least one weight. Shapes: -> (size,)."""
        return self.scores({m.weight: np.ones(mask[m.weight].shape) for m in self.members}, mask) > 0

    def scores(self, scores: Scores, mask: Mask) -> NDArray[np.float64]:
        """The sums of the survivors' scores over each unit and all its members. Shapes: -> (size,)."""
        masked = {m.weight: np.where(mask[m.weight], scores[m.weight], 0.0).astype(np.float64) for m in self.members}
        found: NDArray[np.float64] = np.sum([m.summed(masked[m.weight], self.size) for m in self.members], axis=0)
        return found

    def expanded(self, kept: BoolArray, mask: Mask) -> Mask:
        """The mask without the units that are not kept. Shapes: kept (size,)."""
        arrays = dict(mask)
        for member in self.members:
            arrays[member.weight] = arrays[member.weight] & member.along(kept, arrays[member.weight].ndim)
        return Mask(arrays)


@dataclass(frozen=True)
class ByUnit:
    """Whole units are removed, each by the sum of its weights' scores: its row in the layers that compute it, and its columns in
    those that read it. Biases and normalisation parameters have no mask, and a removed unit may therefore still have a
    constant value; it has no effect, because all weights that read it are 0. So it can also be removed from the network.

    After k rounds, round(n (1 - rate)^k) of n units are left, and the density follows from the numbers of units alone.
    Differs: Anwar et al. (2017) and Li et al. (2017) rank filters by their own weights; here, those that read them count too.
    """

    layers: Mapping[str, Layer]
    coupled: Sequence[Coupled]
    rates: Mapping[str, float]  # of each of the coupled, by its name

    def kept(self, units: Coupled, rounds: float) -> int:
        left: float = units.size * (1 - self.rates[units.name]) ** rounds
        return round(left)

    def density(self, rounds: int) -> float:
        return self._pruned(Mask.full({n: a.shape for n, a in self.layers.items()}), rounds, lambda u: -np.arange(u.size)).density

    def check(self, rounds: int) -> None:
        for k in range(1, rounds + 1):
            for units in self.coupled:
                if self.kept(units, k) < 1:
                    raise UserError(
                        f"pruning goes to round {rounds}, but after round {k} no unit of {units.name} would be left "
                        f"({units.size} units, rate {self.rates[units.name]}); it should go to round {k - 1} at most"
                    )

    def prune(self, scores: Scores, mask: Mask, rounds: float) -> Mask:
        checked = {m.weight: _checked(scores, mask, m.weight) for units in self.coupled for m in units.members}
        return self._pruned(mask, rounds, lambda units: units.scores(checked, mask))

    def _pruned(self, mask: Mask, rounds: float, score: Callable[[Coupled], NDArray[Any]]) -> Mask:
        """Every unit is scored under the mask that is pruned, whatever is removed from other layers at the same time."""
        left = mask
        for units in self.coupled:
            alive, keep = units.alive(mask), self.kept(units, rounds)
            found = np.where(alive, score(units), -np.inf)
            if np.isnan(found).any():
                raise UserError(f"{units.name} has a unit whose score is not a number")
            if alive.sum() < keep:
                raise ValueError(f"{units.name}: {keep} units to keep, but only {alive.sum()} survive")
            kept = np.zeros(units.size, dtype=np.bool_)
            kept[np.lexsort((-found, ~alive))[:keep]] = True
            left = units.expanded(kept, left)
        return left


def _rates(layers: Mapping[str, Layer], coupled: Sequence[Coupled], rates: Mapping[str, float], what: str) -> dict[str, float]:
    """The rates of those units that have one: that of the first weight which computes them and whose kind has a rate.

    Raises: UserError when none has.
    """
    found = {}
    for units in coupled:
        kinds = [layers[m.weight].kind for m in units.members if m.dimension == 0]
        own = [rates[kind] for kind in kinds if kind in rates]
        if own:
            found[units.name] = own[0]
    if not found:
        kinds = [*dict.fromkeys(layers[units.name].kind for units in coupled)]
        has = f"those of the network are in layers of the kinds {', '.join(kinds)}" if kinds else "the network has none"
        raise UserError(f"pruning.rates names {', '.join(rates)} and should name a kind whose {what} can be removed; {has}")
    return found


def require_layers(scope: str, structure: str) -> None:
    """Raises: UserError for every scope but the layer's own."""
    if scope != "layer":
        raise UserError(f"pruning.scope is {scope}, but the structure {structure} is removed layer by layer; should be layer")


def by_unit(
    layers: Mapping[str, Layer], coupled: Sequence[Coupled], rates: Mapping[str, float], scope: str, structure: str
) -> ByUnit:
    """The plan for those of the coupled units whose rate is given. structure: the name, for messages."""
    require_layers(scope, structure)
    chosen = _rates(layers, coupled, rates, f"{structure}s")
    return ByUnit(layers, [units for units in coupled if units.name in chosen], chosen)


def _checked(scores: Scores, mask: Mask, name: str) -> NDArray[np.float64]:
    """Scores as float64. Raises: UserError when one is missing or not a number."""
    if name not in scores or scores[name].shape != mask[name].shape:
        raise UserError(f"{name} should have one score for each weight")
    found: NDArray[np.float64] = scores[name].astype(np.float64)
    if np.isnan(found[mask[name]]).any():
        raise UserError(f"{name} has a score that is not a number")
    return found


def merged(members: Iterator[Member] | Sequence[Member]) -> tuple[Member, ...]:
    """Members of the same weight and dimension as one."""
    found: dict[tuple[str, int], Member] = {}
    for member in members:
        key = (member.weight, member.dimension)
        before = found.get(key)
        units = member.units if before is None else np.where(before.units >= 0, before.units, member.units)
        found[key] = Member(*key, units)
    return tuple(found.values())
