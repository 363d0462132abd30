"""Networks from the outside: what is a weight and of which kind, and how fresh ones are drawn (appendix C)."""

from collections.abc import Mapping
from typing import Any, get_args

import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.domain.pruning import Layer
from pipeline.values import plugins
from pipeline.values.errors import UserError
from pipeline.values.experiment import Kind

GIVEN = ("shape", "classes")  # what the pipeline passes to every model


def build(name: str, shape: tuple[int, ...], classes: int, options: Mapping[str, Any]) -> nn.Module:
    """A network with meaningless weights.

    Shapes: shape is (C, H, W) of one image.
    Raises: UserError when the options don't fit the model.
    """
    plugins.check("models", name, GIVEN, options)
    try:
        module: nn.Module = plugins.load("models", name)(shape, classes, **options)
        logits = _tried(module, shape)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UserError(f"model {name!r} cannot take images of shape {shape}: {' '.join(str(error).split())}") from error
    if logits.shape != (2, classes):
        raise UserError(f"model {name!r} gives {tuple(logits.shape)} for two images, should give (2, {classes}), a logit a class")
    return module


@torch.no_grad()
def _tried(module: nn.Module, shape: tuple[int, ...]) -> torch.Tensor:
    """What the network makes of two black images, without a trace in its running statistics."""
    module.eval()
    logits: torch.Tensor = module(torch.zeros(2, *shape))
    module.train()
    return logits


def layers(module: nn.Module) -> dict[str, Layer]:
    """Every weight that can be pruned, in the order of the network.

    A layer's own attribute `kind` comes first; of the others the last fully connected one is the output.
    Raises: UserError when a layer's own kind is none that there is.
    """
    found = {
        f"{name}.weight": layer
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | nn.modules.conv._ConvNd)
    }
    kinds = {name: _kind(name, layer) for name, layer in found.items()}
    linear = [name for name, layer in found.items() if isinstance(layer, nn.Linear) and not hasattr(layer, "kind")]
    if linear and "output" not in kinds.values():
        kinds[linear[-1]] = "output"
    return {name: Layer(kinds[name], tuple(layer.weight.shape)) for name, layer in found.items()}


def _kind(name: str, layer: nn.Module) -> Kind:
    if not hasattr(layer, "kind"):
        return "fc" if isinstance(layer, nn.Linear) else "conv"
    kind: Any = layer.kind
    if kind not in get_args(Kind):
        raise UserError(f"the kind of {name} is {kind!r}, should be one of {', '.join(get_args(Kind))}")
    return kind  # type: ignore[no-any-return]


def glorot_normal(module: nn.Module, seed: int) -> dict[str, NDArray[Any]]:
    """Fresh weights: Gaussian with variance 2 / (fan in + fan out), zero biases, norms at one (section 2: Gaussian Glorot).

    Buffers, such as batch norm's running statistics, start as the module defines them.
    """
    generator = torch.Generator().manual_seed(seed)
    fresh = {name: t.detach().clone() for name, t in (*module.named_parameters(), *module.named_buffers())}
    for name, parameter in module.named_parameters():
        if parameter.dim() >= 2:
            nn.init.xavier_normal_(fresh[name], generator=generator)
        elif name.endswith("bias"):
            fresh[name].zero_()
        else:
            fresh[name].fill_(1)
    return {name: tensor.numpy() for name, tensor in fresh.items()}
