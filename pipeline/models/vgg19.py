"""VGG-19 for small images: 16 convolutions with batch norm (Simonyan & Zisserman 2015; section 4, figure 2)."""

from collections import OrderedDict

from torch import nn

GROUPS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # (filters, convolutions); pooling between groups halves the images


def vgg19(shape: tuple[int, int, int], outputs: int) -> nn.Module:
    """Shapes: images (N, *shape) -> logits (N, outputs). Weights are named conv1.weight, …, conv16.weight, output.weight.

    After the last group come the average over all pixels, instead of max pooling, and one fully connected layer, as in
    figure 2. Convolutions have no bias, because the batch norm after them would subtract it again.
    """
    channels, height, width = shape
    side = 2 ** (len(GROUPS) - 1)
    if min(height, width) < side:
        raise ValueError(f"the images are {height}x{width}, but should be {side}x{side} or more")
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    i = 0
    for group, (filters, convolutions) in enumerate(GROUPS):
        if group:
            layers[f"pool{group}"] = nn.MaxPool2d(2)
        for _ in range(convolutions):
            i += 1
            layers[f"conv{i}"] = nn.Conv2d(channels, filters, 3, padding=1, bias=False)
            layers[f"norm{i}"] = nn.BatchNorm2d(filters)
            layers[f"relu{i}"] = nn.ReLU()
            channels = filters
    layers["average"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["output"] = nn.Linear(channels, outputs)
    return nn.Sequential(layers)
