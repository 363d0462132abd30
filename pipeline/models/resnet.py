"""ResNet for small images: 6n+2 layers, ResNet-20 by default (He et al. 2016, section 4.2; the paper's "ResNet-18")."""

from collections import OrderedDict

from torch import Tensor, nn

WIDTHS = (16, 32, 64)  # the filters of the three stages; each but the first begins by halving the image


def resnet(shape: tuple[int, int, int], outputs: int, depth: int = 20) -> nn.Module:
    """depth: 6n+2 layers, in three stages of n blocks of two convolutions.

    Shapes: images (N, *shape) -> logits (N, outputs). Weights are named conv.weight, block1.conv1.weight, …,
    block4.shortcut.downsample.weight, …, output.weight.
    Differs: where the size changes, He et al. pad the shortcut with zeros; the paper has a 1x1 convolution there, which it
    does not prune. Here batch norm follows it, as in He et al.'s networks for large images.
    """
    if not isinstance(depth, int) or depth < 8 or depth % 6 != 2:
        raise ValueError(f"depth is {depth!r}, but should be 6n+2 with n from 1 on, such as 20")
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(shape[0], WIDTHS[0], 3, padding=1, bias=False)
    layers["norm"] = nn.BatchNorm2d(WIDTHS[0])
    layers["relu"] = nn.ReLU()
    channels, blocks = WIDTHS[0], depth // 6
    for i in range(len(WIDTHS) * blocks):
        filters = WIDTHS[i // blocks]
        layers[f"block{i + 1}"] = Block(channels, filters)
        channels = filters
    layers["average"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["output"] = nn.Linear(channels, outputs)
    return nn.Sequential(layers)


class Block(nn.Module):
    """Two convolutions beside a shortcut. Shapes: (N, channels, H, W) -> (N, filters, H, W), or half of H and W, rounded up,
    when there are more filters than channels."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        stride = 1 if channels == filters else 2
        # Batch norm subtracts the mean, so that a bias before it would have no effect.
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(filters)
        self.relu = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2:
            downsample = nn.Conv2d(channels, filters, 1, stride, bias=False)  # pruning recognises it by its name
            self.shortcut = nn.Sequential(OrderedDict(downsample=downsample, norm=nn.BatchNorm2d(filters)))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.relu(self.norm1(self.conv1(x)))
        out: Tensor = self.relu(self.norm2(self.conv2(inner)) + self.shortcut(x))
        return out
