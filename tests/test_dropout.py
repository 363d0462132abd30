"""What a lane's dropout leaves out depends on its seed and on how far its training is, and on nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.domain.bundle import Bundle
from pipeline.run import device, setup
from pipeline.training.examples import split
from pipeline.training.trainer import Trainer
from pipeline.values.optimizer import Sgd
from stages import train_dense
from tests import lottery, toy

SEEDS = (1, 2)
WITHOUT = {"name": "conv", "depth": 2}
WITH = WITHOUT | {"dropout": 0.5}
STILL = Sgd(name="sgd", lr=1e-30)  # a rate at which no weight changes


def trainer(seed: int, data: Bundle, optimizer: Any = toy.ADAM, dropout: float = 0.5) -> Trainer:
    """One lane of 12 iterations and an evaluation every 4. Lanes of all seeds begin from the same weights."""
    network = toy.network("conv", outputs=int(data.train_targets.max()) + 1, depth=2, dropout=dropout)
    return toy.trainer(network, toy.tickets(network, 1), optimizer, data=data, seeds=[seed])


def losses(trained: Trainer) -> list[float | None]:
    """The training loss between each evaluation and the next."""
    return [row.train_loss for row in toy.finish(trained).history[0][1:]]


def alike() -> Bundle:
    """All that both seeds train on is one image of one class, so that their losses can only differ by what dropout draws.

    An image of the other class, which there has to be, is one that both hold out.
    """
    data = toy.bundle(classes=2)
    count = len(data.train_inputs)
    held_out = set.intersection(*(set(split(seed, count, 30)[1].tolist()) for seed in SEEDS))
    labels = np.ones_like(data.train_targets)
    labels[min(held_out)] = 0
    return replace(data, train_inputs=data.train_inputs[:1].repeat(count, 0), train_targets=labels)


def groups(begun: setup.Setup, lanes: int) -> list[list[int]]:
    """Which lanes are trained as one batch on CUDA."""
    return [list(group) for group in device.groups(begun, lanes, torch.device("cuda"))]


def experiment(model: dict[str, Any], seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    return lottery.experiment(
        model=model,
        seeds=[*seeds],
        training={"iterations": 4, "batch_size": 20, "evaluate_every": 2},
        pruning={"criterion": "magnitude", "scope": "layer", "rates": {"conv": 0.2}, "rounds": 1},
        arms={},
    )


def test_without_dropout_nothing_would_tell_these_lanes_and_intervals_apart() -> None:
    """What the tests below rest on."""
    assert len({*losses(trainer(1, alike(), STILL, dropout=0)), *losses(trainer(2, alike(), STILL, dropout=0))}) == 1


def test_another_seed_draws_other_units() -> None:
    first, other = (losses(trainer(seed, alike())) for seed in SEEDS)
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_the_same_seed_draws_the_same_units_whatever_torch_drew_before() -> None:
    first = toy.outcome(toy.finish(trainer(1, toy.bundle())))
    torch.rand(7)
    assert toy.outcome(toy.finish(trainer(1, toy.bundle()))) == first


def test_other_units_are_drawn_from_each_evaluation_to_the_next() -> None:
    """The weights stand still, so the losses would repeat themselves."""
    assert len({*losses(trainer(1, alike(), STILL))}) == 3


def test_other_units_are_drawn_in_every_iteration() -> None:
    network, seen = toy.network("conv", outputs=2, depth=2, dropout=0.5), []

    def see(layer: torch.nn.Module, _: Any, left: torch.Tensor) -> None:
        if layer.training:
            seen.append(left.detach().numpy().tobytes())

    network.module.get_submodule("dropout1").register_forward_hook(see)
    toy.finish(toy.trainer(network, toy.tickets(network, 1), STILL, data=alike()))
    assert len({*seen}) == len(seen) >= 12


@pytest.mark.parametrize("evaluations", [1, 2, 3])
def test_a_lane_that_goes_on_from_its_saved_state_ends_in_the_same_bytes(evaluations: int) -> None:
    whole = toy.outcome(toy.finish(trainer(1, toy.bundle())))
    begun = trainer(1, toy.bundle())
    running = begun.run()
    for _ in range(evaluations):
        next(running)
    state = begun.state()
    torch.manual_seed(7)  # as another process has another stream
    resumed = trainer(1, toy.bundle())
    resumed.load(state)
    assert toy.outcome(toy.finish(resumed)) == whole


def test_lanes_that_take_turns_draw_what_each_draws_alone() -> None:
    alone = [toy.outcome(toy.finish(trainer(seed, alike()))) for seed in SEEDS]
    turns = [trainer(seed, alike()) for seed in SEEDS]
    assert len([*zip(*(lane.run() for lane in turns), strict=True)]) == 4
    assert [toy.outcome(lane) for lane in turns] == alone


def test_lanes_that_take_turns_do_not_share_what_is_drawn() -> None:
    turns = [trainer(seed, alike(), STILL) for seed in SEEDS]
    for _ in zip(*(lane.run() for lane in turns), strict=True):
        pass
    found = [row.train_loss for lane in turns for row in lane.history[0][1:]]
    assert len(set(found)) == len(found) == 6


def test_a_replicate_ends_in_the_same_bytes_alone_and_beside_another(tmp_path: Path) -> None:
    """Through the stages, on this machine's device."""
    with lottery.repository(tmp_path, lottery.params(both=experiment(WITH), one=experiment(WITH, [2]))):
        for name in ("both", "one"):
            train_dense.main(name)
        for file in ("trained.safetensors", "history.csv"):
            beside, alone = (tmp_path / f"work/{name}/r00/lanes/seed2" / file for name in ("both", "one"))
            assert beside.read_bytes() == alone.read_bytes()


# --- Which lanes are trained side by side


@pytest.fixture
def begin(tmp_path: Path) -> Callable[[dict[str, Any]], setup.Setup]:
    def begun(model: dict[str, Any]) -> setup.Setup:
        with lottery.repository(tmp_path, lottery.params(toy=experiment(model))):
            return lottery.begin("toy")

    return begun


def test_lanes_of_a_network_without_dropout_are_one_batch_on_cuda(begin: Callable[[dict[str, Any]], setup.Setup]) -> None:
    assert groups(begin(WITHOUT), 3) == [[0, 1, 2]]


def test_lanes_of_a_network_with_dropout_run_one_by_one_on_cuda(begin: Callable[[dict[str, Any]], setup.Setup]) -> None:
    """So that a lane draws the same whatever lanes are beside it."""
    assert groups(begin(WITH), 3) == [[0], [1], [2]]


def test_a_trainer_refuses_several_lanes_of_a_network_that_draws_random_numbers() -> None:
    network = toy.network("conv", depth=2, dropout=0.5)
    with pytest.raises(ValueError, match="draws random numbers"):
        toy.trainer(network, toy.tickets(network, 2))
    toy.trainer(network, toy.tickets(network, 1))


def test_a_network_that_draws_random_numbers_is_told_by_what_it_does_in_training() -> None:
    """Not by its layers' names: dropout of a rate of 0 draws nothing, a network's own noise does."""
    assert toy.network("conv", depth=2, dropout=0.5).draws
    assert toy.network("tests.test_dropout:Noisy").draws
    assert not toy.network("conv", depth=2).draws
    assert not toy.mlp().draws


class Noisy(torch.nn.Linear):
    def __init__(self, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__(int(np.prod(shape)), outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        return super().forward(x + torch.randn_like(x) if self.training else x)
