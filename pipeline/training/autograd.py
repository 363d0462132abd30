"""Gradients of any network, by autograd: one lane plainly, more of them batched by torch.func."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from pipeline.domain.tickets import Ticket
from pipeline.training.stack import Stack

# Images of all lanes together. On a CPU a convolution's outputs for more leave the cache: Conv-2 on one core took 13.2 s for
# 15,000 images by 50, 13.6 by 100, 18.8 by 250 and 21.5 by 500.
EVALUATED_AT_ONCE = {"cpu": 100, "cuda": 1000}
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class Autograd:
    """Gradients and logits of L lanes at once. Shapes: x (L, B, C, H, W), y (L, B).

    With bf16, products are computed in it; parameters, their gradients and the loss are fp32.
    """

    def __init__(
        self,
        module: nn.Module,
        tickets: Sequence[Ticket],
        device: torch.device,
        *,
        bf16: bool = False,
        memory_format: str = "contiguous",
    ) -> None:
        self.module, self.bf16, self.format = module, bf16, FORMATS[memory_format]
        self.stack = Stack(module, tickets, device)
        self.batched = vmap(grad_and_value(partial(_loss, module)), randomness="different")
        self.batched_logits = vmap(lambda p, b, x: functional_call(module, {**p, **b}, (x,)), randomness="different")

    def tiles(self, x: Tensor) -> list[Tensor]:
        """Images to evaluate, (L, N, …), cut and laid out as `logits` takes them fastest."""
        size = max(1, EVALUATED_AT_ONCE[self.stack.device.type] // self.stack.lanes)
        return [self._laid_out(tile.bfloat16() if self.bf16 else tile) for tile in torch.split(x, size, 1)]

    def logits(self, x: Tensor) -> Tensor:
        self.module.eval()
        stack, lanes = self.stack, self.stack.lanes
        with self._autocast():
            if lanes == 1:
                return functional_call(self.module, self._only(), (x[0],)).unsqueeze(0).float()  # type: ignore[no-any-return]
            return self.batched_logits(stack.parameters, stack.buffers, x.expand(lanes, *x.shape[1:])).float()  # type: ignore[no-any-return]

    def gradients(self, x: Tensor, y: Tensor) -> Tensor:
        """Writes the gradient of the mean cross-entropy into the stack; returns each lane's loss, (L,)."""
        self.module.train()
        x = self._laid_out(x)
        if x.shape[0] == 1:
            with torch.enable_grad(), self._autocast():
                leaves = {n: p[0].requires_grad_() for n, p in self.stack.parameters.items()}
                loss = _loss(self.module, leaves, {n: b[0] for n, b in self.stack.buffers.items()}, x[0], y[0])
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
        """In the memory format of the experiment, which only images of four dimensions have."""
        return x.flatten(0, 1).contiguous(memory_format=self.format).view(x.shape) if x.dim() == 5 else x

    def _autocast(self) -> torch.autocast:
        # Without a cache, which would keep a recorded step's first weights.
        return torch.autocast(self.stack.device.type, torch.bfloat16, enabled=self.bf16, cache_enabled=False)

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
    return nn.functional.cross_entropy(functional_call(module, {**parameters, **buffers}, (x,)).float(), y)
