"""Conv-2, Conv-4 and Conv-6: pairs of 3x3 convolutions, then fully connected layers (section 3, figure 2)."""

from collections import OrderedDict

from torch import nn

WIDTHS = (64, 128, 256)  # the filters of the convolutions, pair by pair
HIDDEN = (256, 256)


def conv(shape: tuple[int, int, int], outputs: int, depth: int = 2, dropout: float = 0.0) -> nn.Module:
    """depth: 2, 4 or 6 convolutions, each pair followed by 2x2 max pooling. dropout: the fraction of units dropped in training.

    Shapes: images (N, *shape) -> logits (N, outputs). Weights are named conv1.weight, …, fc1.weight, fc2.weight, output.weight.
    Differs: the paper trains with dropout 0.5 and does not say where it is. Here it follows both hidden fully connected
    layers, as in VGG, of which these networks are smaller versions.
    """
    if not isinstance(depth, int) or depth not in (2, 4, 6):
        raise ValueError(f"depth is {depth!r}, but should be 2, 4 or 6")
    if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout!r}, but should be a number from 0 on and below 1, such as 0.5")
    channels, height, width = shape
    pairs = depth // 2
    if min(height, width) < 2**pairs:
        raise ValueError(f"the images are {height}x{width}, but should be {2**pairs}x{2**pairs} or more for depth {depth}")
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for pair, filters in enumerate(WIDTHS[:pairs], start=1):
        for i in (2 * pair - 1, 2 * pair):
            layers[f"conv{i}"] = nn.Conv2d(channels, filters, 3, padding=1)
            layers[f"relu{i}"] = nn.ReLU()
            channels = filters
        layers[f"pool{pair}"] = nn.MaxPool2d(2)
    layers["flatten"] = nn.Flatten()
    inputs = channels * (height >> pairs) * (width >> pairs)  # pooling leaves out an odd last row
    for i, units in enumerate(HIDDEN, start=1):
        layers[f"fc{i}"] = nn.Linear(inputs, units)
        layers[f"relu{depth + i}"] = nn.ReLU()
        if dropout:
            layers[f"dropout{i}"] = nn.Dropout(dropout)
        inputs = units
    layers["output"] = nn.Linear(inputs, outputs)
    return nn.Sequential(layers)
