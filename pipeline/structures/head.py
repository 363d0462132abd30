"""Attention heads (Michel et al. 2019): the rows of a head's queries, keys and values, and the columns that read it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from pipeline.domain.pruning import Layer, groups
from pipeline.domain.structures import Coupled, Member, Plan, by_unit

if TYPE_CHECKING:
    from torch import nn


def head(layers: Mapping[str, Layer], rates: Mapping[str, float], scope: str, module: "nn.Module") -> Plan:
    """Heads are found in each module with `num_heads`, `in_proj_weight` (3E, E) and `out_proj`, as in torch's own attention."""
    groups(layers, rates, scope)  # refuses a rate for a kind that the network does not have
    return by_unit(layers, coupled(module, layers), rates, scope, "head")


def coupled(module: "nn.Module", layers: Mapping[str, Layer]) -> list[Coupled]:
    found = []
    for name, layer in module.named_modules():
        prefix = f"{name}." if name else ""
        rows, columns = f"{prefix}in_proj_weight", f"{prefix}out_proj.weight"
        heads = getattr(layer, "num_heads", None)
        if not isinstance(heads, int) or rows not in layers or columns not in layers:
            continue
        width = layers[columns].shape[1]
        if layers[rows].shape[0] == 3 * width and width % heads == 0:
            of = np.arange(width) // (width // heads)
            found.append(Coupled(rows, heads, (Member(rows, 0, np.tile(of, 3)), Member(columns, 1, of))))
    return found
