"""LeNet-300-100: two hidden fully connected layers (LeCun et al. 1998; section 2, figure 2). Any widths."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn


def lenet(shape: tuple[int, int, int], classes: int, hidden: Sequence[int] = (300, 100)) -> nn.Module:
    """Shapes: images (N, *shape) -> logits (N, classes). Weights are named fc1.weight, …, output.weight."""
    if not all(isinstance(width, int) and width > 0 for width in hidden):
        raise ValueError(f"hidden is {list(hidden)}, should be a list of positive widths, such as [300, 100]")
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    inputs = shape[0] * shape[1] * shape[2]
    for i, width in enumerate(hidden, start=1):
        layers[f"fc{i}"] = nn.Linear(inputs, width)
        layers[f"relu{i}"] = nn.ReLU()
        inputs = width
    layers["output"] = nn.Linear(inputs, classes)
    return nn.Sequential(layers)
