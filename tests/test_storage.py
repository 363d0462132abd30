"""What weights cost in examined.csv: against the compacted network itself, and against files of the format."""

import numpy as np
import torch
from scipy import sparse

from pipeline.compact import cost, removal
from pipeline.domain.masks import Mask
from pipeline.domain.pruning import Layer
from pipeline.examine import storage
from pipeline.settings import config, measured
from tests import toy


def test_the_costs_are_those_of_the_network_and_of_scipys_matrices() -> None:
    network = toy.network("lenet", hidden=[12, 8])
    example = torch.rand(2, *toy.SHAPE)
    for density in (0.8, 0.2, 0.05):
        mask, weights = toy.mask(network, density), toy.fresh(network)
        found = storage.measure(mask, network.layers)
        smaller = removal.compact(network.module, mask, weights, example)
        left = sum(p.numel() for p in smaller.parameters() if p.dim() > 1)
        assert found["multiplications_compacted", ""] == left / mask.size
        dense = cost.operations(network.module, example)
        assert found["multiplications", ""] == cost.surviving_operations(network.module, mask, example) / dense
        rows = [sparse.csr_matrix(np.where(mask[n], np.abs(weights[n]) + 1, 0)) for n in mask]
        csr = sum(a.data.nbytes + a.indices.nbytes + a.indptr.nbytes for a in rows)
        assert found["bytes_csr", ""] == csr / (4 * mask.size)
        bits = sum(len(np.packbits(a)) + 4 * int(a.sum()) for a in mask.values())
        assert found["bytes_bitmap", ""] == bits / (4 * mask.size)
    assert found["multiplications_compacted", ""] < 1, "some units are dead"


def test_networks_of_another_kind_are_not_measured() -> None:
    """A convolution uses a weight more than once, and units may be read by other layers than the next."""
    for layers in ({"c": Layer("conv", (2, 3, 3, 3))}, {"a": Layer("fc", (4, 3)), "b": Layer("fc", (2, 5))}):
        assert storage.measure(Mask.full({n: a.shape for n, a in layers.items()}), layers) == {}


def test_the_masks_of_each_arm_are_known() -> None:
    experiment = config.load().experiment("lenet_units")
    assert measured.has_structures(experiment)
    assert measured.masks_of(experiment) == {
        "ticket": ("ticket", "weight"), "reinit": ("ticket", "weight"), "units": ("units", "unit"),
        "units_reinit": ("units", "unit"), "two_four": ("two_four", "n_by_m"),
    }  # fmt: skip
    assert not measured.has_structures(config.load().experiment("lenet"))
