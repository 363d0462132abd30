"""torchvision's networks for classification, by the names that torchvision gives them: `name: "torchvision:resnet18"`.

They are built without trained weights. A network is an attribute of this module, made by `__getattr__` when it is asked for.
"""

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn
from torchvision import models

from pipeline.values.errors import UserError

CHANNELS = 3  # all of torchvision's networks are for photographs in color
# Not options: the data and the task determine the first three, the loss takes one tensor, and no weights are downloaded.
DETERMINED = {"num_classes", "image_size", "input_size", "aux_logits", "weights", "progress"}
Shape = tuple[int, ...]


def __getattr__(name: str) -> Callable[..., nn.Module]:
    """The function that builds a network, whose options are those of the network's class. Raises: UserError for another name."""
    if name.startswith("_"):  # Python itself asks a module for such names
        raise AttributeError(name)
    known = models.list_models(module=models)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=5) or known
        raise UserError(f"model 'torchvision:{name}' is none of torchvision's; should be like {', '.join(close)}")
    builder = models.get_model_builder(name)
    takes = inspect.signature(inspect.signature(builder).return_annotation).parameters

    def build(shape: Shape, outputs: int, small_images: bool = False, **options: Any) -> nn.Module:
        module: nn.Module = builder(weights=None, **_determined(takes, shape, outputs), **options)
        if not isinstance(small_images, bool):
            raise UserError(f"small_images is {small_images!r}, but should be true or false")
        if small_images:
            _replace_stem(module)
        _name_kinds(module)
        return module

    offered = list(inspect.signature(build).parameters.values())[:3]
    build.__signature__ = inspect.Signature([*offered, *map(_option, filter(_is_option, takes.values()))])  # type: ignore[attr-defined]
    return build


def _determined(takes: Mapping[str, Any], shape: Shape, outputs: int) -> dict[str, Any]:
    """What a network's class must be told of the data and the task. Raises: UserError for data that are no such images."""
    if len(shape) != 3 or shape[0] != CHANNELS:
        raise UserError(f"torchvision's networks take images of {CHANNELS} channels, but an input has the shape {shape}")
    if "image_size" in takes and shape[1] != shape[2]:
        raise UserError(f"this network of torchvision's takes square images, but an input has the shape {shape}")
    found = {"num_classes": outputs, "image_size": shape[1], "input_size": shape[1:], "aux_logits": False, "init_weights": True}
    return {name: value for name, value in found.items() if name in takes}


def _is_option(parameter: inspect.Parameter) -> bool:
    """Whether a parameter of a network's class can be set. Most parameters without a default are set by torchvision's builder."""
    settable = parameter.default is not parameter.empty or parameter.name == "dropout"
    plain = parameter.kind is parameter.POSITIONAL_OR_KEYWORD and "Callable" not in str(parameter.annotation)
    return settable and plain and parameter.name not in DETERMINED


def _option(parameter: inspect.Parameter) -> inspect.Parameter:
    return parameter.replace(kind=parameter.KEYWORD_ONLY, default=None)  # what is not given keeps torchvision's default


def _replace_stem(module: nn.Module) -> None:
    """A 3x3 convolution in place of the first one, and no pooling after it (He et al. 2016, section 4.2).

    torchvision's stem shrinks images to a quarter of their sides, which leaves little of 32x32 pixels.
    Raises: UserError for a network that is no ResNet.
    """
    if not isinstance(module, models.ResNet):
        raise UserError("small_images replaces the first layers of a ResNet, and this network is none; leave the option out")
    old = module.conv1
    module.conv1 = nn.Conv2d(old.in_channels, old.out_channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(module.conv1.weight, mode="fan_out", nonlinearity="relu")  # as torchvision draws the others
    module.maxpool = nn.Identity()


def _name_kinds(module: nn.Module) -> None:
    """States the kinds of those layers that cannot be told by their type or name."""
    for layer in module.modules():
        if "Attention" in type(layer).__name__:
            for inner in layer.children():
                if isinstance(inner, nn.Linear):
                    inner.kind = "attention"  # type: ignore[assignment]
        elif isinstance(layer, models.regnet.ResBottleneckBlock) and layer.proj is not None:
            layer.proj[0].kind = "downsample"
        elif isinstance(layer, models.SqueezeNet):
            layer.classifier[1].kind = "output"  # its last layer is a convolution
