"""The parameters of L lanes in one flat tensor, so that one optimizer call updates all of them."""

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.domain import networks
from pipeline.domain.masks import Mask
from pipeline.domain.tickets import Ticket

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta", category=UserWarning)


class Stack:
    """`flat` holds one tensor after the other, each (L, *shape); `grad` and `mask` have the same layout.

    What the mask removes is exactly 0 after `hold`, whatever the optimizer does (including momentum and weight decay).
    Of a weight named in `sparse`, only the survivors are stored, as the elements of a CSR matrix: pruned ones do not exist.
    Buffers (batch norm's running statistics, and frozen parameters) are stacked too, but the optimizer does not train them
    and they are not masked.
    """

    def __init__(self, module: nn.Module, tickets: Sequence[Ticket], device: torch.device, sparse: Collection[str] = ()) -> None:
        """Raises: ValueError when a weight is to be sparse and there is more than one lane."""
        if sparse and len(tickets) > 1:
            raise ValueError("lanes with masks of their own cannot share a sparse weight")
        self.lanes, self.device = len(tickets), device
        self.shapes = {name: tuple(p.shape) for name, p in networks.trainable(module).items()}
        self.survivors = {name: torch.from_numpy(np.flatnonzero(tickets[0].mask[name])) for name in sparse}
        self.sizes = [self._size(name) for name in self.shapes]
        self.flat, self.grad = (torch.zeros(sum(self.sizes), device=device) for _ in range(2))
        self.parameters, self.gradients = self._views(self.flat), self._views(self.grad)
        fixed = networks.fixed(module)
        self.buffers = {n: b.detach().to(device).expand(self.lanes, *b.shape).clone() for n, b in fixed.items()}
        for lane, ticket in enumerate(tickets):
            self._fill(lane, ticket.weights)
        self.mask = self._mask([ticket.mask for ticket in tickets])
        self.hold()

    def hold(self) -> None:
        if self.mask is not None:
            self.flat.mul_(self.mask)

    def clip(self, most: float) -> None:
        """Scales the gradient of each lane, over the weights that survive, so that its norm is at most `most`.

        Source: torch.nn.utils.clip_grad_norm_, whose formula it is, for each lane alone. No value of a tensor decides about a
        branch, because a recorded step has none.
        """
        if self.mask is not None:
            self.grad.mul_(self.mask)
        # The parameters of one lane lie beside each other, in sparse ones only the survivors.
        parts = [part.view(self.lanes, -1) for part in ([self.grad] if self.lanes == 1 else torch.split(self.grad, self.sizes))]
        norms = torch.stack([torch.linalg.vector_norm(part, dim=1) for part in parts])
        scale = (most / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp_(max=1.0).unsqueeze(1)
        for part in parts:
            part.mul_(scale)

    def weights(self, lane: int) -> dict[str, NDArray[Any]]:
        """A copy of one lane's parameters and buffers."""
        tensors = {n: p.to_dense() if n in self.survivors else p[lane] for n, p in self.parameters.items()}
        tensors |= {n: b[lane] for n, b in self.buffers.items()}
        return {n: t.cpu().numpy().copy() for n, t in tensors.items()}

    def load(self, flat: NDArray[Any], buffers: Mapping[str, NDArray[Any]]) -> None:
        self.flat.copy_(torch.from_numpy(flat))
        for name, array in buffers.items():
            self.buffers[name].copy_(torch.from_numpy(array))

    def _size(self, name: str) -> int:
        return len(self.survivors[name]) if name in self.survivors else self.lanes * torch.Size(self.shapes[name]).numel()

    def _mask(self, masks: Sequence[Mask]) -> Tensor | None:
        """The masks in the layout of `flat`; None when there is nothing to hold at zero."""
        flat = torch.ones_like(self.flat)
        for name, view in self._views(flat).items():
            if name in masks[0] and name not in self.survivors:
                view.copy_(torch.from_numpy(np.stack([mask[name] for mask in masks])))
        return None if flat.all() else flat

    def _fill(self, lane: int, weights: Mapping[str, NDArray[Any]]) -> None:
        for name, tensor in (self.parameters | self.buffers).items():
            source = torch.from_numpy(weights[name].copy())
            if name in self.survivors:
                tensor.values().copy_(source.view(-1)[self.survivors[name]])
            else:
                tensor[lane].copy_(source)

    def _views(self, flat: Tensor) -> dict[str, Tensor]:
        parts = torch.split(flat, self.sizes)
        return {
            name: self._csr(name, shape, part) if name in self.survivors else part.view(self.lanes, *shape)
            for part, (name, shape) in zip(parts, self.shapes.items(), strict=True)
        }

    def _csr(self, name: str, shape: tuple[int, ...], values: Tensor) -> Tensor:
        """A CSR matrix whose stored elements are `values` themselves, row by row."""
        rows, columns = self.survivors[name] // shape[1], self.survivors[name] % shape[1]
        starts = torch.searchsorted(rows, torch.arange(shape[0] + 1))
        # MKL takes int32; int64 would be converted in every product.
        return torch.sparse_csr_tensor(starts.int(), columns.int(), values, shape, check_invariants=True)
