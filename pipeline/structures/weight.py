"""Unstructured pruning (section 2): every weight is removed or kept by itself."""

from collections.abc import Mapping

from pipeline.domain import pruning
from pipeline.domain.pruning import Layer
from pipeline.domain.structures import ByWeight, Plan


def weight(layers: Mapping[str, Layer], rates: Mapping[str, float], scope: str) -> Plan:
    return ByWeight(layers, pruning.groups(layers, rates, scope))
