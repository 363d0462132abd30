"""What is measured of a lane and when its training is at fault (section 2: early stop, and accuracy there)."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.domain import seeds
from pipeline.domain.networks import Network
from pipeline.domain.tickets import Ticket, ticket
from pipeline.training.examples import Examples
from pipeline.training.history import Row, outcome, table
from pipeline.values.errors import UserError
from pipeline.values.optimizer import Sgd
from tests import toy

Make = Callable[[], Network]
ACCURACY = toy.CLASSIFICATION.metric


def test_early_stop_is_the_first_minimum_of_validation_loss_and_its_accuracy_is_of_the_test_images() -> None:
    validation, test = [0.9, 0.4, 0.6, 0.4, 0.5], [0.1, 0.2, 0.99, 0.3, 0.4]
    rows = [
        Row(100 * i, None if i == 0 else 0.1 / i, v, 0.7 + 0.01 * i, 0.5 - 0.1 * i, t)
        for i, (v, t) in enumerate(zip(validation, test, strict=True))
    ]
    assert outcome(rows, ACCURACY) == {
        "early_stop_iteration": 100,
        "accuracy_at_early_stop": 0.2,
        "validation_loss_at_early_stop": 0.4,
        "final_accuracy": 0.4,
        "final_iteration": 400,
    }
    assert outcome(rows[2:], ACCURACY)["early_stop_iteration"] == 300  # the best starts anew in each history
    assert table(rows, ACCURACY)[0] == {
        "iteration": 0, "train_loss": None, "validation_loss": 0.9, "validation_accuracy": 0.7,
        "test_loss": 0.5, "test_accuracy": 0.1,
    }  # fmt: skip


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize(("test", "validation"), [(7, 3), (1000, 30), (1300, 1100), (2001, 999)])
def test_measures_divide_by_the_true_number_of_images(make_network: Make, test: int, validation: int, lanes: int) -> None:
    network, data = make_network(), toy.bundle(train=1200, test=test)
    chosen = toy.tickets(network, lanes)
    trainer = toy.trainer(network, chosen, data=data, validation=validation)
    next(trainer.run())
    examples = Examples(data, toy.CPU)
    for i, start in enumerate(chosen):
        module = toy.load(network.make(), start.weights).eval()
        order = torch.randperm(1200, generator=torch.Generator().manual_seed(seeds.derive(i + 1, "split")))[:validation]
        row = trainer.history[i][0]
        held_out = examples.normalise(examples.train[order]), examples.train_targets[order]
        for loss, accuracy, (x, y) in [
            (row.test_loss, row.test_metric, (examples.normalise(examples.test), examples.test_targets)),
            (row.validation_loss, row.validation_metric, held_out),
        ]:
            with torch.no_grad():
                logits = module(x)
            assert loss == pytest.approx(float(nn.functional.cross_entropy(logits.double(), y)), rel=1e-5)
            assert accuracy == int((logits.argmax(1) == y).sum()) / len(y)


def test_training_loss_is_the_mean_since_the_last_evaluation() -> None:
    network = toy.mlp()
    single = toy.finish(toy.trainer(network, toy.tickets(network, 1), every=1, iterations=8)).history[0]
    fours = toy.finish(toy.trainer(network, toy.tickets(network, 1), every=4, iterations=8)).history[0]
    assert [row.iteration for row in fours] == [0, 4, 8]
    for row, part in zip(fours[1:], (single[1:5], single[5:]), strict=True):
        assert row.train_loss == pytest.approx(np.mean([r.train_loss for r in part]), rel=1e-12)
        assert row.test_loss == part[-1].test_loss


# --- Losses that are no numbers


@pytest.mark.parametrize("bad", [0, 2])
def test_a_loss_that_is_not_finite_names_its_lane_and_iteration(bad: int) -> None:
    network = toy.mlp()
    full = toy.full(network)
    chosen = [ticket(full, toy.fresh(network, i + 1)) for i in range(3)]
    huge = Ticket(full, {n: w * np.float32(1e11) for n, w in chosen[bad].weights.items()}, 0)
    chosen[bad] = huge
    losses = islice(toy.plainly(toy.mlp(), huge, toy.PLAIN, toy.bundle(), seed=bad + 1), 4)
    expected = next(i for i, (loss, _) in enumerate(losses, start=1) if not loss.isfinite())
    assert expected in (2, 3)  # after the first evaluation, in the middle of an interval
    with pytest.raises(UserError, match=rf"^lane {'abc'[bad]}: the training loss is (nan|inf) at iteration {expected};") as error:
        toy.finish(toy.trainer(network, chosen, toy.PLAIN))
    assert "optimizer.lr" in str(error.value)


def test_a_huge_learning_rate_ends_in_one_sentence() -> None:
    network = toy.mlp()
    trainer = toy.trainer(network, toy.tickets(network, 1), Sgd(name="sgd", lr=1e30))
    with pytest.raises(UserError, match=r"^lane a: the training loss is nan at iteration [23];"):
        toy.finish(trainer)
    assert [row.iteration for row in trainer.history[0]] == [0]


def test_a_validation_loss_that_is_not_finite_is_named_too() -> None:
    network = toy.mlp()
    start = toy.tickets(network, 1)[0]
    start.weights["output.bias"][0] = np.inf
    with pytest.raises(UserError, match=r"^lane a: the validation loss is nan at iteration 0"):
        toy.finish(toy.trainer(network, [start]))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_metric_that_is_not_finite_is_named_though_the_loss_is(value: float) -> None:
    """The first of two lanes is well."""
    valued = toy.CLASSIFICATION.value

    def undefined(sums: torch.Tensor, examples: int) -> tuple[torch.Tensor, torch.Tensor]:
        losses, metrics = valued(sums, examples)
        return losses, torch.where(torch.arange(2) == 1, value, metrics)

    network = toy.mlp()
    task = replace(toy.CLASSIFICATION, value=undefined)
    with pytest.raises(UserError, match=rf"^lane b: the validation accuracy is {value} at iteration 0"):
        toy.finish(toy.trainer(network, toy.tickets(network, 2), task=task))
