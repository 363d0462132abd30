"""The learning rate of every iteration: by hand, as torch's schedulers have it, and on after a rewind."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, MultiStepLR, SequentialLR

from pipeline.domain.networks import Network
from pipeline.domain.tickets import ticket
from pipeline.training.schedule import Schedule, settled
from pipeline.values.optimizer import Decay, OptimizerSettings, Sgd
from tests import toy

Make = Callable[[], Network]
WARMUP = {"warmup": "5it"}
COSINE = {"decay": "cosine"}
DECAY = {"decay": Decay(at=("4it", "2ep"), by=0.2)}  # an epoch of the toy data is 5 iterations


def sgd(**more: Any) -> Sgd:
    return Sgd(name="sgd", lr=0.1, **more)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, [0.1] * 9),
        ({"warmup": "4it"}, [0.0, 0.025, 0.05, 0.075, 0.1, 0.1, 0.1, 0.1, 0.1]),
        ({"warmup": "1ep"}, [0.0, 0.1 / 3, 0.2 / 3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]),
        ({"warmup": "1it"}, [0.0, *[0.1] * 8]),
        ({"decay": Decay(at=("2it",))}, [0.1, 0.1, *[0.01] * 7]),
        ({"decay": Decay(at=("2ep", "1it", "4it"), by=0.5)}, [0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.0125, 0.0125, 0.0125]),
        ({"decay": Decay(at=("0it",))}, [0.01] * 9),
        ({"warmup": "4it", "decay": Decay(at=("2it", "2ep"))}, [0, 0.025, 0.005, 0.0075, 0.01, 0.01, 0.001, 0.001, 0.001]),
        ({"decay": "cosine"}, [0.05 * (1 + math.cos(math.pi * i / 9)) for i in range(9)]),
        (
            {"warmup": "1ep", "decay": "cosine"},
            [0, 0.1 / 3, 0.2 / 3, 0.1, *(0.05 * (1 + math.cos(math.pi * i / 6)) for i in range(1, 6))],
        ),
    ],
)
def test_rates_by_hand(chosen: dict[str, Any], expected: list[float]) -> None:
    rate = Schedule(sgd(**chosen), per_epoch=3, end=9)
    assert [rate(i) for i in range(9)] == pytest.approx(expected, rel=1e-12)


def test_what_a_schedule_settles_at_is_its_last_rate_throughout() -> None:
    chosen = sgd(warmup="4it", decay=Decay(at=("2ep", "8it"), by=0.2), momentum=0.9, weight_decay=0.1)
    last = settled(chosen)
    assert last == sgd(momentum=0.9, weight_decay=0.1).model_copy(update={"lr": last.lr})
    assert [Schedule(last, per_epoch=3, end=100)(i) for i in (0, 3, 99)] == [pytest.approx(0.004, rel=1e-12)] * 3
    assert Schedule(chosen, per_epoch=3, end=100)(99) == last.lr
    assert settled(toy.ADAM) == toy.ADAM
    with pytest.raises(ValueError, match="last learning rate of a cosine is 0"):
        settled(sgd(decay="cosine"))


def test_a_cosine_ends_at_zero_and_is_stretched_with_its_warmup() -> None:
    chosen = sgd(warmup="1ep", decay="cosine")
    short = Schedule(chosen, per_epoch=3, end=9)
    assert short(9) == pytest.approx(0, abs=1e-12)
    assert short(6) == pytest.approx(0.05, rel=1e-12)
    for times in (2, 3):
        long = Schedule(chosen, per_epoch=3, end=9 * times, stretch=times)
        assert [long(times * i) for i in range(10)] == pytest.approx([short(i) for i in range(10)], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("optimizer", [toy.ADAM, toy.SGD], ids=["adam", "sgd"])
def test_the_first_step_of_a_warmup_changes_no_weight_and_the_second_does(
    make_network: Make, optimizer: OptimizerSettings
) -> None:
    network = make_network()
    start = toy.tickets(network, 1)[0]
    trainer = toy.trainer(network, [start], optimizer.model_copy(update=WARMUP), every=1)
    trained = {iteration: trainer.stack.weights(0) for iteration in trainer.run()}
    for name, _ in network.module.named_parameters():
        assert trained[1][name].tobytes() == start.weights[name].tobytes(), name
        assert (trained[2][name] != start.weights[name]).any(), name


def warmed(iteration: int, *, steps: tuple[int, ...] = (4, 10)) -> float:
    return min(1.0, iteration / 5) * 0.2 ** sum(iteration >= k for k in steps)


def warm_then_cosine(stepper: Optimizer) -> LRScheduler:
    parts = [LambdaLR(stepper, partial(warmed, steps=())), CosineAnnealingLR(stepper, 12 - 5)]
    return SequentialLR(stepper, parts, milestones=[5])


@pytest.mark.parametrize("optimizer", [toy.ADAM, toy.ADAMW, toy.SGD], ids=["adam", "adamw", "sgd"])
@pytest.mark.parametrize(
    ("chosen", "schedule"),
    [
        (COSINE, partial(CosineAnnealingLR, T_max=12)),
        (WARMUP | COSINE, warm_then_cosine),
        (WARMUP, partial(LambdaLR, lr_lambda=partial(warmed, steps=()))),
        (DECAY, partial(MultiStepLR, milestones=[4, 10], gamma=0.2)),
        (WARMUP | DECAY, partial(LambdaLR, lr_lambda=warmed)),
    ],
    ids=["cosine", "warmup and cosine", "warmup", "decay", "both"],
)
def test_training_is_the_usual_loop_with_torchs_scheduler(
    optimizer: OptimizerSettings, chosen: dict[str, Any], schedule: Callable[[Optimizer], LRScheduler]
) -> None:
    start = toy.tickets(toy.mlp(), 1, 0.6)[0]
    trainer = toy.finish(toy.trainer(toy.mlp(), [start], optimizer.model_copy(update=chosen), every=1))
    usual = toy.plainly(toy.mlp(), start, optimizer, toy.bundle(), 1, schedule=schedule)
    for row in trainer.history[0][1:]:
        loss, expected = next(usual)
        assert row.train_loss == pytest.approx(float(loss), rel=1e-5)
    for name, parameter in expected.named_parameters():
        np.testing.assert_allclose(trainer.stack.weights(0)[name], parameter.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("k", [3, 7])
def test_after_a_rewind_the_schedule_goes_on_from_there(k: int) -> None:
    """In the middle of the warmup, and between the two steps down."""
    optimizer = toy.SGD.model_copy(update=WARMUP | DECAY)
    start = ticket(toy.mask(toy.mlp()), toy.fresh(toy.mlp()), origin=k)
    rewound = toy.finish(toy.trainer(toy.mlp(), [start], optimizer))

    def schedule(stepper: Optimizer) -> LRScheduler:
        stepper.param_groups[0]["initial_lr"] = optimizer.lr
        return LambdaLR(stepper, warmed, last_epoch=k - 1)

    usual = toy.plainly(toy.mlp(), start, optimizer, toy.bundle(), 1, schedule=schedule)
    for _ in range(k, 12):
        _, expected = next(usual)
    for name, parameter in expected.named_parameters():
        np.testing.assert_allclose(rewound.stack.weights(0)[name], parameter.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", [toy.ADAM, toy.ADAMW, toy.SGD], ids=["adam", "adamw", "sgd"])
def test_a_rate_in_a_tensor_as_a_recorded_step_has_it_trains_the_same(optimizer: OptimizerSettings) -> None:
    def new() -> Any:
        return toy.trainer(toy.mlp(), toy.tickets(toy.mlp(), 2), optimizer.model_copy(update=WARMUP | DECAY))

    number, tensor = new(), new()
    tensor.optimizer.lr = lr = torch.tensor(0.0)
    toy.finish(number)
    toy.finish(tensor)
    assert tensor.optimizer.lr is lr  # what a graph recorded is read again, not replaced
    assert float(lr) == pytest.approx(number.optimizer.lr)
    torch.testing.assert_close(tensor.stack.flat, number.stack.flat, rtol=1e-5, atol=1e-7)
