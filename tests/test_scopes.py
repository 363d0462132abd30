"""Scopes that distribute the weights over layers: exact totals, nested masks, the papers' densities; and pruning in steps."""

import json
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain import pruning
from pipeline.domain.arms import Arm, rewound
from pipeline.domain.lottery import Lottery
from pipeline.domain.masks import Mask
from pipeline.domain.pruning import Layer, apportioned
from pipeline.domain.structures import ByWeight
from pipeline.scoring.scores import prune_in_steps
from pipeline.values import plugins
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment, Pruning, Scope
from tests import lottery, toy

NETWORK = {
    "conv1": Layer("conv", (16, 3, 3, 3)),
    "conv2": Layer("conv", (32, 16, 3, 3)),
    "fc": Layer("fc", (64, 512)),
    "out": Layer("output", (10, 64)),
    "spared": Layer("downsample", (32, 16, 1, 1)),
}
RATES = {"conv": 0.3, "fc": 0.3, "output": 0.3}
OVER_LAYERS: tuple[Scope, ...] = ("erdos_renyi", "erk", "balanced")
some_layers = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 200)), min_size=1, max_size=5)


def groups(scope: Scope, rate: float = 0.3) -> list[pruning.Group]:
    return pruning.groups(NETWORK, dict.fromkeys(RATES, rate), scope)


def seat_by_seat(total: int, sizes: tuple[int, ...], parts: tuple[int, ...]) -> tuple[int, ...]:
    """Webster's method as it is defined, one weight after another."""
    kept = [0] * len(sizes)
    for _ in range(total):
        open_layers = [i for i in range(len(sizes)) if kept[i] < sizes[i]]
        kept[min(open_layers, key=lambda i: (Fraction(2 * kept[i] + 1, parts[i]), i))] += 1
    return tuple(kept)


@settings(deadline=None)  # the oracle takes its time
@given(some_layers, st.floats(0, 1))
def test_weights_are_given_one_by_one_to_the_layer_that_is_furthest_behind(layers: list[tuple[int, int]], share: float) -> None:
    sizes, parts = (tuple(layer[i] for layer in layers) for i in (0, 1))
    total = round(share * sum(sizes))
    assert apportioned(total, sizes, parts) == seat_by_seat(total, sizes, parts)


@settings(deadline=None)
@given(some_layers, st.data())
def test_a_smaller_total_never_gives_a_layer_more(layers: list[tuple[int, int]], data: st.DataObject) -> None:
    sizes, parts = (tuple(layer[i] for layer in layers) for i in (0, 1))
    total = data.draw(st.integers(1, sum(sizes)))
    more, less = (apportioned(n, sizes, parts) for n in (total, total - 1))
    assert sum(more) == total
    assert sorted(a - b for a, b in zip(more, less, strict=True)) == [0] * (len(sizes) - 1) + [1]
    assert all(0 <= n <= size for n, size in zip(more, sizes, strict=True))


@settings(deadline=None)
@given(st.sampled_from(OVER_LAYERS), st.floats(0.01, 0.7), st.lists(st.floats(0, 8), min_size=2, max_size=5))
def test_the_weights_left_are_those_of_one_rate_and_masks_are_nested(scope: Scope, rate: float, moments: list[float]) -> None:
    found, size = groups(scope, rate), sum(NETWORK[name].size for name in ("conv1", "conv2", "fc", "out"))
    kept = []
    for rounds in sorted(moments):
        kept.append([group.kept(rounds) for group in found])
        assert sum(kept[-1]) == round(size * (1 - rate) ** rounds)
    assert [group.kept(0) for group in found] == [group.size for group in found]
    for earlier, later in pairwise(kept):
        assert all(after <= before for before, after in zip(earlier, later, strict=True))


def raw(scope: Scope, shape: tuple[int, ...]) -> float:
    """A layer's density as the papers define it, up to the common factor."""
    n_out, n_in, *kernel = shape
    if scope == "balanced":
        return 1 / prod(shape)
    return (n_in + n_out + (sum(kernel) if scope == "erk" else 0)) / (n_in * n_out * (prod(kernel) if scope == "erk" else 1))


@pytest.mark.parametrize("scope", OVER_LAYERS)
@pytest.mark.parametrize("rounds", [1, 3, 6, 9])
def test_densities_are_the_papers_within_one_weight_and_full_layers_pass_on_the_rest(scope: Scope, rounds: int) -> None:
    """The oracle makes layers dense whose density comes above 1, and solves for the factor of the others again (RigL's way)."""
    layers = {name: layer for name, layer in NETWORK.items() if name != "spared"}
    total, full = sum(layer.size for layer in layers.values()) * 0.7**rounds, set[str]()
    while True:
        rest = [name for name in layers if name not in full]
        left = total - sum(layers[name].size for name in full)
        factor = left / sum(layers[name].size * raw(scope, layers[name].shape) for name in rest)
        above = {name for name in rest if factor * raw(scope, layers[name].shape) > 1}
        if not above:
            break
        full |= above
    expected = {n: layer.size * (1.0 if n in full else factor * raw(scope, layer.shape)) for n, layer in layers.items()}
    for group in groups(scope):
        assert group.kept(rounds) == pytest.approx(expected[group.names[0]], abs=1.01)
    assert bool(full) == (rounds == 1) or rounds in (3, 6)  # so that both cases are tried


def test_the_scopes_differ_and_uniform_is_the_scope_layer() -> None:
    kept = {scope: [group.kept(6) for group in groups(scope)] for scope in (*OVER_LAYERS, "layer")}
    assert len({*map(tuple, kept.values())}) == 4
    assert kept["layer"] == [round(NETWORK[name].size * 0.7**6) for name in ("conv1", "conv2", "fc", "out")]
    assert kept["balanced"][0] == NETWORK["conv1"].size


@pytest.mark.parametrize("scope", ["global", *OVER_LAYERS])
def test_unequal_rates_are_refused(scope: Scope) -> None:
    criterion = {"criterion": {"name": "magnitude"}, "rounds": 1}
    with pytest.raises(ValueError, match=f"rates should be equal when scope is {scope}"):
        Pruning.model_validate(criterion | {"scope": scope, "rates": {"fc": 0.2, "output": 0.1}})
    assert Pruning.model_validate(criterion | {"scope": scope, "rates": {"fc": 0.2, "output": 0.2}}).scope == scope


# --- Of arms


def plan(rates: Mapping[str, float] | None = None, **arm: Any) -> Lottery:
    content = lottery.experiment(arms={"mine": {"name": "one_shot", "rounds": [2], **arm}})
    content["pruning"] |= {"rates": {"fc": 0.4, "output": 0.4} if rates is None else rates}
    return Lottery.of("toy", Experiment.model_validate_json(json.dumps(content)))


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        ({"steps": 0}, "arms.mine: its `steps` is 0, but should be a whole number from 1 to 1000"),
        ({"steps": True}, "its `steps` is True"),
        ({"steps": 2.5}, "its `steps` is 2.5"),
        ({"scope": "uniform"}, "its `scope` is 'uniform', but should be one of layer, global, erdos_renyi, erk, balanced"),
        ({"scope": "erk", "rates": {"fc": 0.4, "output": 0.2}}, "arms.mine: pruning.rates should be equal when scope is erk"),
    ],
)
def test_a_wrong_option_of_an_arm_is_one_sentence(arm: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as error:
        plan(**arm)
    assert words in str(error.value)


def test_an_arm_that_takes_masks_has_neither_scope_nor_steps() -> None:
    for own, words in (({"scope": "erk"}, "a scope"), ({"steps": 2}, "steps")):
        with pytest.raises(UserError, match=f"only an arm with `prunes` can have {words} of its own"):
            Arm(masks_of="ticket", weights=rewound, **own)  # type: ignore[arg-type]


def test_an_arms_scope_replaces_the_experiments() -> None:
    found = plan(scope="balanced")
    assert (found.scope("mine"), found.scope("ticket")) == ("balanced", "layer")


def test_a_layer_that_an_arms_scope_empties_is_refused() -> None:
    setup = toy.network("lenet", outputs=3, hidden=[8, 6])
    balanced = pruning.groups(setup.layers, {"fc": 0.9, "output": 0.9}, "balanced")
    with pytest.raises(UserError, match=r"pruning goes to round 3, but after round 2 no weight of .* would be left"):
        pruning.check(balanced, 3)


# --- In steps


def rank(mask: Mask) -> dict[str, np.ndarray]:
    """Scores that depend on the mask: every other survivor is pruned first."""
    return {name: np.cumsum(array) % 2 for name, array in mask.items()}


def steps_of(steps: int, scope: Scope = "layer") -> tuple[Mask, list[int]]:
    layers = {"a": Layer("fc", (1000,))}
    chosen, seen = pruning.groups(layers, {"fc": 0.5}, scope), list[int]()

    def offers(mask: Mask) -> dict[str, Any]:
        seen.append(mask.kept["a"])
        return {"mask": lambda: mask}

    criterion = plugins.Plugin("criteria", "rank", rank, {})
    before = pruning.prune({"a": np.arange(1000.0)}, Mask.full({"a": (1000,)}), chosen, 1)
    return prune_in_steps(criterion, offers, before, ByWeight(layers, chosen), range(1, 3), steps), seen


def test_density_falls_by_one_factor_from_step_to_step() -> None:
    """From half of the weights to an eighth, in four steps by the fourth root of a quarter each."""
    mask, seen = steps_of(4)
    assert seen == [500, round(1000 * 0.5**1.5), 250, round(1000 * 0.5**2.5)]
    assert mask.kept["a"] == 125


def test_scores_are_taken_again_under_each_mask() -> None:
    (at_once, _), (slowly, _) = steps_of(1), steps_of(50)
    assert at_once.kept == slowly.kept
    assert at_once != slowly
