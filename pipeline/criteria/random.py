"""Random pruning, the baseline of every criterion: each surviving weight is as likely to be kept as another.

With `scope: layer` and one rate, all layers have the same density; with `scope: erk` it is a strong baseline (Liu et al. 2022).
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pipeline.domain.masks import Mask


def random(mask: Mask, rng: Generator) -> dict[str, NDArray[np.float64]]:
    """Scores with the keys and shapes of `mask`, drawn for each item and replicate; the highest are kept."""
    return {name: rng.random(array.shape) for name, array in mask.items()}
