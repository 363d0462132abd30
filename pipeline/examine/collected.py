"""What was measured, as tidy tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.domain.masks import Mask
from pipeline.domain.pruning import Layer
from pipeline.examine import connections, distribution
from pipeline.examine.quantities import PROFILES, QUANTITIES, Measured
from pipeline.results.examined import COLUMNS, PROFILE_COLUMNS
from pipeline.values.lanes import DENSE, Item

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.examine.replicates import Weights

DIGITS = 6  # significant digits, because the last bits of a sum depend on the processor, and the tables should not


@dataclass(frozen=True)
class Numbers:
    """The rows of examined.csv."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def add(self, item: Item, density: float, seed: int, measured: Measured) -> None:
        """Values that are NaN are left out, because the quantity is not defined for so few weights."""
        for (quantity, layer), value in measured.items():
            if not math.isnan(value):
                self.rows.append((quantity, item.arm, item.round, density, layer, seed, _rounded(value)))

    def table(self, arms: Sequence[str], layers: Sequence[str]) -> pd.DataFrame:
        return _table(self.rows, COLUMNS, (list(QUANTITIES), [DENSE, *arms], ["", *layers]))


@dataclass(frozen=True)
class Profiles:
    """The rows of profiles.csv, which are means over the replicates. bins: the edges of each layer's histograms."""

    layers: Mapping[str, Layer]
    bins: Mapping[str, NDArray[np.float64]]
    found: dict[tuple[Any, ...], list[NDArray[Any]]] = field(default_factory=dict)

    def weights(self, item: Item, density: float, initial: Weights, mask: Mask) -> None:
        for layer, bins in self.bins.items():
            self._add("initial_weights", item, density, layer, distribution.histogram(initial[layer][mask[layer]], bins))

    def connections(self, item: Item, density: float, mask: Mask) -> None:
        for layer in connections.layers_of(self.layers):
            incoming, outgoing = connections.incoming(mask[layer]), connections.outgoing(mask[layer])
            self._add("inputs_sorted", item, density, layer, np.sort(incoming)[::-1])
            self._add("outputs_sorted", item, density, layer, np.sort(outgoing)[::-1])
            if layer == connections.first_of(self.layers):
                self._add("input_counts", item, density, layer, outgoing)

    def _add(self, quantity: str, item: Item, density: float, layer: str, values: NDArray[Any]) -> None:
        self.found.setdefault((quantity, item.arm, item.round, density, layer), []).append(values)

    def table(self, arms: Sequence[str], layers: Sequence[str]) -> pd.DataFrame:
        rows = []
        for (quantity, arm, number, density, layer), values in self.found.items():
            places: Any = range(len(values[0]))
            if quantity == "initial_weights":
                places = [_rounded(centre) for centre in (self.bins[layer][1:] + self.bins[layer][:-1]) / 2]
            means = np.mean(values, axis=0)
            rows += [
                (quantity, arm, number, density, layer, place, _rounded(mean)) for place, mean in zip(places, means, strict=True)
            ]
        return _table(rows, PROFILE_COLUMNS, (list(PROFILES), [DENSE, *arms], ["", *layers]))


def _table(rows: list[tuple[Any, ...]], columns: Sequence[str], orders: tuple[list[str], list[str], list[str]]) -> pd.DataFrame:
    """orders: of quantities, arms and layers. The last column but one (seeds or positions) keeps the order of the rows."""
    import pandas as pd

    quantities, arms, layers = ({name: i for i, name in enumerate(names)} for names in orders)
    rows = sorted(rows, key=lambda row: (quantities[row[0]], arms[row[1]], row[2], layers[row[4]]))
    return pd.DataFrame(rows, columns=list(columns))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
