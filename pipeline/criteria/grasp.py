"""GraSP keeps the weights whose removal would reduce the gradient flow most, before training.

Source: Wang, Zhang & Grosse 2020, equation 8 and algorithm 1. Removing the weight w changes the squared norm of the gradient g
by about 2 * S(-w), where S(-w) = -w * Hg and H is the Hessian. The paper removes the weights with the highest S(-w), after which
the gradient is largest. Here the highest scores are kept, so the score is -S(-w) = w * Hg.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.criteria import _gradients

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pipeline.criteria._gradients import Batches, Loss, Scores
    from pipeline.domain.masks import Mask


def grasp(start_module: nn.Module, loss: Loss, batches: Batches, mask: Mask, count: int = 10) -> Scores:
    """w * Hg of the network at the rewind point; Hg is exact, the derivative of g * g / 2. A removed weight takes no part in g.

    count: the number of batches over whose mean loss the derivatives are taken. Differs: the paper's code divides the outputs by
    200 first, which its text does not mention.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    weights, chosen = _gradients.weights_of(start_module, mask), _gradients.some(batches, count)
    kept = {name: torch.from_numpy(array.astype("float32")) for name, array in mask.items()}

    def gradients(i: int, graph: bool) -> dict[str, Tensor]:
        torch.manual_seed(i)  # the same dropout in g and in Hg
        return _gradients.gradients(start_module, loss, chosen[i], weights, graph)

    with sdpa_kernel(SDPBackend.MATH), torch.random.fork_rng(devices=[]):  # other kernels of attention have no second derivative
        found = _gradients.total(gradients(i, graph=False) for i in range(count))
        flow = {name: g / count * kept[name] for name, g in found.items()}
        products = {name: torch.zeros_like(w) for name, w in weights.items()}
        for i in range(count):  # H of the mean is the mean of H, so that one graph is in memory at a time
            graph = gradients(i, graph=True)
            inner = torch.stack([(graph[name] * flow[name]).sum() for name in weights]).sum()
            part = torch.autograd.grad(inner, [*weights.values()], allow_unused=True, materialize_grads=True)
            products = {name: products[name] + p / count for name, p in zip(weights, part, strict=True)}
    return _gradients.arrays({name: w * products[name] for name, w in weights.items()})
