"""LeNet-300-100: two hidden fully connected layers (LeCun et al. 1998; section 2, figure 2). Their widths can be set."""

from collections import OrderedDict
from collections.abc import Sequence
from math import prod

from torch import nn


def lenet(shape: tuple[int, ...], outputs: int, hidden: Sequence[int] = (300, 100)) -> nn.Module:
    """Shapes: images (N, *shape) -> logits (N, outputs). Weights are named fc1.weight, …, output.weight."""
    if not all(isinstance(width, int) and width > 0 for width in hidden):
        raise ValueError(f"hidden is {list(hidden)}, but should be a list of positive widths, such as [300, 100]")
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    inputs = prod(shape)
    for i, width in enumerate(hidden, start=1):
        layers[f"fc{i}"] = nn.Linear(inputs, width)
        layers[f"relu{i}"] = nn.ReLU()
        inputs = width
    layers["output"] = nn.Linear(inputs, outputs)
    return nn.Sequential(layers)
