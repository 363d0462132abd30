"""The gradients that criteria need. PyTorch is imported in functions, because every stage loads its criteria."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

Loss = Callable[["Tensor", "Tensor"], "Tensor"]
Batch = tuple["Tensor", "Tensor"]
Batches = Callable[[int], list[Batch]]
Scores = dict[str, NDArray[Any]]


def some(batches: Batches, count: int) -> list[Batch]:
    """The first `count` batches. Raises: ValueError when that is not a number of batches."""
    if type(count) is not int or count < 1:
        raise ValueError(f"count is {count!r}, but should be a whole number of batches, at least 1")
    return batches(count)


def weights_of(module: nn.Module, names: Iterable[str]) -> dict[str, Tensor]:
    """The weights that have a mask, by name."""
    return {name: module.get_parameter(name) for name in names}


def gradients(
    module: nn.Module, loss: Loss, batch: Batch, weights: Mapping[str, Tensor], graph: bool = False
) -> dict[str, Tensor]:
    """The gradient of the mean loss over a batch by each of these weights. graph: whether it can be differentiated again."""
    import torch

    inputs, targets = batch
    value = loss(module(inputs), targets)
    found = torch.autograd.grad(value, [*weights.values()], create_graph=graph, allow_unused=True, materialize_grads=True)
    return dict(zip(weights, found, strict=True))


def total(found: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The sum of the gradients of several batches or examples, of which only one is in memory at a time."""
    result: dict[str, Tensor] = {}
    for one in found:
        result = {name: result[name] + part if name in result else part for name, part in one.items()}
    return result


def arrays(scores: Mapping[str, Tensor]) -> Scores:
    """As NumPy arrays."""
    return {name: np.asarray(score.detach().cpu().numpy()) for name, score in scores.items()}
