"""What is offered to a criterion that looks at the network: the network, training examples of the replicate, and gradients."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from pipeline.domain import networks
from pipeline.domain.arms import Weights
from pipeline.files.store import Arrays
from pipeline.run.setup import Setup
from pipeline.training.examples import Examples, Order, Stream, split


def module_with(setup: Setup, weights: Weights) -> nn.Module:
    """A new network with these weights and buffers, in training mode."""
    module = setup.network.make()
    module.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()}, strict=False)
    return module.train()


def batches(setup: Setup, seed: int, count: int) -> list[tuple[Tensor, Tensor]]:
    """The first batches that the replicate's dense network was trained on, with the same augmentation.

    Shapes: inputs (B, *shape), normalised; targets (B, ...).
    """
    experiment = setup.experiment
    examples = Examples(setup.bundle, torch.device("cpu"), experiment.data.augment)
    train, _ = split(seed, len(examples.train), experiment.data.validation)
    order = Order([Stream(seed)], [train], experiment.training.batch_size, examples.device, examples.augment)
    found = [examples.batch(*order.batch(i)) for i in range(count)]
    return [(inputs[0], targets[0]) for inputs, targets in found]


def gradient_of(setup: Setup, seed: int, trained: Weights) -> Callable[..., Arrays]:
    """Returns `gradient(weights, count=1)`: that of the mean loss over so many batches, for every trainable parameter by name.

    Parameters and buffers that are not among the weights have their trained values.
    """
    module = setup.network.make().train()

    def gradient(weights: Weights, count: int = 1) -> Arrays:
        tensors = {name: torch.from_numpy(array.copy()) for name, array in {**trained, **weights}.items()}
        leaves = {name: tensors[name].requires_grad_() for name in networks.trainable(module)}
        torch.manual_seed(seed)  # matters for a network that draws random numbers
        losses = [setup.task.loss(functional_call(module, tensors, (x,)), y) for x, y in batches(setup, seed, count)]
        found = torch.autograd.grad(torch.stack(losses).mean(), list(leaves.values()), allow_unused=True, materialize_grads=True)
        return {name: g.numpy() for name, g in zip(leaves, found, strict=True)}

    return gradient
