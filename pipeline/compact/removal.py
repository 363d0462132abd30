"""Removes from a network what its mask has made useless, so that dense operations become cheaper.

A unit, filter or attention head is dead if no surviving weight reads it. Whatever its value, it then has no effect: its bias
and normalisation have no mask and may still give it a constant value, but this is multiplied by zeros only. A unit
that feeds only dead units is dead too. A unit without incoming weights that is still read adds a constant to others, and is kept.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.compact.attention import FewerHeads
from pipeline.domain.masks import BoolArray, Mask
from pipeline.domain.pruning import Layer
from pipeline.domain.structures import Coupled
from pipeline.structures import _graph, head
from pipeline.values.errors import UserError

TOLERANCE = 1e-4  # of the largest output; sums of fewer terms are rounded in another order


def compact(module: nn.Module, mask: Mask, weights: Mapping[str, NDArray[Any]], example: Tensor) -> nn.Module:
    """A network without dead units, in evaluation mode, whose outputs are those of the masked one.

    Units of the network's output, and units that a normalisation over units reads, stay where they are, and so does one unit
    of each layer. Shapes: example (N, *shape), inputs of the network; the result takes any number of inputs.
    Raises: UserError when the outputs for the example differ, because the network uses a unit in a way that no graph shows.
    """
    masked = _loaded(module, mask, weights)
    smaller = deepcopy(masked)
    layers = {name: Layer("", a.shape) for name, a in mask.items()}
    units = [c for kind in (False, True) for c in _graph.coupled(smaller, example, layers, convolutions=kind)]
    heads = [c for c in head.coupled(smaller, layers) if _is_plain(smaller.get_submodule(c.name.rpartition(".")[0]))]
    kept = alive([*units, *heads], mask)
    _graph.remove(smaller, example, {c.name.rpartition(".")[0]: np.flatnonzero(~kept[c.name]) for c in units})
    for found in heads:
        _without_heads(smaller, found.name.rpartition(".")[0], kept[found.name])
    with torch.no_grad():
        before, after = masked(example), smaller.eval()(example)
    if not torch.allclose(before, after, atol=TOLERANCE * max(1.0, float(before.abs().max())), rtol=0):
        raise UserError(
            "the compacted network has other outputs, because this network uses some of its units in a way that is not known"
        )
    return smaller


def alive(units: list[Coupled], mask: Mask) -> dict[str, BoolArray]:
    """By the name of coupled units, those that a surviving weight of a living unit reads; at least one of each."""
    found = {c.name: np.ones(c.size, dtype=np.bool_) for c in units}
    while True:
        before = mask
        for c in units:
            reading = Coupled(c.name, c.size, tuple(m for m in c.members if m.dimension > 0))
            kept = reading.alive(mask)
            kept[:1] |= not kept.any()
            mask, found[c.name] = c.expanded(kept, mask), kept
        if mask == before:
            return found


@torch.no_grad()
def _loaded(module: nn.Module, mask: Mask, weights: Mapping[str, NDArray[Any]]) -> nn.Module:
    copy, arrays = deepcopy(module).eval(), mask.apply(weights)
    for name, tensor in (*copy.named_parameters(), *copy.named_buffers()):
        tensor.copy_(torch.from_numpy(arrays[name]))
    return copy


def _is_plain(layer: nn.Module) -> bool:
    """Whether heads can be removed: torch's own attention, without keys and values that are added to those of the inputs."""
    return type(layer) is nn.MultiheadAttention and layer.bias_k is None and not layer.add_zero_attn


def _without_heads(module: nn.Module, name: str, kept: BoolArray) -> None:
    if not kept.all():
        parent, _, own = name.rpartition(".")
        attention = module.get_submodule(name)
        assert isinstance(attention, nn.MultiheadAttention)
        setattr(module.get_submodule(parent), own, FewerHeads(attention, torch.from_numpy(np.flatnonzero(kept))))
