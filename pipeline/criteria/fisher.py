"""Optimal brain damage with the diagonal of the empirical Fisher matrix, for the trained network.

Source: LeCun, Denker & Solla 1990, equation 5: removing a weight raises the loss by about h * w^2 / 2, where h is the second
derivative. Differs: h is the mean over examples of the squared gradient (Theis et al. 2018, equation 7), which equals it where
the network predicts the targets' distribution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.criteria import _gradients

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pipeline.criteria._gradients import Batch, Batches, Loss, Scores
    from pipeline.domain.masks import Mask

AT_ONCE = 2**24  # numbers in the gradients of the examples that are computed together


def fisher(module: nn.Module, loss: Loss, batches: Batches, mask: Mask, count: int = 10) -> Scores:
    """mean(g^2) * w^2 / 2 over the examples of so many batches, where g is the gradient of one example.

    Dropout is off, and batch norm uses its running statistics, because one example has no statistics of its own.
    """
    weights = _gradients.weights_of(module.eval(), mask)
    chosen, size = _gradients.some(batches, count), sum(w.numel() for w in weights.values())
    together = max(1, AT_ONCE // size)
    parts: list[Batch] = []
    for inputs, targets in chosen:
        places = range(0, len(inputs), together)
        parts += [(inputs[i : i + together], targets[i : i + together]) for i in places]
    squares = _gradients.total(_squares(module, loss, part, weights) for part in parts)
    examples = sum(len(inputs) for inputs, _ in chosen)
    return _gradients.arrays({name: squares[name] / examples * w**2 / 2 for name, w in weights.items()})


def _squares(module: nn.Module, loss: Loss, batch: Batch, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The sum of the examples' squared gradients. Networks that torch.func cannot batch, such as recurrent ones, go through the
    examples one by one, which gives the same numbers more slowly.
    """
    try:
        found = _batched(module, loss, batch, weights)
    except (RuntimeError, ValueError):  # torch.func's; one of the network itself is raised again below
        alone = (_gradients.gradients(module, loss, (x[None], y[None]), weights) for x, y in zip(*batch, strict=True))
        return _gradients.total({name: g**2 for name, g in one.items()} for one in alone)
    return {name: (g**2).sum(0) for name, g in found.items()}


def _batched(module: nn.Module, loss: Loss, batch: Batch, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The gradient of each example. Shapes: (B, ...)."""
    from torch.func import functional_call, grad, vmap

    def of_one(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return loss(functional_call(module, parameters, (x[None],)), y[None])

    by_example = vmap(grad(of_one), in_dims=(None, 0, 0))
    return dict(by_example({name: w.detach() for name, w in weights.items()}, *batch))
