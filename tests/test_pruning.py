"""Pruning: exact counts, ties by index, nested masks, and the densities that the paper prints."""

from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.criteria.magnitude import magnitude
from pipeline.domain import pruning
from pipeline.domain.masks import Mask
from pipeline.domain.pruning import Group, Layer
from pipeline.values.errors import UserError
from tests import toy

Scope = Literal["layer", "global"]
LAYERS = {
    "conv": Layer("conv", (4, 3, 3)),
    "fc1": Layer("fc", (12, 7)),
    "fc2": Layer("fc", (5, 12)),
    "out": Layer("output", (3, 5)),
}
a_rate = st.floats(0.01, 0.6)
seeds = st.integers(0, 1000)


def scores(layers: dict[str, Layer], seed: int, values: int = 0) -> dict[str, np.ndarray]:
    """values: how many different scores there are, so that there are ties; 0 for none."""
    draw = np.random.default_rng(seed)
    if values:
        return {name: draw.integers(0, values, layer.shape).astype(np.float32) for name, layer in layers.items()}
    return {name: draw.normal(size=layer.shape).astype(np.float32) for name, layer in layers.items()}


def full(layers: dict[str, Layer]) -> Mask:
    return Mask.full({name: layer.shape for name, layer in layers.items()})


@given(a_rate, a_rate, st.sampled_from(["layer", "global"]), st.integers(1, 4), seeds, st.integers(0, 3))
def test_each_round_keeps_exactly_its_count_of_the_survivors(
    fc: float, output: float, scope: Scope, rounds: int, seed: int, values: int
) -> None:
    chosen_rates = {"fc": fc, "output": fc if scope == "global" else output}
    groups = pruning.groups(LAYERS, chosen_rates, scope)
    mask = full(LAYERS)
    for k in range(1, rounds + 1):
        pruned = pruning.prune(scores(LAYERS, seed + k, values), mask, groups, k)
        assert pruned.issubset(mask)
        for group in groups:
            assert sum(pruned.kept[name] for name in group.names) == round(group.size * (1 - group.rate) ** k)
        assert pruned["conv"].all()  # a kind without a rate is never pruned
        assert pruned.density == pytest.approx(pruning.density(LAYERS, groups, k), abs=1e-12)
        mask = pruned
    if scope == "layer":
        assert mask.kept["fc1"] == round(84 * (1 - fc) ** rounds)
        assert mask.kept["out"] == round(15 * (1 - output) ** rounds)


@given(a_rate, st.integers(1, 5), st.sampled_from(["layer", "global"]), seeds)
def test_one_shot_keeps_as_many_as_iterative(rate: float, rounds: int, scope: Scope, seed: int) -> None:
    groups = pruning.groups(LAYERS, {"fc": rate, "output": rate, "conv": rate}, scope)
    iterative = full(LAYERS)
    for k in range(1, rounds + 1):
        iterative = pruning.prune(scores(LAYERS, seed + k), iterative, groups, k)
    at_once = pruning.prune(scores(LAYERS, seed), full(LAYERS), groups, rounds)
    assert at_once.density == iterative.density
    if scope == "layer":
        assert at_once.kept == iterative.kept


@given(a_rate, seeds, st.integers(0, 3), st.sampled_from(["layer", "global"]))
def test_what_survives_scores_no_less_than_what_does_not_and_ties_go_by_index(
    rate: float, seed: int, values: int, scope: Scope
) -> None:
    given_scores = scores(LAYERS, seed, values)
    groups = pruning.groups(LAYERS, {"conv": rate, "fc": rate, "output": rate}, scope)
    before = pruning.prune(scores(LAYERS, seed + 1), full(LAYERS), groups, 1)
    after = pruning.prune(given_scores, before, groups, 2)
    for group in groups:
        # The oracle: sort (descending score, index) of the survivors in plain Python.
        flat = [(-float(s), i) for i, s in enumerate(np.concatenate([given_scores[n].ravel() for n in group.names]))]
        alive = np.concatenate([before[n].ravel() for n in group.names])
        expected = {i for _, i in sorted(pair for pair in flat if alive[pair[1]])[: group.kept(2)]}
        assert set(np.flatnonzero(np.concatenate([after[n].ravel() for n in group.names]))) == expected


def test_ties_keep_the_first_and_never_all_or_none() -> None:
    layers = {"a": Layer("fc", (2, 5)), "b": Layer("output", (10,))}
    equal = {"a": np.ones((2, 5)), "b": np.ones(10)}
    by_layer = pruning.prune(equal, full(layers), pruning.groups(layers, {"fc": 0.3, "output": 0.5}, "layer"), 1)
    assert by_layer["a"].ravel().tolist() == [True] * 7 + [False] * 3
    assert by_layer["b"].tolist() == [True] * 5 + [False] * 5
    together = pruning.prune(equal, full(layers), pruning.groups(layers, {"fc": 0.3, "output": 0.3}, "global"), 1)
    assert together["a"].all()
    assert together["b"].tolist() == [True] * 4 + [False] * 6


def test_global_pruning_may_take_more_from_one_layer_than_from_another() -> None:
    layers = {"a": Layer("conv", (10,)), "b": Layer("conv", (10,))}
    together = pruning.groups(layers, {"conv": 0.5}, "global")
    assert pruning.prune({"a": np.zeros(10), "b": np.ones(10)}, full(layers), together, 1).kept == {"a": 0, "b": 10}


def test_a_masked_weight_never_comes_back_whatever_its_score() -> None:
    layers = {"a": Layer("fc", (4,))}
    mask = Mask({"a": np.array([False, True, True, True])})
    pruned = pruning.prune({"a": np.array([9.0, 1.0, 3.0, 2.0])}, mask, pruning.groups(layers, {"fc": 0.3}, "layer"), 2)
    assert pruned["a"].tolist() == [False, False, True, True]


def test_the_criterion_ranks_by_magnitude_not_by_value() -> None:
    trained = {"a": np.array([-3.0, 2.0, -1.0, 0.5], np.float32)}
    found = magnitude(trained)
    assert found["a"].tolist() == [3.0, 2.0, 1.0, 0.5]
    layers = {"a": Layer("fc", (4,))}
    mask = pruning.prune(found, full(layers), pruning.groups(layers, {"fc": 0.5}, "layer"), 1)
    assert mask["a"].tolist() == [True, True, False, False]


def test_impossible_pruning_raises() -> None:
    layers = {"a": Layer("fc", (4,))}
    groups = pruning.groups(layers, {"fc": 0.5}, "layer")
    with pytest.raises(UserError, match="a has a score that is not a number"):
        pruning.prune({"a": np.array([1.0, np.nan, 2.0, 3.0])}, full(layers), groups, 1)
    with pytest.raises(UserError, match="a should have one score for each weight"):
        pruning.prune({}, full(layers), groups, 1)
    with pytest.raises(ValueError, match="a: 2 weights to keep, but only 1 survive"):
        pruning.prune({"a": np.ones(4)}, Mask({"a": np.array([True, False, False, False])}), groups, 1)
    # A pruned weight's score does not matter, not even when it is no number.
    survivors = Mask({"a": np.array([True, False, True, True])})
    assert pruning.prune({"a": np.array([1.0, np.nan, 2.0, 3.0])}, survivors, groups, 1).kept == {"a": 2}


def test_nothing_to_prune_and_too_little_to_keep_are_said() -> None:
    for rates in ({"conv": 0.1}, {"conv": 0.1, "fc": 0.2}):  # a rate for what the network has not is a slip of the pen
        with pytest.raises(UserError, match=r"rates names conv, but .* of the kinds fc, output$"):
            pruning.groups({k: LAYERS[k] for k in ("fc1", "out")}, rates, "layer")
    with pytest.raises(UserError, match=r"rates names fc, but the weights of the network could not be found"):
        pruning.groups({}, {"fc": 0.1}, "layer")
    group = Group(("out",), 15, 0.5)
    assert [group.kept(k) for k in range(6)] == [15, 8, 4, 2, 1, 0]
    pruning.check([group], 4)
    with pytest.raises(
        UserError, match=r"goes to round 6, but after round 5 no weight of out would .* should go to round 4 at most"
    ):
        pruning.check([Group(("fc1",), 84, 0.5), group], 6)


# --- The densities of the paper, as printed


def lenet() -> dict[str, Layer]:
    return dict(toy.network("lenet", (1, 28, 28), 10).layers)


def vision(convolutions: list[tuple[int, int]], fully: list[tuple[int, int]], rest: int = 0) -> dict[str, Layer]:
    """3x3 convolutions, then fully connected layers, the last of them the output; `rest`: weights never pruned."""
    layers = {f"conv{i}": Layer("conv", (b, a, 3, 3)) for i, (a, b) in enumerate(convolutions)}
    layers |= {f"fc{i}": Layer("fc", (b, a)) for i, (a, b) in enumerate(fully[:-1])}
    layers["output"] = Layer("output", fully[-1][::-1])
    return layers | ({"downsample": Layer("fc", (rest,))} if rest else {})


CONV2 = vision([(3, 64), (64, 64)], [(64 * 16 * 16, 256), (256, 256), (256, 10)])
CONV4 = vision([(3, 64), (64, 64), (64, 128), (128, 128)], [(128 * 8 * 8, 256), (256, 256), (256, 10)])
RESNET = vision(
    [(3, 16), *[(16, 16)] * 6, (16, 32), *[(32, 32)] * 5, (32, 64), *[(64, 64)] * 5], [(64, 10)], rest=16 * 32 + 32 * 64
)
WIDTHS = [3, 64, 64, 128, 128, *[256] * 4, *[512] * 8]
VGG = vision(list(pairwise(WIDTHS)), [(512, 10)])
HALF = {"conv": 0.1, "fc": 0.2, "output": 0.1}


def test_the_networks_have_the_papers_weights() -> None:
    layers = lenet()
    assert [(layer.kind, layer.shape) for layer in layers.values()] == [
        ("fc", (300, 784)), ("fc", (100, 300)), ("output", (10, 100))
    ]  # fmt: skip
    counts = {
        name: sum(layer.size for layer in net.values())
        for name, net in zip("l24rv", [layers, CONV2, CONV4, RESNET, VGG], strict=True)
    }
    assert counts == {"l": 266_200, "2": 4_300_992, "4": 2_425_024, "r": 270_896, "v": 20_024_000}


@pytest.mark.parametrize(
    ("layers", "chosen", "scope", "printed"),
    [
        (lenet(), {"fc": 0.2, "output": 0.1}, "layer", {0: 100.0, 3: 51.28, 7: 21.07, 9: 13.52, 15: 3.58, 16: 2.87}),
        (CONV2, HALF, "layer", {11: 8.81, 14: 4.57}),
        (CONV4, HALF, "layer", {11: 11.06, 12: 9.18}),
        (RESNET, {"conv": 0.2}, "global", {4: 41.66, 6: 27.09, 7: 21.91, 10: 11.79}),
        (VGG, {"conv": 0.2}, "global", {12: 6.90, 15: 3.54, 19: 1.47}),
        (VGG, {"conv": 0.2}, "layer", {12: 6.90}),
    ],
    ids=["lenet", "conv2", "conv4", "resnet", "vgg", "vgg by layer"],
)
def test_densities_are_those_the_paper_prints(
    layers: dict[str, Layer], chosen: dict[str, float], scope: Scope, printed: dict[int, float]
) -> None:
    groups = pruning.groups(layers, chosen, scope)
    assert {n: round(100 * pruning.density(layers, groups, n), 2) for n in printed} == printed


def test_lenets_masks_have_the_densities_that_are_reported() -> None:
    layers = lenet()
    groups = pruning.groups(layers, {"fc": 0.2, "output": 0.1}, "layer")
    mask = pruning.prune(scores(layers, 0), full(layers), groups, 16)
    assert mask.density == pruning.density(layers, groups, 16)
    assert mask.kept == {"fc1.weight": round(235_200 * 0.8**16), "fc2.weight": round(30_000 * 0.8**16), "output.weight": 185}
