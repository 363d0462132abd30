"""Gradients of any network, by autograd: one lane plainly, more of them batched by torch.func."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from pipeline.domain.tickets import Ticket
from pipeline.training.stack import Stack

EVALUATED_AT_ONCE = 1000  # images of all lanes together


class Autograd:
    """Gradients and logits of L lanes at once. Shapes: x (L, B, C, H, W), y (L, B)."""

    def __init__(self, module: nn.Module, tickets: Sequence[Ticket], device: torch.device) -> None:
        self.module = module
        self.stack = Stack(module, tickets, device)
        self.batched = vmap(grad_and_value(partial(_loss, module)), randomness="different")
        self.batched_logits = vmap(lambda p, b, x: functional_call(module, {**p, **b}, (x,)), randomness="different")

    def tiles(self, x: Tensor) -> list[Tensor]:
        """Images to evaluate, (L, N, …), cut as `logits` takes them."""
        return list(torch.split(x, max(1, EVALUATED_AT_ONCE // self.stack.lanes), 1))

    def logits(self, x: Tensor) -> Tensor:
        self.module.eval()
        stack, lanes = self.stack, self.stack.lanes
        if lanes == 1:
            return functional_call(self.module, self._only(), (x[0],)).unsqueeze(0)  # type: ignore[no-any-return]
        return self.batched_logits(stack.parameters, stack.buffers, x.expand(lanes, *x.shape[1:]))  # type: ignore[no-any-return]

    def gradients(self, x: Tensor, y: Tensor) -> Tensor:
        """Writes the gradient of the mean cross-entropy into the stack; returns each lane's loss, (L,)."""
        self.module.train()
        if x.shape[0] == 1:
            with torch.enable_grad():
                leaves = {n: p[0].requires_grad_() for n, p in self.stack.parameters.items()}
                loss = _loss(self.module, leaves, {n: b[0] for n, b in self.stack.buffers.items()}, x[0], y[0])
                found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
            for name, gradient in zip(leaves, found, strict=True):
                self.stack.gradients[name][0].copy_(gradient)
            return loss.detach().unsqueeze(0)
        gradients, losses = self.batched(self.stack.parameters, self.stack.buffers, x, y)
        for name, gradient in gradients.items():
            self.stack.gradients[name].copy_(gradient)
        return losses  # type: ignore[no-any-return]

    def _only(self) -> dict[str, Tensor]:
        return {n: t[0] for n, t in (self.stack.parameters | self.stack.buffers).items()}


def why_not_batched(module: nn.Module, shape: tuple[int, ...]) -> str | None:
    """What torch.func says against batching lanes of a network; None when it can. Tried with two lanes of two images."""
    parameters = {n: p.detach().expand(2, *p.shape).clone() for n, p in module.named_parameters()}
    buffers = {n: b.detach().expand(2, *b.shape).clone() for n, b in module.named_buffers()}
    lanes = vmap(grad_and_value(partial(_loss, module)), randomness="different")
    try:
        lanes(parameters, buffers, torch.zeros(2, 2, *shape), torch.zeros(2, 2, dtype=torch.int64))
    except (RuntimeError, ValueError) as error:
        return str(error).strip().splitlines()[0]
    return None


def _loss(module: nn.Module, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(functional_call(module, {**parameters, **buffers}, (x,)), y)
