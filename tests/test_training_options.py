"""Options of training, held against torch's own: gradients are clipped, labels smoothed, and a cosine ends at 0."""

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.domain.networks import Network
from pipeline.domain.tickets import ticket
from pipeline.files.lane import LaneFiles
from pipeline.preview.show import show
from pipeline.settings import check, config
from pipeline.tasks.classification import classification
from pipeline.training.autograd import Autograd
from pipeline.training.mlp import Mlp
from pipeline.training.sparse import SparseMlp
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from tests import lottery, toy

Make = Callable[[], Network]
SMOOTH = 0.3
SMOOTHED = classification(label_smoothing=SMOOTH)


# --- Clipping


@pytest.mark.parametrize("lanes", [1, 3])
def test_each_lanes_gradient_is_clipped_as_torch_clips_that_of_its_survivors(make_network: Make, lanes: int) -> None:
    """The largest norm lies between those of the lanes, so that some are scaled and others are not."""
    network = make_network()
    chosen = toy.tickets(network, lanes, 0.3)
    trainer = toy.trainer(network, chosen)
    modules, norms = [network.make() for _ in chosen], []
    batch = trainer.examples.batch(*trainer.order.batch(0))
    with torch.no_grad():
        trainer.compute.gradients(*batch)
        for i, module in enumerate(modules):
            for name, parameter in module.named_parameters():
                parameter.grad = gradient(trainer, name, i)
            norms.append(toy.clip(module, chosen[i].mask, np.inf))
        most = float(np.median(norms)) if lanes > 1 else norms[0] / 2
        for module, start in zip(modules, chosen, strict=True):
            toy.clip(module, start.mask, most)
        trainer.stack.clip(most)
    assert sum(norm > most for norm in norms) == (1 if lanes > 1 else lanes)
    for i, module in enumerate(modules):
        for name, parameter in module.named_parameters():
            torch.testing.assert_close(gradient(trainer, name, i), parameter.grad, rtol=1e-5, atol=1e-8)
        found = torch.cat([gradient(trainer, name, i).flatten() for name, _ in module.named_parameters()]).norm()
        assert float(found) == pytest.approx(min(norms[i], most), rel=1e-4)


def gradient(trainer: Any, name: str, lane: int) -> torch.Tensor:
    found = trainer.stack.gradients[name]
    return found.to_dense() if name in trainer.stack.survivors else found[lane].clone()


@pytest.mark.parametrize("lanes", [1, 3])
def test_nothing_is_clipped_without_the_option_or_below_its_norm(
    make_network: Make, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(most: float | None) -> torch.Tensor:
        optimizer = toy.SGD.model_copy(update={"clip_grad_norm": most})
        network = make_network()
        return toy.finish(toy.trainer(network, toy.tickets(network, lanes), optimizer)).stack.flat

    plain = trained(None)
    assert not torch.equal(trained(0.01), plain)
    assert torch.equal(trained(1e6), plain)  # a scale of 1 changes no value
    monkeypatch.delattr("pipeline.training.stack.Stack.clip")
    assert torch.equal(trained(None), plain)


# --- Labels


@pytest.mark.parametrize(("dim", "shape"), [(2, (2, 6, 4)), (1, (2, 4, 6))])
def test_the_smoothed_loss_and_its_gradient_by_hand_are_torchs(dim: int, shape: tuple[int, ...]) -> None:
    assert SMOOTHED.gradient
    logits = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    targets = torch.arange(12).view(2, 6) % 4
    losses, found = SMOOTHED.gradient(logits, targets, dim)
    for lane in range(2):
        leaf = logits[lane].clone().requires_grad_()
        scores = leaf if dim == 2 else leaf.t()
        loss = nn.functional.cross_entropy(scores, targets[lane], label_smoothing=SMOOTH)
        loss.backward()
        assert float(losses[lane]) == pytest.approx(float(loss.detach()), rel=1e-5)
        assert float(SMOOTHED.loss(scores, targets[lane]).detach()) == pytest.approx(float(loss.detach()), rel=1e-6)
        torch.testing.assert_close(found[lane], leaf.grad)
        plain = nn.functional.cross_entropy(scores, targets[lane])
        assert float(plain.detach()) != pytest.approx(float(loss.detach()), rel=1e-2)


def test_training_is_the_usual_loop_with_smoothed_labels_and_is_measured_without(make_network: Make) -> None:
    network = make_network()
    start = toy.tickets(network, 1, 0.6)[0]
    trainer = toy.finish(toy.trainer(network, [start], toy.SGD, task=SMOOTHED, iterations=5, every=1))
    usual = toy.plainly(network, start, toy.SGD, toy.bundle(), 1, label_smoothing=SMOOTH)
    data = toy.bundle()
    for row, (loss, module) in zip(trainer.history[0][1:], islice(usual, 5), strict=True):
        assert row.train_loss == pytest.approx(float(loss), rel=1e-4)
        with torch.no_grad():
            logits = module.eval()(trainer.examples.normalise(torch.from_numpy(data.test_inputs)))
        expected = nn.functional.cross_entropy(logits, torch.from_numpy(data.test_targets).long())
        assert row.test_loss == pytest.approx(float(expected), rel=1e-4)
    for name, parameter in module.named_parameters():
        np.testing.assert_allclose(trainer.stack.weights(0)[name], parameter.detach(), rtol=1e-3, atol=1e-5)


def test_without_smoothing_no_bit_changes(make_network: Make) -> None:
    def trained(task: Any) -> list[Any]:
        network = make_network()
        return toy.outcome(toy.finish(toy.trainer(network, toy.tickets(network, 1), task=task)))

    assert trained(classification(label_smoothing=0)) == trained(classification())
    assert trained(SMOOTHED) != trained(classification())


@pytest.mark.parametrize("share", [1.0, -0.1, "much", True, float("nan"), None])
def test_a_share_of_labels_that_cannot_be_is_a_sentence(share: Any) -> None:
    with pytest.raises(UserError, match=r"^task\.label_smoothing is .*, but should be a number from 0 on and below 1"):
        classification(label_smoothing=share)


# --- Through the stages

OPTIONS = {
    "optimizer": {"name": "adamw", "lr": 1e-2, "warmup": "4it", "decay": "cosine", "clip_grad_norm": 0.5},
    "task": {"name": "classification", "label_smoothing": 0.1},
    "arms": {"dense_long": {"rounds": [1]}, "reinit": {"rounds": [1], "draws": 1}},
    "rewind": "2it",
}


def one_round(**changes: Any) -> dict[str, Any]:
    found = lottery.experiment(**OPTIONS | changes)
    return found | {"pruning": found["pruning"] | {"rounds": 1}}


def test_an_experiment_with_all_options_runs_and_each_changes_what_is_trained(tmp_path: Path) -> None:
    """One network whose path is written by hand, and one that goes through autograd."""
    normed = {"model": {"name": "tests.toy:normed", "width": 2}}
    rates = {"rates": {"conv": 0.4}, "rounds": 1}
    without = {
        "adam": one_round(optimizer=OPTIONS["optimizer"] | {"name": "adam"}),
        "even": one_round(optimizer={k: v for k, v in OPTIONS["optimizer"].items() if k != "decay"}),
        "whole": one_round(optimizer={k: v for k, v in OPTIONS["optimizer"].items() if k != "clip_grad_norm"}),
        "hard": one_round(task="classification"),
    }
    other = one_round(**normed)
    chosen = lottery.params(toy=one_round(), normed=other | {"pruning": other["pruning"] | rates}, **without)
    with lottery.repository(tmp_path, chosen):
        lottery.run("toy")
        lottery.run("normed")
        trained = {}
        for name in ("toy", *without):
            lottery.run(name, "r00")
            trained[name] = lottery.arrays(name, "r00", "seed1", "trained")["fc1.weight"].tobytes()
        assert len(set(trained.values())) == len(trained)
        settings = LaneFiles(paths.lanes("toy", "r01") / "seed1").read_about()["config"]
        assert settings["optimizer"] == OPTIONS["optimizer"] | {"weight_decay": 0.01}
        assert settings["task"] == OPTIONS["task"]


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_longer_training_follows_the_cosine_to_its_own_end(lanes: int, tmp_path: Path) -> None:
    """As torch's scheduler does that is told the longer time; without the stretch it would have ended halfway."""
    with lottery.repository(tmp_path, lottery.params(toy=one_round(optimizer={"name": "sgd", "lr": 0.05, "decay": "cosine"}))):
        lottery.run("toy", "r00")
        lottery.run("toy", "dense_long_r01")
        found = lottery.arrays("toy", "dense_long_r01", f"seed{lanes}", "trained")
        network, data = lottery.begin("toy").network, toy.bundle()
        mask = toy.full(network)
        start = ticket(mask, lottery.arrays("toy", "r00", f"seed{lanes}", "start"))
        optimizer = toy.PLAIN
        usual = toy.plainly(
            network, start, optimizer, data, lanes, label_smoothing=0.1,
            schedule=lambda stepper: torch.optim.lr_scheduler.CosineAnnealingLR(stepper, 30),
        )  # fmt: skip
        *_, (_, expected) = islice(usual, 30)
        for name, parameter in expected.named_parameters():
            np.testing.assert_allclose(found[name], parameter.detach(), rtol=1e-3, atol=1e-5)


# --- What is refused


def settings_of(**changes: Any) -> Experiment:
    return Experiment.model_validate_json(json.dumps(lottery.experiment(**changes)))


def test_the_last_rate_of_a_cosine_is_refused() -> None:
    cosine = {"name": "adam", "lr": 0.1, "decay": "cosine"}
    with pytest.raises(UserError, match=r"arms\.fine_tune trains at the last learning rate .* is 0 .* cosine; .*steps") as error:
        check.settings("toy", settings_of(optimizer=cosine, arms={"fine_tune": {"rounds": 1}}))
    assert "at: [80ep, 120ep]" in str(error.value)
    check.settings("toy", settings_of(optimizer=cosine, arms={"lr_rewind": {"rounds": 1}}))


def test_a_share_of_labels_that_cannot_be_is_found_before_training(tmp_path: Path) -> None:
    wrong = lottery.params(toy=lottery.experiment(task={"name": "classification", "label_smoothing": 2}))
    with (
        lottery.repository(tmp_path, wrong),
        pytest.raises(UserError, match=r"experiments\.toy: task\.label_smoothing is 2, but"),
    ):
        show("toy", config.load().experiment("toy"))


def test_the_ways_to_train_are_the_ones_meant(make_network: Make, request: pytest.FixtureRequest) -> None:
    network = make_network()
    kind = type(toy.trainer(network, toy.tickets(network, 1), task=SMOOTHED).compute)
    assert kind is {"mlp": Mlp, "own": Autograd}.get(request.node.callspec.params["make_network"], SparseMlp)
