"""Structures against brute force: which weights belong together, how many are left, and which are kept."""

from collections.abc import Mapping
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.domain import pruning
from pipeline.domain.masks import Mask
from pipeline.domain.networks import Network
from pipeline.domain.pruning import Layer
from pipeline.domain.structures import ByBlock, ByUnit, ByWeight, Coupled, Member, Plan, plan_of
from pipeline.structures import _graph
from pipeline.values import plugins
from pipeline.values.errors import UserError
from tests import toy
from tests.test_compact import CASES, built

RATES = {"fc": 0.5, "output": 0.25}


def plan(
    network: Network, structure: str, rates: Mapping[str, float], example: Tensor, scope: str = "layer", **options: Any
) -> Plan:
    return plan_of(
        plugins.bind("structures", structure, options),
        layers=network.layers, rates=rates, scope=scope, module=network.module, example=example,
    )  # fmt: skip


def lenet() -> tuple[Network, Tensor]:
    return toy.network("lenet", hidden=[12, 8]), torch.zeros(2, *toy.SHAPE)


def scores(layers: Mapping[str, Layer], seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    return {name: draw.random(layer.shape) for name, layer in layers.items()}


# --- Weights: as ever


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_single_weights_are_pruned_as_ever(scope: str) -> None:
    network, example = lenet()
    rates = {"fc": 0.3, "output": 0.3}
    found, groups = plan(network, "weight", rates, example, scope), pruning.groups(network.layers, rates, scope)
    assert isinstance(found, ByWeight)
    mask = found.prune(scores(network.layers), toy.full(network), 2)
    assert mask == pruning.prune(scores(network.layers), toy.full(network), groups, 2)
    assert found.density(2) == pruning.density(network.layers, groups, 2) == mask.density


# --- Units of a LeNet, with loops over single units


def test_the_units_with_the_largest_sums_keep_their_rows_and_columns() -> None:
    network, example = lenet()
    given = scores(network.layers)
    mask = plan(network, "unit", RATES, example).prune(given, toy.full(network), 1)
    names = list(network.layers)
    expected = {name: np.ones(layer.shape, bool) for name, layer in network.layers.items()}
    for this, after in pairwise(names):
        n = network.layers[this].shape[0]
        sums = [sum(given[this][u, :]) + sum(given[after][:, u]) for u in range(n)]
        for u in sorted(range(n), key=lambda u: sums[u])[: n - round(n * 0.5)]:
            expected[this][u, :] = False
            expected[after][:, u] = False
    assert mask == Mask(expected)
    assert not expected["fc1.weight"].all()


def test_only_surviving_scores_count_and_later_rounds_keep_a_part_of_earlier_ones() -> None:
    network, example = lenet()
    found = plan(network, "unit", {"fc": 0.3}, example)
    before, given = toy.full(network), scores(network.layers)
    for k in range(1, 4):
        after = found.prune(scores(network.layers, k), before, k)
        assert after.issubset(before)
        assert after["fc1.weight"].any(axis=1).sum() == round(12 * 0.7**k)
        assert after["fc2.weight"].any(axis=1).sum() == round(8 * 0.7**k)
        before = after
    dead = {name: np.where(before[name], array, 1e9) for name, array in given.items()}  # a removed weight's score must not count
    assert found.prune(given, before, 4) == found.prune(dead, before, 4)


def test_one_shot_keeps_as_many_units_as_iterative() -> None:
    network, example = lenet()
    found = plan(network, "unit", {"fc": 0.3}, example)
    assert found.prune(scores(network.layers), toy.full(network), 3).density == pytest.approx(found.density(3), abs=1e-12)


# --- Densities are those of the masks


@pytest.mark.parametrize(("name", "structure"), [*CASES, ("lenet", "n_by_m"), ("conv2", "weight"), ("transformer", "n_by_m")])
def test_the_predicted_density_is_that_of_the_mask(name: str, structure: str) -> None:
    network, example, _ = built(name)
    kinds = dict.fromkeys((layer.kind for layer in network.layers.values()), 0.3)
    found = plan(network, structure, kinds, example)
    mask = toy.full(network)
    for k in (1, 2):
        mask = found.prune(scores(network.layers, k), mask, k)
        assert found.density(k) == pytest.approx(mask.density, abs=1e-12)
    assert mask.density < 1


# --- Which weights belong to a unit: the network's own behaviour is the oracle


@pytest.mark.parametrize(("name", "structure"), CASES)
@torch.no_grad()
def test_a_removed_unit_has_no_effect_whatever_its_bias(name: str, structure: str) -> None:
    """Its biases, norms and statistics may have any value. If one reading weight is put back, they have an effect again."""
    network, example, weights = built(name)
    found = plan(network, structure, dict.fromkeys((a.kind for a in network.layers.values()), 0.5), example)
    assert isinstance(found, ByUnit)
    units = found.coupled[0]
    kept = np.ones(units.size, bool)
    kept[1] = False
    mask = units.expanded(kept, toy.full(network))
    module = toy.load(network.make(), mask.apply(weights)).eval()
    before = module(example)
    for member in units.members:
        layer = module.get_submodule(member.weight.rpartition(".")[0])
        bias = getattr(layer, "bias", getattr(layer, "in_proj_bias", None))
        if member.dimension == 0 and isinstance(bias, Tensor) and len(bias) == len(member.units):
            bias[torch.from_numpy(member.units == 1)] += 3.0
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d) and name == "resnet" and norm is module.get_submodule("norm"):
            norm.bias[1] += 3.0
    torch.testing.assert_close(module(example), before, rtol=1e-4, atol=1e-4)


def test_filters_that_are_added_up_are_removed_together() -> None:
    network, example, _ = built("resnet")
    units = _graph.coupled(network.module, example, network.layers, convolutions=True)
    first = next(c for c in units if c.name == "conv.weight")
    assert {(m.weight, m.dimension) for m in first.members} == {
        ("conv.weight", 0), ("block1.conv2.weight", 0), ("block1.conv1.weight", 1), ("block2.conv1.weight", 1),
        ("block2.shortcut.downsample.weight", 1),
    }  # fmt: skip
    last = next(c for c in units if c.name == "block3.conv2.weight")
    assert ("output.weight", 1) in {(m.weight, m.dimension) for m in last.members}
    assert "output.weight" not in {c.name for c in units}


def test_a_filter_before_fully_connected_layers_is_read_by_all_its_pixels() -> None:
    network, example, _ = built("conv2")
    units = {c.name: c for c in _graph.coupled(network.module, example, network.layers, convolutions=True)}
    (reader,) = (m for m in units["conv2.weight"].members if m.weight == "fc1.weight")
    assert reader.dimension == 1
    np.testing.assert_array_equal(reader.units, np.repeat(np.arange(64), 16))  # 4x4 pixels of each filter


def test_outputs_and_what_a_norm_over_units_reads_are_never_units() -> None:
    network, example, _ = built("transformer")
    names = {c.name for c in _graph.coupled(network.module, example, network.layers, convolutions=False)}
    assert names == {f"layers.layers.{i}.linear1.weight" for i in (0, 1)}


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.output = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.output(torch.relu(self.second(torch.relu(self.first(x)))))
        return found


def test_units_of_tied_weights_are_left_out() -> None:
    module = Tied()
    layers = {"first.weight": Layer("fc", (4, 4)), "output.weight": Layer("output", (2, 4))}
    assert _graph.coupled(module, torch.rand(2, 4), layers, convolutions=False) == []


def test_heads_are_rows_of_queries_keys_and_values_and_columns_of_the_output() -> None:
    network, example, _ = built("transformer")
    found = plan(network, "head", {"attention": 0.5}, example)
    mask = found.prune({n: np.ones(a.shape) for n, a in network.layers.items()}, toy.full(network), 1)
    rows, columns = (mask[f"layers.layers.0.self_attn.{n}"] for n in ("in_proj_weight", "out_proj.weight"))
    for part, (row, _) in product(range(3), enumerate(rows[:8])):
        assert rows[8 * part + row].all() == rows[8 * part + row].any() == (row < 4)  # 4 heads of 2, of which the first two stay
    assert columns[:, :4].all()
    assert not columns[:, 4:].any()


def test_units_that_a_weight_holds_unequally_often_have_no_certain_density() -> None:
    with pytest.raises(UserError, match="b holds some units of a more often than others"):
        Coupled("a", 2, (Member("a", 0, np.array([0, 1])), Member("b", 1, np.array([0, 0, 1]))))


def test_a_depthwise_filter_is_removed_with_the_one_it_filters() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6), nn.Conv2d(6, 4, 1), nn.Flatten(), nn.Linear(64, 2)
    )
    layers = {n: Layer("conv", tuple(p.shape)) for n, p in module.named_parameters() if p.dim() > 1}
    units = _graph.coupled(module, torch.rand(2, 3, 8, 8), layers, convolutions=True)
    members = {c.name: {(m.weight, m.dimension) for m in c.members} for c in units}
    assert members["0.weight"] == {("0.weight", 0), ("2.weight", 0), ("3.weight", 1)}


# --- N:M


def test_each_block_keeps_its_largest_scores() -> None:
    layers = {"a": Layer("fc", (3, 8)), "b": Layer("output", (2, 3))}
    given = scores(layers)
    mask = ByBlock(layers, {"a": 0.5}, 4).prune(given, Mask.full({n: a.shape for n, a in layers.items()}), 1)
    for row, block in product(range(3), range(2)):
        part = slice(4 * block, 4 * block + 4)
        best = sorted(range(4), key=lambda i: -given["a"][row, part][i])[:2]
        assert [i in best for i in range(4)] == list(mask["a"][row, part])
    assert mask["b"].all()


def test_a_block_keeps_survivors_only_and_never_becomes_empty() -> None:
    layers = {"a": Layer("fc", (2, 4))}
    found = ByBlock(layers, {"a": 0.5}, 4)
    before = found.prune({"a": np.arange(8.0).reshape(2, 4)}, Mask.full({"a": (2, 4)}), 1)
    after = found.prune({"a": -np.arange(8.0).reshape(2, 4)}, before, 2)
    np.testing.assert_array_equal(after["a"], [[False, False, True, False]] * 2)
    assert [found.kept("a", k) for k in range(6)] == [4, 2, 1, 1, 1, 1]
