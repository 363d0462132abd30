"""A mask tells which weights survive (section 1: the mask m in m * theta)."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]


class Mask(Mapping[str, BoolArray]):
    """An immutable bool array for every weight of a network, by name; it is all True for a weight that is never pruned.

    Shapes: each array has the shape of the weight it is named after. Biases and norm parameters have no mask.
    """

    def __init__(self, arrays: Mapping[str, BoolArray]) -> None:
        """Raises: ValueError for anything but True and False, because a number or a text would count as one of them."""
        self._arrays = {name: np.array(a) for name, a in arrays.items()}
        wrong = [name for name, a in self._arrays.items() if a.dtype != np.bool_]
        if wrong:
            raise ValueError(
                f"the mask of {wrong[0]} is {self._arrays[wrong[0]].dtype}, but should be True or False for each weight"
            )
        for array in self._arrays.values():
            array.flags.writeable = False

    @classmethod
    def full(cls, shapes: Mapping[str, tuple[int, ...]]) -> "Mask":
        return cls({name: np.ones(shape, dtype=np.bool_) for name, shape in shapes.items()})

    def __getitem__(self, name: str) -> BoolArray:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    @property
    def kept(self) -> dict[str, int]:
        """The number of surviving weights in each layer."""
        return {name: int(a.sum()) for name, a in self.items()}

    @property
    def size(self) -> int:
        return sum(a.size for a in self.values())

    @property
    def density(self) -> float:
        """The paper's P_m as a fraction: surviving weights over all weights, including those of unpruned layers."""
        return sum(self.kept.values()) / self.size

    def __and__(self, other: "Mask") -> "Mask":
        self._same_layers(other)
        return Mask({name: a & other[name] for name, a in self.items()})

    def issubset(self, other: "Mask") -> bool:
        self._same_layers(other)
        return all(bool(np.all(other[name][a])) for name, a in self.items())

    def scattered(self, draw: np.random.Generator) -> "Mask":
        """A mask with as many survivors in each layer, at random places in it (appendix E: random sparsity)."""
        return Mask({name: draw.permutation(a.ravel()).reshape(a.shape) for name, a in self.items()})

    def shuffled(self, draw: np.random.Generator) -> "Mask":
        """A mask with as many survivors in each unit or channel that a layer computes, at random inputs of it."""
        return Mask({name: draw.permuted(a.reshape(len(a), -1), axis=1).reshape(a.shape) for name, a in self.items()})

    def apply(self, weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """A copy of the weights with 0 where the mask is False; arrays without a mask are copied as they are.

        Raises: ValueError when a mask has no weight of its name and shape.
        """
        for name, a in self.items():
            if name not in weights or weights[name].shape != a.shape:
                found = weights[name].shape if name in weights else "missing"
                raise ValueError(f"the mask of {name} has shape {a.shape}, but the weight is {found}")
        return {n: np.where(self[n], w, w.dtype.type(0)) if n in self else w.copy() for n, w in weights.items()}

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Mask)
            and self.keys() == other.keys()
            and all(np.array_equal(a, other[name]) for name, a in self.items())
        )

    __hash__ = None  # type: ignore[assignment]

    def _same_layers(self, other: "Mask") -> None:
        if {n: a.shape for n, a in self.items()} != {n: a.shape for n, a in other.items()}:
            raise ValueError(f"masks of different networks: {sorted(self)} and {sorted(other)}")
