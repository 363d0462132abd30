"""Pruning before training (appendix F.4): keeps the weights of largest magnitude at initialisation."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def initial_magnitude(initial: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Scores with the keys and shapes of `initial`; the highest are kept."""
    return {name: np.abs(weight) for name, weight in initial.items()}
