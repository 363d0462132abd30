"""Forward and backward passes of alternating fully connected layers and ReLUs, written by hand.

Autograd's bookkeeping and its fresh gradient tensors are costly beside products this small (docs/performance.md); here
every gradient is written to where the optimizer reads it. A test compares the result with autograd's.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from pipeline.domain.tickets import Ticket
from pipeline.training import products
from pipeline.training.stack import Stack

EVALUATED_AT_ONCE = 1000  # examples; larger tiles do not fit into the cache, smaller ones take more calls
LossGradient = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]  # as a task defines it


def linear_names(module: nn.Module) -> list[str]:
    return [name for name, layer in module.named_children() if isinstance(layer, nn.Linear)]


def fits(module: nn.Module) -> bool:
    """Whether a network is Flatten, then linear layers with biases and a ReLU between any two, all of which are trained."""
    kinds = [type(layer) for layer in module.children()]
    linear = [layer for layer in module.children() if isinstance(layer, nn.Linear)]
    return (
        type(module) is nn.Sequential
        and kinds == [nn.Flatten, *[nn.Linear, nn.ReLU] * (len(linear) - 1), nn.Linear]
        and all(layer.bias is not None for layer in linear)
        and all(parameter.requires_grad for parameter in module.parameters())
        and len(list(module.parameters())) == 2 * len(linear)  # none is shared
    )


class Mlp:
    """Gradients and outputs of L lanes at once. Shapes: x (L, B, ...), y (L, B, ...)."""

    def __init__(self, module: nn.Module, gradient: LossGradient, tickets: Sequence[Ticket], device: torch.device) -> None:
        self.loss_gradient = gradient
        self.stack = stack = Stack(module, tickets, device)
        names = linear_names(module)
        self.weights = [stack.parameters[f"{n}.weight"] for n in names]
        self.biases = [stack.parameters[f"{n}.bias"].unsqueeze(1) for n in names]
        self.weight_grads = [stack.gradients[f"{n}.weight"] for n in names]
        self.bias_grads = [stack.gradients[f"{n}.bias"] for n in names]

    def tiles(self, x: Tensor) -> list[Tensor]:
        """Cuts examples to evaluate, (L, N, …), into tiles, laid out as `outputs` is fastest on them."""
        return [part.flatten(2) for part in torch.split(x, EVALUATED_AT_ONCE, 1)]

    def outputs(self, x: Tensor) -> Tensor:
        return self._forward(x)[-1]

    def gradients(self, x: Tensor, y: Tensor) -> Tensor:
        """Writes the gradient of the mean loss into the stack; returns each lane's loss, (L,)."""
        x = x.flatten(2)
        *hidden, output = self._forward(x)
        loss, delta = self.loss_gradient(output, y, 2)
        inputs = [x, *hidden]
        for i in reversed(range(len(self.weights))):
            products.product(delta.transpose(1, 2), inputs[i], out=self.weight_grads[i])
            torch.sum(delta, 1, out=self.bias_grads[i])
            if i:
                delta = torch.ops.aten.threshold_backward(products.product(delta, self.weights[i]), inputs[i], 0)
        return loss

    def _forward(self, x: Tensor) -> list[Tensor]:
        """The outputs of every layer, after its ReLU."""
        outputs: list[Tensor] = []
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = products.linear(x, weight, bias)
            outputs.append(x.relu_() if i < len(self.weights) - 1 else x)
            x = outputs[-1]
        return outputs
