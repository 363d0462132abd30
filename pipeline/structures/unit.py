"""Hidden units of fully connected layers: the weights that come into a unit and those that leave it are removed together."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.domain.pruning import Layer, groups
from pipeline.domain.structures import Plan, by_unit
from pipeline.structures import _graph

if TYPE_CHECKING:
    from torch import Tensor, nn


def unit(layers: Mapping[str, Layer], rates: Mapping[str, float], scope: str, module: "nn.Module", example: "Tensor") -> Plan:
    """The outputs of the network are never removed, so a rate for the last layer alone has no effect."""
    groups(layers, rates, scope)  # refuses a rate for a kind that the network does not have
    return by_unit(layers, _graph.coupled(module, example, layers, convolutions=False), rates, scope, "unit")
