"""N:M sparsity (Mishra et al. 2021): at most N weights are left in each block of M consecutive inputs.

Differs: the inputs of a filter are its weights in the order in which they are stored, so that a block of a convolution goes over
places of the kernel. GPUs have fast products for blocks of channels, so only fully connected layers with 2:4 can gain there.
"""

from collections.abc import Mapping
from math import prod

from pipeline.domain.pruning import Layer, groups
from pipeline.domain.structures import ByBlock, Plan, require_layers
from pipeline.values.errors import UserError


def n_by_m(layers: Mapping[str, Layer], rates: Mapping[str, float], scope: str, m: int = 4) -> Plan:
    """m: the length of a block of consecutive inputs of a row; round(m (1 - rate)^k) of them are kept, but at least one."""
    require_layers(scope, "n_by_m")
    if type(m) is not int or m < 2:
        raise UserError(f"m is {m!r}, but should be a whole number of at least 2, such as 4")
    groups(layers, rates, scope)  # refuses a rate for a kind that the network does not have
    chosen = {name: rates[layer.kind] for name, layer in layers.items() if layer.kind in rates}
    wrong = [f"{name} has {prod(layers[name].shape[1:])}" for name in chosen if prod(layers[name].shape[1:]) % m]
    if wrong:
        raise UserError(f"m is {m} and should divide the number of inputs of every pruned layer, but {', '.join(wrong)}")
    return ByBlock(layers, chosen, m)
