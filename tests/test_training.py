"""The training loop: what a mask holds, what a rewind restores, and the same bits however a lane is run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.domain.networks import Network
from pipeline.domain.tickets import ticket
from pipeline.files import store
from pipeline.training.trainer import Trainer
from pipeline.values.optimizer import OptimizerSettings
from tests import toy

OPTIMIZERS = {"adam": toy.ADAM, "adamw": toy.ADAMW, "sgd": toy.SGD}
Make = Callable[[], Network]
each_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
each_count = pytest.mark.parametrize("lanes", [1, 3])


def raw(weights: toy.Arrays) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in weights.items()}


# --- Masks


@each_count
@each_optimizer
def test_masked_weights_are_zero_after_every_step_and_all_others_train(
    optimizer: OptimizerSettings, make_network: Make, lanes: int
) -> None:
    network = make_network()
    chosen = toy.tickets(network, lanes)
    trainer = toy.trainer(network, chosen, optimizer, every=1)
    for _ in trainer.run():
        for i, start in enumerate(chosen):
            weights = trainer.stack.weights(i)
            assert all(not weights[name][~a].any() for name, a in start.mask.items())
    for i, start in enumerate(chosen):
        weights = trainer.stack.weights(i)
        for name, a in start.mask.items():
            before, after = start.weights[name][a], weights[name][a]
            assert (before < 0).any()
            assert (after != before)[before < 0].mean() > 0.9  # a comparison of values would freeze the negative ones
            assert (after != before)[before > 0].mean() > 0.9
        assert all((weights[n] != w).any() for n, w in start.weights.items() if n.endswith("bias"))


def test_a_weight_that_happens_to_be_zero_is_not_frozen(make_network: Make) -> None:
    network = make_network()
    name = next(iter(network.layers))
    weights = toy.fresh(network)
    weights[name].reshape(-1)[::2] = 0.0
    trainer = toy.finish(toy.trainer(network, [ticket(toy.full(network), weights)]))
    assert (trainer.stack.weights(0)[name].reshape(-1)[::2] != 0).mean() > 0.9


@each_optimizer
def test_optimizer_state_is_fresh_in_each_training(optimizer: OptimizerSettings) -> None:
    network = toy.mlp()
    first = toy.finish(toy.trainer(network, toy.tickets(network, 1), optimizer))
    assert all(np.any(a) for n, a in first.state().items() if n.startswith("optimizer."))
    again = toy.trainer(network, toy.tickets(network, 1), optimizer)
    slots = {n: a for n, a in again.state().items() if n.startswith("optimizer.")}
    assert slots
    assert not any(np.any(a) for a in slots.values())
    assert toy.outcome(toy.finish(again)) == toy.outcome(first)


# --- Rewinding


@each_count
def test_a_round_starts_at_mask_times_theta0_which_training_leaves_as_it_was(make_network: Make, lanes: int) -> None:
    network = make_network()
    theta = [toy.fresh(network, i) for i in range(lanes)]
    before = [raw(weights) for weights in theta]
    masks = [toy.mask(network, 0.3, i) for i in range(lanes)]
    chosen = [ticket(m, w) for m, w in zip(masks, theta, strict=True)]
    started = [raw(t.weights) for t in chosen]
    trainer = toy.trainer(network, chosen, toy.SGD)
    for i in range(lanes):
        weights = trainer.stack.weights(i)
        assert weights.keys() == theta[i].keys()
        for name, array in weights.items():
            expected = np.where(masks[i][name], theta[i][name], np.float32(0)) if name in masks[i] else theta[i][name]
            assert array.tobytes() == expected.astype(array.dtype).tobytes(), name
    toy.finish(trainer)
    assert [raw(weights) for weights in theta] == before
    assert [raw(t.weights) for t in chosen] == started
    assert raw(trainer.stack.weights(0)) != started[0]


@pytest.mark.parametrize("k", [1, 4, 7, 9])
def test_after_a_rewind_the_data_goes_on_from_there(k: int) -> None:
    """Seven batches fill no epoch evenly, so some k lie within the second epoch and between two evaluations."""
    network = toy.mlp()
    full = toy.full(network)
    dense = toy.finish(toy.trainer(network, [ticket(full, toy.fresh(network))], toy.PLAIN, keep=k))
    assert raw(dense.kept[0]) not in (raw(toy.fresh(network)), raw(dense.stack.weights(0)))
    rewound = toy.trainer(network, [ticket(full, dense.kept[0], origin=k)], toy.PLAIN)
    toy.finish(rewound)
    # SGD without momentum has no state: what is trained on from k ends where the dense training ended.
    assert raw(rewound.stack.weights(0)) == raw(dense.stack.weights(0))
    later = [row for row in dense.history[0] if row.iteration > k]
    assert [row.iteration for row in rewound.history[0]] == [k, *(row.iteration for row in later)]
    assert rewound.history[0][-1].test_loss == later[-1].test_loss
    assert rewound.history[0][0].train_loss is None


def test_what_is_kept_for_rewinding_is_the_weights_at_that_iteration() -> None:
    network = toy.own()
    chosen = toy.tickets(network, 2)
    for k in (0, 4, 12):
        trainer = toy.trainer(network, chosen, keep=k)
        at = {iteration: [raw(trainer.stack.weights(i)) for i in range(2)] for iteration in trainer.run()}
        assert [raw(weights) for weights in trainer.kept] == at[k]


def test_after_a_rewind_momentum_starts_at_zero() -> None:
    network = toy.mlp()
    full = toy.full(network)
    dense = toy.finish(toy.trainer(network, [ticket(full, toy.fresh(network))], toy.SGD, keep=5))
    start = ticket(full, dense.kept[0], origin=5)
    rewound = toy.trainer(network, [start], toy.SGD, iterations=8, every=1)
    steps = rewound.run()
    next(steps)
    next(steps)
    _, expected = next(toy.plainly(toy.mlp(), start, toy.SGD, toy.bundle(), seed=1))
    for name, parameter in expected.named_parameters():
        np.testing.assert_allclose(rewound.stack.weights(0)[name], parameter.detach(), rtol=1e-5, atol=1e-7)


def test_running_statistics_are_trained_and_rewound() -> None:
    network = toy.own()
    names = {name for name, _ in network.module.named_buffers()}
    assert names == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
    full = toy.full(network)
    dense = toy.finish(toy.trainer(network, [ticket(full, toy.fresh(network))], keep=4))
    trained, kept = dense.stack.weights(0), dense.kept[0]
    assert (int(kept["1.num_batches_tracked"]), int(trained["1.num_batches_tracked"])) == (4, 12)
    rewound = toy.trainer(network, [ticket(full, kept, origin=4)])
    start = rewound.stack.weights(0)
    for name in names:
        assert start[name].tobytes() == kept[name].tobytes()
        assert (start[name] != trained[name]).any()
        assert (start[name] != toy.fresh(network)[name]).any()
    assert int(toy.finish(rewound).stack.weights(0)["1.num_batches_tracked"]) == 12


# --- The same bits


@each_count
@each_optimizer
def test_resumed_at_any_evaluation_a_lane_ends_in_the_same_bytes(
    optimizer: OptimizerSettings, make_network: Make, lanes: int, tmp_path: Path
) -> None:
    def new() -> Trainer:
        network = make_network()
        return toy.trainer(network, toy.tickets(network, lanes), optimizer, iterations=16, keep=6)

    whole = new()
    saved = []
    for iteration in whole.run():
        store.write_arrays(tmp_path / f"{iteration}.safetensors", whole.state())
        saved.append(iteration)
    assert saved == [0, 4, 8, 12, 16]
    for iteration in saved:
        resumed = new()
        resumed.load(store.read_arrays(tmp_path / f"{iteration}.safetensors"))
        assert resumed.iteration == iteration
        toy.finish(resumed)
        assert toy.outcome(resumed) == toy.outcome(whole), iteration
        assert [len(rows) for rows in resumed.history] == [5] * lanes


def test_dense_training_is_the_ticket_with_a_full_mask() -> None:
    network = toy.mlp()
    full = toy.full(network)
    trainer = toy.trainer(network, [ticket(full, toy.fresh(network))])
    assert trainer.stack.mask is None
    assert toy.trainer(network, toy.tickets(network, 2)).stack.mask is not None
    masked = toy.trainer(network, [ticket(full, toy.fresh(network))])
    masked.stack.mask = torch.ones_like(masked.stack.flat)
    assert toy.outcome(toy.finish(masked)) == toy.outcome(toy.finish(trainer))
