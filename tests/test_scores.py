"""The scores of each criterion, held against autograd by hand, finite differences, or an identity of its paper."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.criteria import fisher as fisher_module
from pipeline.criteria.fisher import fisher
from pipeline.criteria.grasp import grasp
from pipeline.criteria.magnitude_increase import magnitude_increase
from pipeline.criteria.movement import movement
from pipeline.criteria.random import random
from pipeline.criteria.snip import snip
from pipeline.criteria.synflow import synflow
from pipeline.criteria.taylor import taylor
from pipeline.domain.masks import Mask
from tests import toy

COUNT = 3
LOSS = nn.functional.cross_entropy
Batch = tuple[Tensor, Tensor]


class Toy:
    """A smooth network under a mask, in double precision, and some batches."""

    def __init__(self, seed: int = 0, activation: type[nn.Module] = nn.Tanh, bias: bool = True) -> None:
        torch.manual_seed(seed)
        self.module = nn.Sequential(nn.Linear(5, 4, bias=bias), activation(), nn.Linear(4, 3, bias=bias)).double().train()
        draw = np.random.default_rng(seed)
        self.mask = Mask({name: draw.random(self.weight(name).shape) < 0.7 for name in ("0.weight", "2.weight")})
        with torch.no_grad():
            for name, array in self.mask.items():
                self.weight(name).mul_(torch.tensor(array))
        self.data = [(torch.randn(6, 5).double(), torch.randint(0, 3, (6,))) for _ in range(COUNT)]

    def weight(self, name: str) -> Tensor:
        return self.module.get_parameter(name)

    def batches(self, count: int) -> list[Batch]:
        return self.data[:count]

    def loss(self, batches: list[Batch] | None = None) -> Tensor:
        """The mean over batches."""
        return torch.stack([LOSS(self.module(x), y) for x, y in batches or self.data]).mean()

    def gradient(self, batches: list[Batch] | None = None) -> dict[str, Tensor]:
        self.module.zero_grad()
        self.loss(batches).backward()  # type: ignore[no-untyped-call]
        return {name: self.weight(name).grad.clone() for name in self.mask}  # type: ignore[union-attr]


def equal(found: Mapping[str, np.ndarray], expected: Mapping[str, Any], rtol: float = 1e-9) -> None:
    assert found.keys() == expected.keys()
    for name, scores in expected.items():
        np.testing.assert_allclose(found[name], np.asarray(scores.detach()), rtol=rtol, atol=1e-15, err_msg=name)


# --- Of weights alone


def test_movement_is_how_far_a_weight_went_and_the_increase_how_much_it_grew() -> None:
    trained, initial = {"a": np.array([-3.0, 0.5, 2.0], np.float32)}, {"a": np.array([1.0, 1.0, 1.5], np.float32)}
    assert movement(trained, initial)["a"].tolist() == [4.0, 0.5, 0.5]
    assert magnitude_increase(trained, initial)["a"].tolist() == [2.0, -0.5, 0.5]


def test_random_scores_keep_each_weight_equally_often() -> None:
    mask, draw = Mask.full({"a": (3, 4), "b": (8,)}), np.random.default_rng(1)
    kept = np.zeros(20)
    for _ in range(4000):
        found = random(mask, draw)
        kept[np.argsort(np.concatenate([found[name].ravel() for name in mask]))[10:]] += 1
    np.testing.assert_allclose(kept / 4000, 0.5, atol=0.04)  # five standard deviations


# --- Before training


def faded(network: Toy, name: str, value: Callable[[], float], step: float = 1e-5) -> np.ndarray:
    """The derivative of a value by a factor of each weight, at 1, by finite differences."""
    weight, slopes = network.weight(name).data, np.zeros(network.mask[name].shape)
    for place in np.ndindex(slopes.shape):
        kept, values = float(weight[place]), list[float]()
        for factor in (1 + step, 1 - step):
            weight[place] = factor * kept
            values.append(value())
        weight[place] = kept
        slopes[place] = (values[0] - values[1]) / (2 * step)
    return slopes


def test_snip_is_the_change_of_the_loss_when_a_weight_is_faded_out() -> None:
    """Equation 4: the derivative by a factor c of each weight, at 1, here by finite differences."""
    network = Toy()
    found = snip(network.module, LOSS, network.batches, network.mask, COUNT)
    for name in network.mask:
        slopes = faded(network, name, lambda: float(network.loss().detach()))
        np.testing.assert_allclose(found[name], np.abs(slopes), rtol=1e-4, atol=1e-8)
        assert not found[name][~network.mask[name]].any()


def flow(network: Toy) -> float:
    """The squared norm of the gradient by the weights that are left."""
    gradient = network.gradient()
    return sum(float((gradient[name][torch.tensor(network.mask[name])] ** 2).sum()) for name in network.mask)


def test_grasp_is_how_much_gradient_flow_is_lost_when_a_weight_is_faded_out() -> None:
    """The squared norm of the gradient falls by 2 w * Hg, times the share that is taken from a weight: positive scores are kept
    because their removal reduces it."""
    network = Toy()
    found = grasp(network.module, LOSS, network.batches, network.mask, COUNT)
    for name in network.mask:
        lost = faded(network, name, lambda: flow(network))
        np.testing.assert_allclose(2 * found[name], lost, rtol=1e-4, atol=1e-8)
        assert (found[name] > 0).any()
        assert (found[name] < 0).any()


def flow_of(module: nn.Module, ones: Tensor) -> Tensor:
    magnitudes = {name: t.abs() for name, t in module.state_dict().items()}
    return torch.func.functional_call(module, magnitudes, (ones,)).sum().detach()


@pytest.mark.parametrize("seed", range(3))
def test_synaptic_flow_is_conserved_from_layer_to_layer(seed: int) -> None:
    """Tanaka et al. 2020, theorem 2: without biases, the scores of each layer sum to R."""
    network = Toy(seed, nn.ReLU, bias=False)
    total = float(flow_of(network.module, torch.ones(1, 5).double()))
    found = synflow(network.module, network.batches, network.mask)
    for scores in found.values():
        assert scores.sum() == pytest.approx(total, rel=1e-12)
        assert (scores >= 0).all()


def test_synaptic_flow_is_conserved_at_each_hidden_unit() -> None:
    """Theorem 1: what comes into a unit goes out of it."""
    network = Toy(1, nn.ReLU, bias=False)
    found = synflow(network.module, network.batches, network.mask)
    np.testing.assert_allclose(found["0.weight"].sum(1), found["2.weight"].sum(0), rtol=1e-12)


def test_a_synflow_score_is_the_share_of_r_that_goes_through_a_weight() -> None:
    """R is linear in each weight, so removing a weight lowers R by its score."""
    network = Toy(2, nn.ReLU)
    ones = torch.ones(1, 5).double()
    total, expected = float(flow_of(network.module, ones)), {}
    for name in network.mask:
        weight, expected[name] = network.weight(name).data, torch.zeros(network.mask[name].shape).double()
        for place in np.ndindex(network.mask[name].shape):
            value = float(weight[place])
            weight[place] = 0.0
            expected[name][place] = total - float(flow_of(network.module, ones))
            weight[place] = value
    equal(synflow(network.module, network.batches, network.mask), expected, rtol=1e-9)


def test_synflow_does_not_overflow_in_a_deep_network() -> None:
    module = nn.Sequential(*(nn.Linear(100, 100, bias=False) for _ in range(60)))
    mask = Mask.full({f"{i}.weight": (100, 100) for i in range(60)})
    found = synflow(module, lambda count: [(torch.zeros(2, 100), torch.zeros(2))] * count, mask)
    sums = [scores.sum() for scores in found.values()]
    assert sums[0] > float(np.finfo(np.float32).max)  # so that single precision would not do
    np.testing.assert_allclose(sums, sums[0], rtol=1e-9)


# --- After training


def test_taylor_is_the_mean_over_batches_of_squared_first_order_changes() -> None:
    network = Toy()
    squares = [{n: (g * network.weight(n)) ** 2 for n, g in network.gradient([batch]).items()} for batch in network.data]
    expected = {name: torch.stack([of_one[name] for of_one in squares]).mean(0) for name in network.mask}
    equal(taylor(network.module, LOSS, network.batches, network.mask, COUNT), expected)


def squared_by_example(network: Toy) -> dict[str, Tensor]:
    examples = [(x[i : i + 1], y[i : i + 1]) for x, y in network.data for i in range(len(x))]
    found = [network.gradient([example]) for example in examples]
    return {n: torch.stack([g[n] ** 2 for g in found]).mean(0) * network.weight(n) ** 2 / 2 for n in network.mask}


@pytest.mark.parametrize("at_once", [1, 60, 10**9])
def test_fisher_is_the_mean_of_each_examples_squared_gradient(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fisher_module, "AT_ONCE", at_once)
    network = Toy()
    equal(fisher(network.module, LOSS, network.batches, network.mask, COUNT), squared_by_example(network))


class Branching(nn.Sequential):
    """The same network, whose code torch.func cannot batch, because it looks at a value."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if float(x.sum()) > -1e9 else -x)


def test_a_network_that_cannot_be_batched_has_the_same_fisher_scores() -> None:
    network = Toy()
    module = Branching(*network.module)
    with pytest.raises(RuntimeError):
        weights = {name: module.get_parameter(name) for name in network.mask}
        fisher_module._batched(module, LOSS, network.data[0], weights)
    equal(fisher(module, LOSS, network.batches, network.mask, COUNT), squared_by_example(network))


# --- Refused


@pytest.mark.parametrize("criterion", [snip, grasp, taylor, fisher])
@pytest.mark.parametrize("count", [0, -1, 1.5, True])
def test_a_count_of_batches_is_a_whole_number(criterion: Callable[..., Any], count: Any) -> None:
    network = Toy()
    with pytest.raises(ValueError, match=r"count is .*, but should be a whole number of batches, at least 1"):
        criterion(network.module, LOSS, network.batches, network.mask, count)


def test_synflow_refuses_a_network_without_a_flow() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    mask = Mask({name: np.ones(tuple(network.get_parameter(name).shape), np.bool_) for name in ("0.weight", "2.weight")})
    with pytest.raises(ValueError, match=r"the flow through 0\.weight is negative"):
        synflow(network, lambda count: [(torch.rand(5, 3), torch.zeros(5, dtype=torch.int64))] * count, mask)


def test_grasp_takes_both_derivatives_with_the_same_dropout() -> None:
    """Otherwise g * Hg, which is the derivative of half the squared norm along w, would be of no network."""
    network, loss = nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 3, bias=False)).double(), nn.functional.cross_entropy
    batch = torch.rand(8, 6, dtype=torch.float64), torch.arange(8) % 3
    mask = Mask({"1.weight": np.ones((3, 6), np.bool_)})
    found = grasp(network, loss, lambda count: [batch] * count, mask, count=1)["1.weight"]
    weight = network.get_parameter("1.weight")
    torch.manual_seed(0)
    dropped = nn.functional.dropout(batch[0], 0.5)

    def norm(w: Tensor) -> Tensor:
        (g,) = torch.autograd.grad(loss(dropped @ w.T, batch[1]), w, create_graph=True)
        return g.square().sum() / 2

    (expected,) = torch.autograd.grad(norm(weight), weight)
    equal({"a": found}, {"a": weight * expected}, rtol=1e-6)


def test_synflow_refuses_inputs_that_are_no_numbers() -> None:
    network = Toy()
    with pytest.raises(ValueError, match=r"inputs are torch\.int64, but should be numbers"):
        synflow(network.module, lambda count: [(toy.WORDS, toy.WORDS[:, 0])] * count, network.mask)
