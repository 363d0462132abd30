"""The files that are read of one replicate. All functions here raise a UserError that names a file if it is missing, damaged or
of another network.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import NDArray

from pipeline.domain.masks import Mask
from pipeline.domain.pruning import Layer
from pipeline.files import masks
from pipeline.files.lane import LaneFiles
from pipeline.settings import places
from pipeline.values.lanes import Item, Lane

Weights = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Reader:
    """layers: the weights that can be pruned, in the order of the network."""

    layers: Mapping[str, Layer]

    def weights(self, lane: Lane, which: str) -> Weights:
        """The weights of the layers. which: one of lane.WEIGHTS."""
        found = LaneFiles.of(lane).weights(which, self.layers, places.target(lane.item, False))
        return {name: found[name] for name in self.layers}

    def mask(self, item: Item, seed: int) -> Mask:
        found = masks.read(item, seed, self.layers, places.target(item, False))
        return Mask({name: found[name] for name in self.layers})


@dataclass(frozen=True)
class Dense:
    """The dense network's weights at iteration 0, at the rewind point and after training."""

    initial: Weights
    rewound: Weights
    trained: Weights

    @classmethod
    def read(cls, reader: Reader, lane: Lane) -> Self:
        return cls(*(reader.weights(lane, which) for which in ("start", "rewind", "trained")))
