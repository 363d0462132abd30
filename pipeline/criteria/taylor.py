"""First-order Taylor pruning keeps the weights whose removal would change the loss of the trained network most.

Source: Molchanov et al. 2019, equation 8: (g * w) squared, averaged over batches. Differs: of single weights, not of filters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.criteria import _gradients

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pipeline.criteria._gradients import Batch, Batches, Loss, Scores
    from pipeline.domain.masks import Mask


def taylor(module: nn.Module, loss: Loss, batches: Batches, mask: Mask, count: int = 10) -> Scores:
    """The mean of (g * w)^2 over so many batches, where g is the gradient of a batch."""
    weights = _gradients.weights_of(module, mask)

    def of(batch: Batch) -> dict[str, Tensor]:
        found = _gradients.gradients(module, loss, batch, weights)
        return {name: (g * weights[name]) ** 2 for name, g in found.items()}

    squares = _gradients.total(map(of, _gradients.some(batches, count)))
    return _gradients.arrays({name: square / count for name, square in squares.items()})
