"""Filters of convolutions (Li et al. 2017), with their channels in the layers that read them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.domain.pruning import Layer, groups
from pipeline.domain.structures import Plan, by_unit
from pipeline.structures import _graph

if TYPE_CHECKING:
    from torch import Tensor, nn


def filter(layers: Mapping[str, Layer], rates: Mapping[str, float], scope: str, module: "nn.Module", example: "Tensor") -> Plan:
    """Filters whose outputs are added up, as in a residual network, are removed together, those of shortcuts included."""
    groups(layers, rates, scope)  # refuses a rate for a kind that the network does not have
    return by_unit(layers, _graph.coupled(module, example, layers, convolutions=True), rates, scope, "filter")
