"""The weights that the model gives itself when it is built, drawn from the replicate's own seed."""

from torch import nn


def model(module: nn.Module) -> None:
    """Changes nothing, because the module was built anew under the seed."""
