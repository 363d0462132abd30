"""Keeps the weights whose magnitude grows most in training (`magnitude increase`, Zhou et al. 2019, section 3: |w_f| - |w_i|)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def magnitude_increase(trained: Mapping[str, FloatArray], initial: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Scores with the keys and shapes of `trained`; the highest are kept."""
    return {name: np.abs(weight) - np.abs(initial[name]) for name, weight in trained.items()}
