"""Gaussian Glorot initialisation (section 2): weights have variance 2 / (fan in + fan out), and biases are zero."""

import torch
from torch import nn


def glorot_normal(module: nn.Module, generator: torch.Generator) -> None:
    """Draws the weights of fully connected, convolutional, attention and recurrent layers.

    Everything else (norms, embeddings, a model's bare parameters) keeps the values that the model gave it, and so does
    every frozen parameter.
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
