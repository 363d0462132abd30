"""Masks from scores (section 2: each round removes a fraction of the survivors, layer-wise or globally)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

    def kept(self, rounds: int) -> int:
        """The number of weights left after so many rounds. It is computed from the full size, so that rounding errors do not
        add up and one-shot pruning to the same round has the same density."""
        return round(self.size * (1 - self.rate) ** rounds)


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
    return [Group((name,), layer.size, rates[layer.kind]) for name, layer in chosen.items()]


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
                    f"({group.size} weights, rate {group.rate}); should be at most {k - 1}"
                )


def prune(scores: Mapping[str, NDArray[Any]], mask: Mask, chosen: Sequence[Group], rounds: int) -> Mask:
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
