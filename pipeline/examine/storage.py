"""What fully connected networks cost: the multiplications and bytes of their weights, as shares of the dense network's."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from pipeline.domain.masks import Mask
from pipeline.domain.pruning import Layer
from pipeline.examine import connections
from pipeline.examine.quantities import Measured

VALUE, INDEX = 4, 4  # bytes of a float32 and of an int32


def measure(mask: Mask, layers: Mapping[str, Layer]) -> Measured:
    """Nothing unless the network is a sequence of fully connected layers, each of which uses every weight once for an input."""
    names = connections.layers_of(layers)
    if names != list(layers) or any(layers[a].shape[0] != layers[b].shape[1] for a, b in pairwise(names)):
        return {}
    dense = VALUE * mask.size
    bitmap = sum(-(-a.size // 8) + VALUE * int(a.sum()) for a in mask.values())
    csr = sum((VALUE + INDEX) * int(a.sum()) + INDEX * (len(a) + 1) for a in mask.values())
    return {
        ("multiplications", ""): mask.density,
        ("multiplications_compacted", ""): _compacted(mask, names) / mask.size,
        ("bytes_bitmap", ""): bitmap / dense,
        ("bytes_csr", ""): csr / dense,
    }


def _compacted(mask: Mask, names: list[str]) -> int:
    """The number of weights that are left when units that nothing reads are removed, and what feeds only these; one unit of each
    layer always stays.
    """
    read, size = np.ones(len(mask[names[-1]]), dtype=np.bool_), 0
    for i, name in reversed([*enumerate(names)]):
        inputs = np.asarray(mask[name][read].any(axis=0))
        inputs[:1] |= not inputs.any()
        size += int(read.sum()) * (int(inputs.sum()) if i else inputs.size)  # the network takes all of its inputs
        read = inputs
    return size
