"""Gradients of any network by autograd: one lane is computed directly, several lanes are batched by torch.func."""

import warnings
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from pipeline.domain.networks import Network, fixed, trainable
from pipeline.domain.tickets import Ticket
from pipeline.training.stack import Stack

# The number of images of all lanes together. On a CPU, a convolution's outputs for more images do not fit into the cache:
# for 15,000 images, Conv-2 on one core took 13.2 s in tiles of 50, 13.6 s of 100, 18.8 s of 250 and 21.5 s of 500.
EVALUATED_AT_ONCE = {"cpu": 100, "cuda": 1000}
Loss = Callable[[Tensor, Tensor], Tensor]  # takes outputs and targets, as a task defines it
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class Autograd:
    """Gradients and outputs of L lanes at once. Shapes: x (L, B, …), y (L, B, …).

    With bf16, products are computed in bf16; parameters, their gradients and the loss are in fp32.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: Loss,
        tickets: Sequence[Ticket],
        device: torch.device,
        *,
        bf16: bool = False,
        memory_format: str = "contiguous",
    ) -> None:
        self.module, self.loss, self.bf16, self.format = module, loss, bf16, FORMATS[memory_format]
        self.stack = Stack(module, tickets, device)
        self.batched = vmap(grad_and_value(partial(_loss, module, loss)))
        self.batched_outputs = vmap(lambda p, b, x: functional_call(module, {**p, **b}, (x,)))

    def tiles(self, x: Tensor) -> list[Tensor]:
        """Cuts examples to evaluate, (L, N, …), into tiles, laid out as `outputs` is fastest on them."""
        size = max(1, EVALUATED_AT_ONCE[self.stack.device.type] // self.stack.lanes)
        x = x.bfloat16() if self.bf16 and x.is_floating_point() else x
        return [self._laid_out(tile) for tile in torch.split(x, size, 1)]

    def outputs(self, x: Tensor) -> Tensor:
        self.module.eval()
        stack, lanes = self.stack, self.stack.lanes
        with self._autocast():
            if lanes == 1:
                return functional_call(self.module, self._only(), (x[0],)).unsqueeze(0).float()  # type: ignore[no-any-return]
            return self.batched_outputs(stack.parameters, stack.buffers, x.expand(lanes, *x.shape[1:])).float()  # type: ignore[no-any-return]

    def gradients(self, x: Tensor, y: Tensor) -> Tensor:
        """Writes the gradient of the mean loss into the stack; returns each lane's loss, (L,)."""
        self.module.train()
        x = self._laid_out(x)
        if x.shape[0] == 1:
            with torch.enable_grad(), self._autocast():
                leaves = {n: p[0].requires_grad_() for n, p in self.stack.parameters.items()}
                loss = _loss(self.module, self.loss, leaves, {n: b[0] for n, b in self.stack.buffers.items()}, x[0], y[0])
                found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
            for name, gradient in zip(leaves, found, strict=True):
                self.stack.gradients[name][0].copy_(gradient)
            return loss.detach().unsqueeze(0)
        with self._autocast():
            gradients, losses = self.batched(self.stack.parameters, self.stack.buffers, x, y)
        for name, gradient in gradients.items():
            self.stack.gradients[name].copy_(gradient)
        return losses  # type: ignore[no-any-return]

    def _laid_out(self, x: Tensor) -> Tensor:
        """The examples in the memory format of the experiment, which exists only for images (four dimensions without lanes)."""
        return x.flatten(0, 1).contiguous(memory_format=self.format).view(x.shape) if x.dim() == 5 else x

    def _autocast(self) -> torch.autocast:
        # There is no cache, because it would keep the first weights of a recorded step.
        return torch.autocast(self.stack.device.type, torch.bfloat16, enabled=self.bf16, cache_enabled=False)

    def _only(self) -> dict[str, Tensor]:
        return {n: t[0] for n, t in (self.stack.parameters | self.stack.buffers).items()}


def why_not_batched(network: Network, loss: Loss, batch: tuple[Tensor, Tensor]) -> str | None:
    """The reason why lanes cannot be trained as one batch, found by a trial with two lanes on a batch; None when they can.

    Shapes: inputs (B, *shape), normalised; targets (B, ...).
    """
    if network.draws:
        return "it draws random numbers in training, and each lane has a stream of its own"
    module = network.module
    parameters = {n: p.detach().expand(2, *p.shape).clone() for n, p in trainable(module).items()}
    buffers = {n: b.detach().expand(2, *b.shape).clone() for n, b in fixed(module).items()}
    lanes = vmap(grad_and_value(partial(_loss, module, loss)))
    x, y = (tensor.expand(2, *tensor.shape) for tensor in batch)
    try:
        with warnings.catch_warnings():
            # torch.func computes an operation that it cannot batch, such as an LSTM, lane by lane, and only warns.
            warnings.filterwarnings("error", "There is a performance drop", UserWarning)
            lanes(parameters, buffers, x, y)
    except (RuntimeError, ValueError, UserWarning) as error:
        return str(error).strip().splitlines()[0]
    return None


def _loss(
    module: nn.Module, loss: Loss, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor
) -> Tensor:
    return loss(functional_call(module, {**parameters, **buffers}, (x,)).float(), y)
