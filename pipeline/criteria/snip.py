"""SNIP keeps the weights to which the loss is most sensitive before training, by connection sensitivity.

Source: Lee, Ajanthan & Torr 2019, equations 4 to 6: |dL/dc| at c = 1 is |g * w|; normalisation does not change the order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.criteria import _gradients

if TYPE_CHECKING:
    from torch import nn

    from pipeline.criteria._gradients import Batches, Loss, Scores
    from pipeline.domain.masks import Mask


def snip(start_module: nn.Module, loss: Loss, batches: Batches, mask: Mask, count: int = 10) -> Scores:
    """|g * w| of the network at the rewind point, where g is the gradient of the mean loss over some batches.

    count: the number of batches. Differs: the paper takes one batch of 100 examples.
    """
    weights, chosen = _gradients.weights_of(start_module, mask), _gradients.some(batches, count)
    found = _gradients.total(_gradients.gradients(start_module, loss, batch, weights) for batch in chosen)
    return _gradients.arrays({name: (found[name] / count * w).abs() for name, w in weights.items()})
