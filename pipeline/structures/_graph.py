"""Which weights belong to the same unit or filter, by Torch-Pruning's dependency graph (Fang et al. 2023, DepGraph).

A unit is left out if it cannot be removed without a trace: outputs of the network, what a normalisation over the units reads,
what attention multiplies, and units of tied or frozen weights.
"""

from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.domain.pruning import Layer
from pipeline.domain.structures import Coupled, Member, merged

if TYPE_CHECKING:
    from torch import Tensor, nn

MIXING = ("Bmm", "Softmax", "ScaledDot", "LayerNorm", "GroupNorm")  # operations in which units affect each other


def coupled(module: "nn.Module", example: "Tensor", layers: Mapping[str, Layer], convolutions: bool) -> list[Coupled]:
    """The units of fully connected layers, or the filters of convolutions, each set once, in the order of the network."""
    import torch
    import torch_pruning
    from torch import nn

    copy = deepcopy(module).eval()
    for parameter in copy.parameters():
        parameter.requires_grad_(True)  # the graph is traced through the gradient
    with torch.enable_grad():
        graph = torch_pruning.DependencyGraph().build_dependency(copy, example)
    names = _names(copy)
    found: dict[frozenset[tuple[str, int]], Coupled] = {}
    for layer in copy.modules():
        computes = isinstance(layer, nn.modules.conv._ConvNd) if convolutions else isinstance(layer, nn.Linear)
        if computes and layer in graph.module2node and names.get(id(layer), "") in layers:
            units = _units(graph, layer, names, layers)
            if units is not None:
                found.setdefault(frozenset((m.weight, m.dimension) for m in units.members), units)
    return list(found.values())


def _names(module: "nn.Module") -> dict[int, str]:
    """The names of the modules' weights, without tied ones, by the identity of the module."""
    counted = Counter(id(p) for _, p in module.named_parameters(remove_duplicate=False))
    return {
        id(layer): f"{name}.weight" if name else "weight"
        for name, layer in module.named_modules()
        if counted[id(getattr(layer, "weight", None))] == 1
    }


def _units(graph: Any, layer: "nn.Module", names: Mapping[int, str], layers: Mapping[str, Layer]) -> Coupled | None:
    """What removing units of a layer removes from others; None if they cannot be removed."""
    from torch import nn

    size = graph.get_out_channels(layer)
    group = graph.get_pruning_group(layer, graph.get_pruner_of_module(layer).prune_out_channels, list(range(size)))
    members = []
    for item in group.items:
        node, out = item.dep.target, graph.is_out_channel_pruning_fn(item.dep.handler)
        operation = type(node.module).__name__ + (node.name or "")
        if (out and not node.outputs) or any(word in operation for word in MIXING):
            return None
        if isinstance(node.module, nn.Linear | nn.modules.conv._ConvNd):
            weight = names.get(id(node.module), "")
            if weight not in layers or getattr(node.module, "transposed", False):
                return None
            depthwise = getattr(node.module, "groups", 1) > 1
            dimension = 0 if out or depthwise else 1
            if depthwise and layers[weight].shape[1] != 1:
                return None
            units = np.full(layers[weight].shape[dimension], -1)
            units[item.idxs] = item.root_idxs
            members.append(Member(weight, dimension, units))
        elif not isinstance(node.module, nn.modules.batchnorm._BatchNorm) and any(True for _ in _own(node.module)):
            return None
    found = Coupled(names[id(layer)], size, merged(members))
    return found if any(m.dimension > 0 for m in found.members) else None


def _own(module: Any) -> Any:
    """The parameters of a node, which may be a parameter itself."""
    return module.parameters() if hasattr(module, "parameters") else [module]


def remove(module: "nn.Module", example: "Tensor", dead: Mapping[str, Any]) -> None:
    """Removes units from a network. dead: their indices, by the name of the layer that computes them."""
    import torch
    import torch_pruning

    for name, indices in dead.items():
        if len(indices):
            with torch.enable_grad():
                graph = torch_pruning.DependencyGraph().build_dependency(module, example)
            layer = module.get_submodule(name)
            graph.get_pruning_group(layer, graph.get_pruner_of_module(layer).prune_out_channels, indices.tolist()).prune()
