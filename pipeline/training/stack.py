"""The parameters of L lanes in one flat tensor, so that one optimizer call updates all of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.tickets import Ticket


class Stack:
    """Tensor after tensor, each (L, *shape), in `flat`; `grad` and `mask` lie the same way.

    What the mask removes is exactly 0 after `hold`, whatever the optimizer does (its momentum and decay included).
    Buffers (batch norm's running statistics) are stacked too, but neither trained by the optimizer nor masked.
    """

    def __init__(self, module: nn.Module, tickets: Sequence[Ticket], device: torch.device) -> None:
        lanes = len(tickets)
        self.device = device
        self.shapes = {name: (lanes, *p.shape) for name, p in module.named_parameters()}
        size = sum(torch.Size(shape).numel() for shape in self.shapes.values())
        self.flat, self.grad = (torch.zeros(size, device=device) for _ in range(2))
        self.mask = torch.ones(size, device=device)
        self.parameters, self.gradients = self._views(self.flat), self._views(self.grad)
        self.buffers = {n: b.detach().to(device).expand(lanes, *b.shape).clone() for n, b in module.named_buffers()}
        masks = self._views(self.mask)
        for i, ticket in enumerate(tickets):
            self._write(i, ticket.weights)
            for name, array in ticket.mask.items():
                masks[name][i].copy_(torch.from_numpy(array.copy()))
        self.dense = bool(self.mask.all())
        self.hold()

    def hold(self) -> None:
        if not self.dense:
            self.flat.mul_(self.mask)

    def weights(self, lane: int) -> dict[str, NDArray[Any]]:
        """A copy of one lane's parameters and buffers."""
        return {n: t[lane].cpu().numpy().copy() for n, t in (self.parameters | self.buffers).items()}

    def load(self, flat: NDArray[Any], buffers: Mapping[str, NDArray[Any]]) -> None:
        self.flat.copy_(torch.from_numpy(flat))
        for name, array in buffers.items():
            self.buffers[name].copy_(torch.from_numpy(array))

    def _write(self, lane: int, weights: Mapping[str, NDArray[Any]]) -> None:
        for name, tensor in (self.parameters | self.buffers).items():
            tensor[lane].copy_(torch.from_numpy(weights[name].copy()))

    def _views(self, flat: Tensor) -> dict[str, Tensor]:
        parts = torch.split(flat, [torch.Size(shape).numel() for shape in self.shapes.values()])
        return {name: part.view(shape) for part, (name, shape) in zip(parts, self.shapes.items(), strict=True)}
