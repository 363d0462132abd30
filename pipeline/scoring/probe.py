"""What is offered to a criterion that looks at the network: the network, training examples of the replicate, and gradients."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.func import functional_call

from pipeline.domain import networks
from pipeline.domain.arms import Weights
from pipeline.files.store import Arrays
from pipeline.run.setup import Setup
from pipeline.training.examples import Examples, Order, Stream, split


@dataclass(frozen=True)
class Probe:
    setup: Setup

    def module_with(self, weights: Weights, seed: int) -> nn.Module:
        """A new network with these weights and buffers, in training mode."""
        torch.manual_seed(seed)  # matters for a network that draws random numbers
        module = self.setup.network.make()
        with torch.no_grad():
            for name, tensor in _tensors(module).items():  # buffers that are not persistent are in no state_dict
                if name in weights:
                    tensor.copy_(torch.from_numpy(weights[name].copy()))
        return module.train()

    def batches(self, seed: int, count: int) -> list[tuple[Tensor, Tensor]]:
        """The first batches that the replicate's dense network was trained on, with the same augmentation.

        Shapes: inputs (B, *shape), normalised; targets (B, ...).
        """
        experiment, examples = self.setup.bound.experiment, self._examples
        train, _ = split(seed, len(examples.train), experiment.data.validation)
        order = Order([Stream(seed)], [train], experiment.training.batch_size, examples.device, examples.augment)
        found = [examples.batch(*order.batch(i)) for i in range(count)]
        return [(inputs[0], targets[0]) for inputs, targets in found]

    def gradient_of(self, seed: int, trained: Weights) -> Callable[..., Arrays]:
        """Returns `gradient(weights, count=1)`: that of the mean loss over so many batches, for every trainable parameter by
        name.

        Parameters and buffers that are not among the weights have their trained values.
        """
        module, loss = self.setup.network.make().train(), self.setup.task.loss
        types = {name: tensor.dtype for name, tensor in _tensors(module).items()}

        def gradient(weights: Weights, count: int = 1) -> Arrays:
            arrays = {**trained, **weights}
            tensors = {name: torch.from_numpy(arrays[name].copy()).to(kind) for name, kind in types.items() if name in arrays}
            leaves = {name: tensors[name].requires_grad_() for name in networks.trainable(module)}
            torch.manual_seed(seed)  # matters for a network that draws random numbers
            losses = [loss(functional_call(module, tensors, (x,)), y) for x, y in self.batches(seed, count)]
            mean = torch.stack(losses).mean()
            found = torch.autograd.grad(mean, list(leaves.values()), allow_unused=True, materialize_grads=True)
            return {name: g.numpy() for name, g in zip(leaves, found, strict=True)}

        return gradient

    @cached_property
    def _examples(self) -> Examples:
        return Examples(self.setup.bundle, torch.device("cpu"), self.setup.bound.experiment.data.augment)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}
