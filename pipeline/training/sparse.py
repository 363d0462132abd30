"""The same networks as in `mlp`, for one lane on a CPU, when few weights of a large layer are left: pruned ones don't exist.

A layer's survivors are the stored elements of a CSR matrix, which the optimizer updates in place, so that products, optimizer
and evaluation all cost in proportion to the survivors. Examples are columns here, because MKL's sparse product reads rows.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.domain.tickets import Ticket
from pipeline.training.mlp import LossGradient, linear_names
from pipeline.training.stack import Stack

# Measured on one core in whole lane-iterations of LeNet (docs/performance.md): below 20% of its weights, the 300 x 784 layer
# is faster sparse than dense; below 14%, computing only the survivors' gradient is faster than selecting it from the whole
# gradient. A layer of the size of the second one, 100 x 300, gains below 6%; smaller ones gain nothing.
SPARSE_BELOW, SAMPLED_BELOW, SPARSE_FROM = 0.2, 0.14, 50_000
SMALL_BELOW, SMALL_FROM = 0.06, 20_000
EVALUATED_AT_ONCE = 500  # examples; a tile and the products' rows fit into the cache


def sparse_layers(module: nn.Module, tickets: Sequence[Ticket], device: torch.device) -> list[str]:
    """The names of the weights that gain from being sparse: none without MKL, on a GPU, or when lanes are batched."""
    if len(tickets) > 1 or device.type != "cpu" or not torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        return []
    mask = tickets[0].mask
    masks = {name: mask[name] for name in (f"{n}.weight" for n in linear_names(module)) if name in mask}
    return [name for name, mask in masks.items() if _gains(mask.size, float(mask.mean()))]


def _gains(size: int, density: float) -> bool:
    return (size >= SPARSE_FROM and density < SPARSE_BELOW) or (size >= SMALL_FROM and density < SMALL_BELOW)


class SparseMlp:
    """Gradients and outputs of one lane. Shapes: x (1, B, …), y (1, B, …)."""

    def __init__(self, module: nn.Module, gradient: LossGradient, tickets: Sequence[Ticket], device: torch.device) -> None:
        self.loss_gradient = gradient
        names = linear_names(module)
        self.stack = stack = Stack(module, tickets, device, sparse_layers(module, tickets, device))
        self.layers = [_layer(stack, name) for name in names]

    def tiles(self, x: Tensor) -> list[Tensor]:
        """Cuts examples to evaluate, (1, N, …), into tiles, laid out as `outputs` is fastest on them: (1, features, n)."""
        return [part[0].flatten(1).t().contiguous().unsqueeze(0) for part in torch.split(x, EVALUATED_AT_ONCE, 1)]

    def outputs(self, x: Tensor) -> Tensor:
        return self._forward(x[0])[-1].t().unsqueeze(0)

    def gradients(self, x: Tensor, y: Tensor) -> Tensor:
        """Writes the gradient of the mean loss into the stack; returns the lane's loss, (1,)."""
        columns = x[0].flatten(1).t().contiguous()
        *hidden, output = self._forward(columns)
        loss, whole = self.loss_gradient(output.unsqueeze(0), y, 1)
        delta = whole[0]
        inputs = [columns, *hidden]
        for i in reversed(range(len(self.layers))):
            self.layers[i].gradients(delta, inputs[i])
            if i:
                delta = torch.ops.aten.threshold_backward(self.layers[i].backward(delta), inputs[i], 0)
        return loss

    def _forward(self, x: Tensor) -> list[Tensor]:
        """The outputs of every layer, after its ReLU."""
        outputs = [x]
        for i, layer in enumerate(self.layers):
            x = layer.forward(outputs[-1])
            outputs.append(x.relu_() if i < len(self.layers) - 1 else x)
        return outputs[1:]


class _Dense:
    """Shapes: weight (out, in), bias (out, 1), x (in, B)."""

    def __init__(self, weight: Tensor, bias: Tensor, weight_grad: Tensor, bias_grad: Tensor) -> None:
        self.weight, self.bias, self.weight_grad, self.bias_grad = weight, bias, weight_grad, bias_grad

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, self.weight, x)

    def backward(self, delta: Tensor) -> Tensor:
        return self.weight.t() @ delta

    def gradients(self, delta: Tensor, x: Tensor) -> None:
        torch.mm(delta, x.t(), out=self.weight_grad)
        torch.sum(delta, 1, out=self.bias_grad)


class _Sparse(_Dense):
    """weight and weight_grad are CSR matrices, whose elements are views of the stack's flat tensors."""

    def __init__(self, weight: Tensor, bias: Tensor, weight_grad: Tensor, bias_grad: Tensor, survivors: Tensor) -> None:
        super().__init__(weight, bias, weight_grad, bias_grad)
        self.values = weight_grad.values()
        self.survivors = survivors
        self.sampled = len(survivors) < SAMPLED_BELOW * weight.numel()
        self.whole = torch.empty(0 if self.sampled else weight.numel()).view(-1, weight.shape[1])

    def forward(self, x: Tensor) -> Tensor:
        return (self.weight @ x).add_(self.bias)

    def gradients(self, delta: Tensor, x: Tensor) -> None:
        if self.sampled:
            self.values.copy_(torch.sparse.sampled_addmm(self.weight_grad, delta, x.t(), beta=0.0).values())
        else:
            torch.mm(delta, x.t(), out=self.whole)
            torch.index_select(self.whole.view(-1), 0, self.survivors, out=self.values)
        torch.sum(delta, 1, out=self.bias_grad)


def _layer(stack: Stack, name: str) -> _Dense:
    weight, bias = f"{name}.weight", f"{name}.bias"
    survivors = stack.survivors.get(weight)
    bias_of, bias_grad = stack.parameters[bias][0].unsqueeze(1), stack.gradients[bias][0]
    if survivors is None:
        return _Dense(stack.parameters[weight][0], bias_of, stack.gradients[weight][0], bias_grad)
    return _Sparse(stack.parameters[weight], bias_of, stack.gradients[weight], bias_grad, survivors)
