"""Magnitude pruning keeps the weights of largest magnitude at the end of training (section 2)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def magnitude(trained: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Scores with the keys and shapes of `trained`; the highest are kept."""
    return {name: np.abs(weight) for name, weight in trained.items()}
