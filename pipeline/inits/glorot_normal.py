"""Gaussian Glorot (section 2): variance 2 / (fan in + fan out), zero biases."""

import torch
from torch import nn


def glorot_normal(module: nn.Module, generator: torch.Generator) -> None:
    """Draws the weights of fully connected, convolutional, attention and recurrent layers.

    Everything else (norms, embeddings, a model's bare parameters) keeps what the model itself gave it, and so does whatever
    is frozen.
    """
    for layer in module.modules():
        if isinstance(layer, _DRAWN):
            for parameter in layer.parameters(recurse=False):
                if not parameter.requires_grad:
                    continue
                if parameter.dim() >= 2:
                    nn.init.xavier_normal_(parameter, generator=generator)
                else:
                    nn.init.zeros_(parameter)


_DRAWN = (
    nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd, nn.MultiheadAttention, nn.RNNBase, nn.RNNCellBase
)  # fmt: skip
