"""Gradients and optimizers by hand, held against torch's own."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.domain.masks import Mask
from pipeline.domain.networks import Network
from pipeline.domain.tickets import Ticket, ticket
from pipeline.training import mlp, products, sparse
from pipeline.training.autograd import Autograd
from pipeline.training.mlp import Mlp
from pipeline.training.optimizer import Optimizer
from pipeline.training.sparse import SparseMlp
from pipeline.values.optimizer import Adam, AdamW, OptimizerSettings, Sgd
from tests import toy

Kernel = Mlp | SparseMlp | Autograd
TIGHT = {"rtol": 1e-5, "atol": 1e-6}


def batch(lanes: int, images: int = 20) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(lanes, images, *toy.SHAPE, generator=generator)
    return x, torch.randint(0, 3, (lanes, images), generator=generator)


def by_hand(kind: type[Mlp | SparseMlp], network: Network, chosen: list[Ticket]) -> Kernel:
    assert toy.CLASSIFICATION.gradient
    return kind(network.module, toy.CLASSIFICATION.gradient, chosen, toy.CPU)


def agrees_with_torch(kernel: Kernel, network: Network, chosen: list[Ticket]) -> None:
    """Loss, gradients of what survives, logits and running statistics, lane by lane."""
    x, y = batch(len(chosen))
    with torch.no_grad():
        losses = kernel.gradients(x, y)
        logits = torch.cat([kernel.outputs(tile) for tile in kernel.tiles(x)], 1)
    assert losses.shape == (len(chosen),)
    for i, start in enumerate(chosen):
        lone = toy.load(network.make(), start.weights).train()
        lone.zero_grad()
        loss = nn.functional.cross_entropy(lone(x[i]), y[i])
        loss.backward()
        torch.testing.assert_close(losses[i], loss.detach(), **TIGHT)
        for name, parameter in lone.named_parameters():
            found, expected = kernel.stack.gradients[name], parameter.grad
            assert expected.any()
            if name in kernel.stack.survivors:
                expected = torch.where(torch.from_numpy(start.mask[name].copy()), expected, 0.0)
                torch.testing.assert_close(found.to_dense(), expected, **TIGHT)
            else:
                torch.testing.assert_close(found[i], expected, **TIGHT)
        for name, buffer in lone.named_buffers():
            torch.testing.assert_close(kernel.stack.buffers[name][i], buffer, **TIGHT)
        torch.testing.assert_close(logits[i], lone.eval()(x[i]).detach(), **TIGHT)


@pytest.fixture(params=["oneDNN", "torch"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """All products of a lone lane by one library, whatever this machine's rule says."""
    if request.param == "oneDNN" and not products.available():
        pytest.skip("this build of torch has no oneDNN")
    for least in ("LINEAR_FROM", "PRODUCT_FROM"):
        monkeypatch.setattr(products, least, 0 if request.param == "oneDNN" else math.inf)
    return request.param


@pytest.mark.parametrize("lanes", [1, 3])
def test_the_gradients_by_hand_are_autograds(lanes: int, library: str) -> None:
    network = toy.mlp()
    chosen = toy.tickets(network, lanes, 0.7)
    agrees_with_torch(by_hand(Mlp, network, chosen), network, chosen)


def test_products_by_either_library_are_written_where_they_are_wanted(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    by_onednn = products.onednn
    monkeypatch.setattr(products, "onednn", lambda *given: asked.append(given) or by_onednn(*given))
    a, b, bias = torch.randn(1, 7, 5), torch.randn(1, 5, 6), torch.randn(1, 1, 6)
    out = torch.empty(1, 7, 6)
    assert products.product(a, b, out=out).data_ptr() == out.data_ptr()
    for found in (out, products.product(a, b), products.product(a.transpose(1, 2).contiguous().transpose(1, 2), b)):
        torch.testing.assert_close(found, a @ b, **TIGHT)
    torch.testing.assert_close(products.linear(a, b.transpose(1, 2), bias), a @ b + bias, **TIGHT)
    assert len(asked) == (4 if library == "oneDNN" else 0)


def test_products_that_onednn_must_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "onednn", lambda *given: pytest.fail("oneDNN was asked"))
    with_gaps, x = torch.randn(1, 6, 9)[:, :, :5], torch.randn(1, 7, 5)
    for least in (0, 2 * 7 * 5 * 6 + 1):
        monkeypatch.setattr(products, "PRODUCT_FROM", least)
        monkeypatch.setattr(products, "LINEAR_FROM", least)
        weight = with_gaps.contiguous() if least else with_gaps
        torch.testing.assert_close(products.product(x, weight.transpose(1, 2)), x @ weight.transpose(1, 2), **TIGHT)
        torch.testing.assert_close(products.linear(x, weight, torch.zeros(1, 1, 6)), x @ weight.transpose(1, 2), **TIGHT)
    monkeypatch.setattr(products, "PRODUCT_FROM", 0)
    products.product(torch.randn(2, 7, 5), torch.randn(2, 5, 6))
    products.product(torch.randn(1, 7, 5).double(), torch.randn(1, 5, 6).double())


def test_which_library_is_a_rule_over_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    never, worth_it = math.inf, products.WORTH_IT
    assert products.thresholds("AuthenticAMD", 26, True) == (worth_it, worth_it)
    assert products.thresholds("AuthenticAMD", 25, True) == (worth_it, never)
    for other in (("AuthenticAMD", 25, False), ("GenuineIntel", 6, True), ("", 0, False)):
        assert products.thresholds(*other) == (never, never)
    assert products.of_processor("processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\n\n") == ("AuthenticAMD", 26)
    assert products.of_processor("CPU implementer\t: 0x41\n") == ("", 0)
    monkeypatch.setattr(products, "available", lambda: False)
    assert products._here() == (never, never)


def test_a_number_that_is_none_is_not_lost_in_a_product(library: str) -> None:
    """The trainer stops at a loss that is not finite."""
    weight = torch.ones(1, 3, 4)
    weight[0, 1, 2] = math.nan
    hidden = products.linear(torch.ones(1, 2, 4), weight, torch.zeros(1, 1, 3)).relu_()
    assert hidden[0].isnan().tolist() == [[False, True, False]] * 2


def test_a_lane_has_the_same_bits_again_and_resumed(library: str) -> None:
    network = toy.mlp()
    whole, again, first, resumed = (toy.trainer(network, toy.tickets(network, 1, 0.6)) for _ in range(4))
    assert toy.outcome(toy.finish(whole)) == toy.outcome(toy.finish(again))
    assert next(first.run()) < next(first.run()) < whole.iteration
    resumed.load(first.state())
    assert toy.outcome(toy.finish(resumed)) == toy.outcome(whole)


@pytest.mark.parametrize("make", [toy.mlp, toy.own])
@pytest.mark.parametrize("lanes", [1, 3])
def test_autograds_lanes_are_each_a_plain_network(make, lanes: int) -> None:
    network = make()
    chosen = toy.tickets(network, lanes, 0.7)
    agrees_with_torch(Autograd(network.module, toy.CLASSIFICATION.loss, chosen, toy.CPU), network, chosen)


@pytest.mark.parametrize("sampled", [0.0, 1.1])
@pytest.mark.parametrize("density", [0.05, 0.5, 1.0])
def test_sparse_layers_have_the_gradients_of_what_survives(
    density: float, sampled: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparse, "SPARSE_FROM", 49)  # the layers have 128, 48 and 18 weights
    monkeypatch.setattr(sparse, "SPARSE_BELOW", 1.1)
    monkeypatch.setattr(sparse, "SAMPLED_BELOW", sampled)
    network = toy.mlp()
    full = toy.full(network)
    first = (toy.mask(network, density) if density < 1 else full)["fc1.weight"]
    start = ticket(Mask({**full, "fc1.weight": first}), toy.fresh(network))
    kernel = by_hand(SparseMlp, network, [start])
    assert list(kernel.stack.survivors) == ["fc1.weight"]
    agrees_with_torch(kernel, network, [start])


def test_what_is_sparse_and_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    network = toy.network("lenet", (1, 28, 28), 10)
    few, more = ([ticket(toy.mask(network, d), toy.fresh(network))] for d in (0.15, 0.3))
    assert sparse.sparse_layers(network.module, few, toy.CPU) == ["fc1.weight"]
    assert sparse.sparse_layers(network.module, more, toy.CPU) == []
    assert sparse.sparse_layers(network.module, few * 2, toy.CPU) == []
    assert sparse.sparse_layers(network.module, few, torch.device("cuda")) == []


def test_a_large_layer_of_which_nothing_is_left_trains_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Global pruning may empty a layer."""
    monkeypatch.setattr(sparse, "SPARSE_FROM", 1)
    network = toy.mlp()
    empty = {**toy.mask(network, 0.15), "fc1.weight": np.zeros((8, 16), np.bool_)}
    weights = toy.finish(toy.trainer(network, [ticket(Mask(empty), toy.fresh(network))])).stack.weights(0)
    assert not weights["fc1.weight"].any()
    assert not weights["fc1.bias"].any()  # behind a ReLU that is never above zero
    assert weights["output.bias"].any()


@pytest.mark.parametrize(
    "optimizer",
    [
        toy.ADAM,
        Adam(name="adam", lr=1e-3),
        toy.ADAMW,
        AdamW(name="adamw", lr=1e-3),
        toy.SGD,
        toy.PLAIN,
        Sgd(name="sgd", lr=0.1, momentum=0.5),
    ],
)
def test_the_functional_optimizers_are_torchs(optimizer: OptimizerSettings) -> None:
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(50, generator=generator)
    parameter = nn.Parameter(flat.clone())
    theirs = toy.torch_optimizer([parameter], optimizer)
    gradient = torch.zeros(50)
    ours = Optimizer(flat, gradient, optimizer)
    for _ in range(30):
        gradient.copy_(torch.randn(50, generator=generator))
        parameter.grad = gradient.clone()
        ours.step()
        theirs.step()
        torch.testing.assert_close(flat, parameter.detach(), rtol=2e-6, atol=1e-7)


CLIPPED = toy.PLAIN.model_copy(update={"clip_grad_norm": 0.05})


@pytest.mark.parametrize("optimizer", [toy.ADAM, toy.ADAMW, toy.SGD, CLIPPED], ids=["adam", "adamw", "sgd", "clipped"])
def test_lanes_side_by_side_train_as_each_does_alone_and_as_in_the_usual_loop(make_network, optimizer: OptimizerSettings) -> None:
    network = make_network()
    chosen = toy.tickets(network, 3, 0.6)
    together = toy.finish(toy.trainer(network, chosen, optimizer, iterations=5, every=1))
    for i, start in enumerate(chosen):
        alone = toy.finish(toy.trainer(network, [start], optimizer, seeds=[i + 1], iterations=5, every=1))
        usual = toy.plainly(network, start, optimizer, toy.bundle(), i + 1)
        for row, lone in zip(together.history[i], alone.history[0], strict=True):
            assert row.validation_loss == pytest.approx(lone.validation_loss, rel=1e-4)
            assert row.test_loss == pytest.approx(lone.test_loss, rel=1e-4)
            if row.iteration:
                loss, expected = next(usual)
                assert row.train_loss == pytest.approx(float(loss), rel=1e-4)
                assert lone.train_loss == pytest.approx(float(loss), rel=1e-4)
        for name, parameter in expected.named_parameters():
            np.testing.assert_allclose(alone.stack.weights(0)[name], parameter.detach(), rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(together.stack.weights(i)[name], parameter.detach(), rtol=1e-3, atol=1e-5)


def test_the_hand_written_kernel_is_for_plain_networks_only() -> None:
    linear = nn.Linear(4, 4)
    assert mlp.fits(nn.Sequential(nn.Flatten(), linear, nn.ReLU(), nn.Linear(4, 2)))
    assert mlp.fits(nn.Sequential(nn.Flatten(), linear))
    assert not mlp.fits(nn.Sequential(nn.Flatten(), linear, nn.Tanh(), nn.Linear(4, 2)))
    assert not mlp.fits(nn.Sequential(nn.Flatten(), linear, nn.ReLU(), nn.Linear(4, 2), nn.ReLU()))
    assert not mlp.fits(nn.Sequential(nn.Flatten(), nn.Linear(4, 4, bias=False)))
    assert not mlp.fits(nn.Sequential(linear))
    assert not mlp.fits(toy.own().module)
