"""What the pipeline knows of a network: the weights that can be pruned, their kinds, and how fresh parameters are drawn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.domain.pruning import Layer
from pipeline.values.errors import UserError, blaming, type_of
from pipeline.values.plugins import Plugin

SHORTCUTS = {"downsample", "shortcut"}  # convolutions with these names are not pruned in the paper, see appendix I


@dataclass(frozen=True)
class Network:
    """module: the network, with meaningless weights. make: builds another one.

    layers: every weight that can be pruned, in the order of the network; a tied weight occurs once, a frozen one never.
    left_out: the trainable parameters of two or more dimensions that are not in `layers`.
    draws: whether its training draws random numbers, as dropout does.
    """

    module: nn.Module
    make: Callable[[], nn.Module]
    layers: Mapping[str, Layer]
    left_out: Sequence[str]
    draws: bool


def build(model: Plugin, example: Tensor, outputs: tuple[int, ...]) -> Network:
    """Builds a network and runs it on two examples.

    Shapes: example (2, *shape), normalised; outputs is the shape of the output for one example.
    Raises: UserError when the model does not take the examples, does not give such outputs, or names its weights wrongly.
    """
    shape = tuple(example.shape[1:])

    def make() -> nn.Module:
        module: nn.Module = model(shape=shape, outputs=outputs[-1])
        return module

    module = make()
    if not isinstance(module, nn.Module):
        raise UserError(f"{model} gives {type_of(module)}, but should give a torch.nn.Module")
    with blaming(f"{model} fails on two inputs of shape {shape}"):
        found, used = _tried(module, example)
        draws = _draws(module, example)
    if not isinstance(found, Tensor):
        raise UserError(f"{model} gives {type_of(found)}, but should give one tensor")
    if found.shape != (2, *outputs):
        raise UserError(f"{model} gives {tuple(found.shape)} for two inputs, but should give {(2, *outputs)}")
    layers = _layers(module, used)
    left_out = [n for n, p in module.named_parameters() if p.requires_grad and p.dim() > 1 and n not in layers]
    return Network(module, make, layers, left_out, draws)


def fresh(network: Network, init: Plugin, seed: int) -> dict[str, NDArray[Any]]:
    """Fresh parameters and buffers, by name: those of a module that is built anew under the seed and then changed by the init.

    Raises: UserError when the init fails or leaves a parameter to train that is not finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed((seed + 1) % 2**63)  # another seed, because the init would draw the same numbers again
        module = network.make()
    init(module=module, generator=torch.Generator().manual_seed(seed))
    wrong = [name for name, p in trainable(module).items() if not p.isfinite().all()]
    if wrong:
        raise UserError(f"{init} leaves {', '.join(wrong)} with values that are not finite")
    return {name: t.detach().clone().numpy() for name, t in (*module.named_parameters(), *module.named_buffers())}


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that training changes; a tied one occurs once, under its first name."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def fixed(module: nn.Module) -> dict[str, Tensor]:
    """Everything else that a network consists of: buffers and frozen parameters."""
    return dict(module.named_buffers()) | {n: p.detach() for n, p in module.named_parameters() if not p.requires_grad}


@torch.no_grad()
def _tried(module: nn.Module, example: Tensor) -> tuple[Any, list[str]]:
    """The network's output for two examples, and its fully connected layers in the order in which they were used."""
    used: list[str] = []
    hooks = [
        layer.register_forward_hook(lambda *_, name=name: used.append(name))
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear)
    ]
    module.eval()  # so that the running statistics do not change
    found = module(example)
    module.train()
    for hook in hooks:
        hook.remove()
    return found, used


@torch.no_grad()
def _draws(module: nn.Module, example: Tensor) -> bool:
    """Whether a forward pass in training mode draws from torch's random generator."""
    buffers: dict[str, Tensor] = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with torch.random.fork_rng(devices=[]):
        before = torch.get_rng_state()
        module.train()
        module(example)
        drew = not torch.equal(before, torch.get_rng_state())
    for name, buffer in module.named_buffers():
        buffer.copy_(buffers[name])
    return drew


def _layers(module: nn.Module, used: Sequence[str]) -> dict[str, Layer]:
    """Every weight that can be pruned: those that the model names itself, or those of torch's own layers.

    A model's own `prunable() -> name: kind` takes precedence, then a layer's own attribute `kind`. Among the other fully
    connected layers, the one that is used last is the output.
    """
    parameters = trainable(module)
    if hasattr(module, "prunable"):
        with blaming("prunable() of the network failed"):
            own: Any = module.prunable()  # type: ignore[operator]
        wrong = sorted(set(own) - set(parameters)) if isinstance(own, Mapping) else [repr(own)]
        if wrong:
            raise UserError(f"prunable() names {', '.join(wrong)}; should be a mapping of {', '.join(parameters)} to kinds")
        return {name: Layer(str(own[name]), tuple(p.shape)) for name, p in parameters.items() if name in own}
    kinds: dict[int, str] = {}
    for name, layer in module.named_modules():
        for parameter, kind in _weights(name, layer):
            kinds.setdefault(id(parameter), kind)  # a tied weight has the kind of the layer that comes first
    linear = [name for name in used if not hasattr(module.get_submodule(name), "kind")]
    plain = [name for name in linear if kinds.get(id(module.get_submodule(name).weight)) == "fc"]
    if plain and "output" not in kinds.values():
        kinds[id(module.get_submodule(plain[-1]).weight)] = "output"
    return {name: Layer(kinds[id(p)], tuple(p.shape)) for name, p in parameters.items() if id(p) in kinds}


def _weights(name: str, layer: nn.Module) -> list[tuple[nn.Parameter, str]]:
    """The weights of one layer, without those of layers inside it, each with its kind."""
    kind = getattr(layer, "kind", None)
    if kind is not None and not isinstance(kind, str):
        raise UserError(f"the kind of {name} is {kind!r}, but should be a name, such as conv")
    found: list[tuple[Any, str]] = []
    if isinstance(layer, nn.Linear | nn.Bilinear):
        found = [(layer.weight, "attention" if _is_projection(layer) else "fc")]
    elif isinstance(layer, nn.modules.conv._ConvNd):
        found = [(layer.weight, "downsample" if SHORTCUTS.intersection(name.split(".")) else "conv")]
    elif isinstance(layer, nn.MultiheadAttention):
        names = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
        found = [(getattr(layer, n), "attention") for n in names]
    elif isinstance(layer, nn.Embedding | nn.EmbeddingBag):
        found = [(layer.weight, "embedding")]
    elif isinstance(layer, nn.RNNBase | nn.RNNCellBase):
        found = [(p, "recurrent") for p in layer.parameters(recurse=False) if p.dim() > 1]
    return [(weight, kind or usual) for weight, usual in found if isinstance(weight, nn.Parameter)]


def _is_projection(layer: nn.Module) -> bool:
    """Whether this is the last layer of torch's attention, which has a class of its own."""
    return isinstance(layer, nn.modules.linear.NonDynamicallyQuantizableLinear)
