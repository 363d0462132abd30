"""Masks from scores (section 2: each round removes a fraction of the survivors, layer-wise or globally).

Scopes: `layer` ranks the weights of each layer, which keeps the share that its rate leaves; with one rate, all layers have the
same density, which is called uniform. `global` ranks the weights of all layers together. The others rank the weights of each
layer, and distribute the weights that one rate leaves over the layers: `erdos_renyi` makes the density of a layer proportional
to (n_in + n_out) / (n_in * n_out), `erk` counts the sides of the kernel too, and `balanced` keeps as many weights in each layer.
Source: Mocanu et al. 2018 (Erdos-Renyi); Evci et al. 2020, section 3 (the kernels; no layer is more than full).
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import floor, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.domain.masks import Mask
from pipeline.values.errors import UserError


@dataclass(frozen=True)
class Layer:
    """What pruning knows about a weight."""

    kind: str  # conv, fc, output, downsample, attention, embedding, recurrent, or a kind that a model names
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Group:
    """Weights that are ranked together, and the fraction of their survivors that a round removes."""

    names: tuple[str, ...]
    size: int
    rate: float

    def kept(self, rounds: float) -> int:
        """The number of weights left after so many rounds. It is computed from the full size, so that rounding errors do not
        add up and one-shot pruning to the same round has the same density. Parts of a round are steps on the way to it."""
        density: float = (1 - self.rate) ** rounds
        return round(self.size * density)


@dataclass(frozen=True)
class Portion(Group):
    """One layer of several, over which the weights that are left are distributed.

    sizes, parts: of all these layers, the number of weights, and the part of the weights left that a layer would keep if none
    became full. place: that of this layer among them.
    """

    sizes: tuple[int, ...]
    parts: tuple[int, ...]
    place: int

    def kept(self, rounds: float) -> int:
        density: float = (1 - self.rate) ** rounds
        return apportioned(round(sum(self.sizes) * density), self.sizes, self.parts)[self.place]


@lru_cache(maxsize=1024)
def apportioned(total: int, sizes: tuple[int, ...], parts: tuple[int, ...]) -> tuple[int, ...]:
    """So many weights distributed over layers in proportion to their parts. What a full layer cannot take goes to the others.

    Differs: fractions are not rounded by the largest remainder, with which a layer can gain a weight when the total falls, so
    that masks would not be nested. Webster's method gives weight after weight to the layer with the largest part / (kept + 1/2),
    so the distribution of a total always contains that of a smaller one.
    """
    low, high = 0.0, max(2 * (size + 1) / part for size, part in zip(sizes, parts, strict=True))

    def at(scale: float) -> list[int]:
        """The counts when all turns up to this one have been taken."""
        return [min(size, floor(part * scale + 0.5)) for size, part in zip(sizes, parts, strict=True)]

    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(at(middle)) <= total else (low, middle)
    kept = [max(0, count - 1) for count in at(low)]  # floats are rounded, and the last turns are taken exactly

    def turn(i: int) -> tuple[Fraction, int]:
        return Fraction(2 * kept[i] + 1, parts[i]), i

    waiting = [turn(i) for i in range(len(sizes)) if kept[i] < sizes[i]]
    heapq.heapify(waiting)
    for _ in range(total - sum(kept)):
        _, i = heapq.heappop(waiting)
        kept[i] += 1
        if kept[i] < sizes[i]:
            heapq.heappush(waiting, turn(i))
    return tuple(kept)


def _part(scope: str, shape: tuple[int, ...]) -> int:
    """The size of a layer times its density, up to a factor that all layers have in common."""
    match scope:
        case "erdos_renyi":
            return sum(shape[:2]) * prod(shape[2:])
        case "erk":
            return sum(shape)
        case "balanced":
            return 1
    raise ValueError(f"no scope {scope!r}")


def groups(layers: Mapping[str, Layer], rates: Mapping[str, float], scope: str) -> list[Group]:
    """One group for each layer, or one group of all layers when the scope is global. Kinds without a rate are not pruned.

    Raises: UserError when there is a rate for a kind that the network does not have.
    """
    kinds = dict.fromkeys(layer.kind for layer in layers.values())
    missing = [kind for kind in rates if kind not in kinds]
    if missing:
        has = f"are of the kinds {', '.join(kinds)}" if kinds else "could not be found"
        raise UserError(f"pruning.rates names {', '.join(missing)}, but the weights of the network {has}")
    chosen = {name: layer for name, layer in layers.items() if layer.kind in rates}
    if scope == "global":
        return [Group(tuple(chosen), sum(layer.size for layer in chosen.values()), next(iter(rates.values())))]
    if scope == "layer":
        return [Group((name,), layer.size, rates[layer.kind]) for name, layer in chosen.items()]
    sizes = tuple(layer.size for layer in chosen.values())
    parts = tuple(_part(scope, layer.shape) for layer in chosen.values())
    rate = next(iter(rates.values()))
    return [Portion((name,), layer.size, rate, sizes, parts, i) for i, (name, layer) in enumerate(chosen.items())]


def density(layers: Mapping[str, Layer], chosen: Sequence[Group], rounds: int) -> float:
    """The paper's P_m after so many rounds, as a fraction of all weights."""
    total = sum(layer.size for layer in layers.values())
    pruned = sum(group.size - group.kept(rounds) for group in chosen)
    return (total - pruned) / total


def check(chosen: Sequence[Group], rounds: int) -> None:
    """Raises: UserError that names the layer and the round after which no weight would be left."""
    for k in range(1, rounds + 1):
        for group in chosen:
            if group.kept(k) < 1:
                raise UserError(
                    f"pruning goes to round {rounds}, but after round {k} no weight of {', '.join(group.names)} would be left "
                    f"({group.size} weights, rate {group.rate}); it should go to round {k - 1} at most"
                )


def prune(scores: Mapping[str, NDArray[Any]], mask: Mask, chosen: Sequence[Group], rounds: float) -> Mask:
    """Keeps the surviving weights of highest score in each group, as many as are left after so many rounds.

    Ties are broken by index: among equal scores, the first in the order of layers and rows is kept.
    Shapes: scores has the names and shapes of the mask.
    Raises: UserError when a score is missing or not a number; ValueError when fewer weights survive than should be kept.
    """
    arrays = {name: np.array(a) for name, a in mask.items()}
    for group in chosen:
        wrong = [name for name in group.names if name not in scores or scores[name].shape != arrays[name].shape]
        if wrong:
            raise UserError(f"{', '.join(wrong)} should have one score for each weight")
        alive = np.concatenate([arrays[name].ravel() for name in group.names])
        # As float64, because neither booleans nor unsigned numbers have a negative.
        score = np.concatenate([scores[name].ravel() for name in group.names])[alive].astype(np.float64)
        keep = group.kept(rounds)
        if np.isnan(score).any():
            raise UserError(f"{', '.join(group.names)} has a score that is not a number")
        if keep > score.size:
            raise ValueError(f"{', '.join(group.names)}: {keep} weights to keep, but only {score.size} survive")
        survives = np.zeros(score.size, dtype=np.bool_)
        survives[np.argsort(-score, kind="stable")[:keep]] = True
        alive[alive] = survives
        ends = np.cumsum([arrays[name].size for name in group.names])[:-1]
        for name, part in zip(group.names, np.split(alive, ends), strict=True):
            arrays[name] = part.reshape(arrays[name].shape)
    return Mask(arrays)
