"""Keeps the weights that move most in training (`movement`, Zhou et al. 2019, section 3, table 1: |w_f - w_i|)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def movement(trained: Mapping[str, FloatArray], initial: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Scores with the keys and shapes of `trained`; the highest are kept."""
    return {name: np.abs(weight - initial[name]) for name, weight in trained.items()}
