"""SynFlow keeps the weights through which most synaptic flow goes. It needs no targets, and of the data only the shape.

Source: Tanaka et al. 2020, equation 2 and algorithm 1: R is the sum of the outputs for inputs of ones of the network with the
magnitudes of its parameters, and the score is dR/dw * w. The scores of a layer sum to R, if there are no biases. With
`scope: global` and enough `steps` (the paper has 100), no layer is therefore removed as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.criteria import _gradients

if TYPE_CHECKING:
    from torch import nn

    from pipeline.criteria._gradients import Batches, Scores
    from pipeline.domain.masks import Mask


def synflow(start_module: nn.Module, batches: Batches, mask: Mask) -> Scores:
    """dR/dw * w at the rewind point, in double precision, because R is a product over layers.

    Dropout is off, and batch norm uses its running statistics, as in the paper's code.
    """
    import torch

    module, weights = start_module.double().eval(), _gradients.weights_of(start_module, mask)
    inputs = batches(1)[0][0][:1]
    if not inputs.is_floating_point():
        raise ValueError(f"inputs are {inputs.dtype}, but should be numbers of which an input of ones can be made")
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.abs_()
    total = module(torch.ones_like(inputs, dtype=torch.float64)).sum()
    found = torch.autograd.grad(total, [*weights.values()], allow_unused=True, materialize_grads=True)
    scores = {name: g * w for g, (name, w) in zip(found, weights.items(), strict=True)}
    negative = [name for name, score in scores.items() if (score < 0).any()]
    if negative:
        raise ValueError(
            f"the flow through {negative[0]} is negative; the network should have only layers through which a positive signal "
            "stays positive and grows with the weights, such as ReLU, but not normalisation by layer or group"
        )
    return _gradients.arrays(scores)
