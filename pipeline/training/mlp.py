"""Forward and backward of a chain of linear layers and ReLUs, by hand.

Autograd keeps books and makes fresh gradient tensors, which is much beside products this small (docs/performance.md);
here every gradient is written where the optimizer reads it. A test holds it against autograd.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.domain.tickets import Ticket
from pipeline.training import products
from pipeline.training.stack import Stack

EVALUATED_AT_ONCE = 1000  # images; larger batches leave the cache, smaller ones cost calls


def linear_names(module: nn.Module) -> list[str]:
    return [name for name, layer in module.named_children() if isinstance(layer, nn.Linear)]


class Mlp:
    """Gradients and logits of L lanes at once. Shapes: x (L, B, features), y (L, B)."""

    def __init__(self, module: nn.Module, tickets: Sequence[Ticket], device: torch.device) -> None:
        self.stack = stack = Stack(module, tickets, device)
        names = linear_names(module)
        self.weights = [stack.parameters[f"{n}.weight"] for n in names]
        self.biases = [stack.parameters[f"{n}.bias"].unsqueeze(1) for n in names]
        self.weight_grads = [stack.gradients[f"{n}.weight"] for n in names]
        self.bias_grads = [stack.gradients[f"{n}.bias"] for n in names]
        self.classes = torch.arange(self.weights[-1].shape[1], device=device)

    @staticmethod
    def fits(module: nn.Module) -> bool:
        """Whether the module is Flatten, then linear layers with biases and a ReLU between each two."""
        kinds = [type(layer) for layer in module.children()]
        linear = [layer for layer in module.children() if isinstance(layer, nn.Linear)]
        return (
            type(module) is nn.Sequential
            and kinds == [nn.Flatten, *[nn.Linear, nn.ReLU] * (len(linear) - 1), nn.Linear]
            and all(layer.bias is not None for layer in linear)
        )

    def tiles(self, x: Tensor) -> list[Tensor]:
        """Images to evaluate, (L, N, …), cut and laid out as `logits` takes them fastest."""
        return [part.flatten(2) for part in torch.split(x, EVALUATED_AT_ONCE, 1)]

    def logits(self, x: Tensor) -> Tensor:
        return self._forward(x)[-1]

    def gradients(self, x: Tensor, y: Tensor) -> Tensor:
        """Writes the gradient of the mean cross-entropy into the stack; returns each lane's loss, (L,)."""
        x = x.flatten(2)
        *hidden, logits = self._forward(x)
        log_p = logits.log_softmax(2)
        target = y.unsqueeze(2)
        loss = -log_p.gather(2, target).mean((1, 2))
        # A comparison rather than a scatter: deterministic on CUDA too, and can be recorded.
        delta = log_p.exp_().sub_((target == self.classes).to(log_p.dtype)).mul_(1 / y.shape[1])
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
