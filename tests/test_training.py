"""The training loop: what a mask holds, what a rewind restores, and the same bits however a lane is run."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline import networks, seeds, store
from pipeline.config import Adam, Sgd
from pipeline.errors import UserError
from pipeline.masks import Mask
from pipeline.tickets import Ticket, ticket
from pipeline.training.history import Row, summary, table
from pipeline.training.images import Images
from pipeline.training.trainer import Trainer
from tests import toy

OPTIMIZERS = {"adam": toy.ADAM, "sgd": toy.SGD}
NETWORKS = {"mlp": toy.mlp, "own": toy.own}
each_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
each_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
each_count = pytest.mark.parametrize("lanes", [1, 3])


def raw(weights: toy.Arrays) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in weights.items()}


# --- Masks (pitfalls 1 to 3)


@each_count
@each_network
@each_optimizer
def test_masked_weights_are_zero_after_every_step_and_all_others_train(optimizer: Adam | Sgd, network, lanes: int) -> None:
    module = network()
    chosen = toy.tickets(module, lanes)
    trainer = toy.trainer(module, chosen, optimizer, every=1)
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


@each_network
def test_a_weight_that_happens_to_be_zero_is_not_frozen(network) -> None:
    module = network()
    name = next(iter(networks.layers(module)))
    weights = toy.fresh(module)
    weights[name].reshape(-1)[::2] = 0.0
    trainer = toy.finish(toy.trainer(module, [ticket(toy.mask(module, 2.0), weights)]))
    assert (trainer.stack.weights(0)[name].reshape(-1)[::2] != 0).mean() > 0.9


@each_optimizer
def test_optimizer_state_is_fresh_in_each_training(optimizer: Adam | Sgd) -> None:
    module = toy.mlp()
    first = toy.finish(toy.trainer(module, toy.tickets(module, 1), optimizer))
    assert all(np.any(a) for n, a in first.state().items() if n.startswith("optimizer."))
    again = toy.trainer(module, toy.tickets(module, 1), optimizer)
    slots = {n: a for n, a in again.state().items() if n.startswith("optimizer.")}
    assert slots
    assert not any(np.any(a) for a in slots.values())
    assert toy.outcome(toy.finish(again)) == toy.outcome(first)


# --- Rewinding (pitfalls 4 to 8)


@each_count
@each_network
def test_a_round_starts_at_mask_times_theta0_which_training_leaves_as_it_was(network, lanes: int) -> None:
    module = network()
    theta = [toy.fresh(module, i) for i in range(lanes)]
    before = [raw(weights) for weights in theta]
    masks = [toy.mask(module, 0.3, i) for i in range(lanes)]
    chosen = [ticket(m, w) for m, w in zip(masks, theta, strict=True)]
    started = [raw(t.weights) for t in chosen]
    trainer = toy.trainer(module, chosen, toy.SGD)
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
    module = toy.mlp()
    full = toy.mask(module, 2.0)
    dense = toy.finish(toy.trainer(module, [ticket(full, toy.fresh(module))], toy.PLAIN, keep=k))
    assert raw(dense.kept[0]) not in (raw(toy.fresh(module)), raw(dense.stack.weights(0)))
    rewound = toy.trainer(module, [ticket(full, dense.kept[0], origin=k)], toy.PLAIN)
    toy.finish(rewound)
    # SGD without momentum has no state: what is trained on from k ends where the dense training ended.
    assert raw(rewound.stack.weights(0)) == raw(dense.stack.weights(0))
    later = [row for row in dense.history[0] if row.iteration > k]
    assert [row.iteration for row in rewound.history[0]] == [k, *(row.iteration for row in later)]
    assert rewound.history[0][-1].test_loss == later[-1].test_loss
    assert rewound.history[0][0].train_loss is None


def test_what_is_kept_for_rewinding_is_the_weights_at_that_iteration() -> None:
    module = toy.own()
    chosen = toy.tickets(module, 2)
    for k in (0, 4, 12):
        trainer = toy.trainer(module, chosen, keep=k)
        at = {iteration: [raw(trainer.stack.weights(i)) for i in range(2)] for iteration in trainer.run()}
        assert [raw(weights) for weights in trainer.kept] == at[k]


def test_after_a_rewind_momentum_starts_at_zero() -> None:
    module = toy.mlp()
    full = toy.mask(module, 2.0)
    dense = toy.finish(toy.trainer(module, [ticket(full, toy.fresh(module))], toy.SGD, keep=5))
    start = ticket(full, dense.kept[0], origin=5)
    rewound = toy.trainer(module, [start], toy.SGD, iterations=8, every=1)
    steps = rewound.run()
    next(steps)
    next(steps)
    _, expected = next(toy.plainly(toy.mlp(), start, toy.SGD, toy.bundle(), seed=1))
    for name, parameter in expected.named_parameters():
        np.testing.assert_allclose(rewound.stack.weights(0)[name], parameter.detach(), rtol=1e-5, atol=1e-7)


def test_running_statistics_are_trained_and_rewound() -> None:
    module = toy.own()
    names = {name for name, _ in module.named_buffers()}
    assert names == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
    full = toy.mask(module, 2.0)
    dense = toy.finish(toy.trainer(module, [ticket(full, toy.fresh(module))], keep=4))
    trained, kept = dense.stack.weights(0), dense.kept[0]
    assert (int(kept["1.num_batches_tracked"]), int(trained["1.num_batches_tracked"])) == (4, 12)
    rewound = toy.trainer(module, [ticket(full, kept, origin=4)])
    start = rewound.stack.weights(0)
    for name in names:
        assert start[name].tobytes() == kept[name].tobytes()
        assert (start[name] != trained[name]).any()
        assert (start[name] != toy.fresh(module)[name]).any()
    assert int(toy.finish(rewound).stack.weights(0)["1.num_batches_tracked"]) == 12


# --- Evaluation (pitfalls 18 to 20)


def test_early_stop_is_the_first_minimum_of_validation_loss_and_its_accuracy_is_of_the_test_images() -> None:
    validation, test = [0.9, 0.4, 0.6, 0.4, 0.5], [0.1, 0.2, 0.99, 0.3, 0.4]
    rows = [
        Row(100 * i, None if i == 0 else 0.1 / i, v, 0.7 + 0.01 * i, 0.5 - 0.1 * i, t)
        for i, (v, t) in enumerate(zip(validation, test, strict=True))
    ]
    assert summary(rows) == {
        "early_stop_iteration": 100,
        "accuracy_at_early_stop": 0.2,
        "validation_loss_at_early_stop": 0.4,
        "final_accuracy": 0.4,
        "final_iteration": 400,
    }
    assert summary(rows[2:])["early_stop_iteration"] == 300  # the best starts anew in each history
    assert table(rows)[0] == {
        "iteration": 0, "train_loss": None, "validation_loss": 0.9, "validation_accuracy": 0.7, "test_loss": 0.5, "test_accuracy": 0.1
    }  # fmt: skip


@each_network
@pytest.mark.parametrize(("test", "validation"), [(7, 3), (1000, 30), (1300, 1100), (2001, 999)])
def test_measures_divide_by_the_true_number_of_images(network, test: int, validation: int) -> None:
    module, data = network(), toy.bundle(train=1200, test=test)
    chosen = toy.tickets(module, 2)
    trainer = toy.trainer(module, chosen, data=data, validation=validation)
    next(trainer.run())
    images = Images(data, toy.CPU)
    for i, start in enumerate(chosen):
        module.load_state_dict({n: torch.from_numpy(w.copy()) for n, w in start.weights.items()})
        module.eval()
        order = torch.randperm(1200, generator=torch.Generator().manual_seed(seeds.derive(i + 1, "split")))[:validation]
        row = trainer.history[i][0]
        held_out = images.normalise(images.train[order]), images.train_labels[order]
        for loss, accuracy, (x, y) in [
            (row.test_loss, row.test_accuracy, (images.normalise(images.test), images.test_labels)),
            (row.validation_loss, row.validation_accuracy, held_out),
        ]:
            with torch.no_grad():
                logits = module(x)
            assert loss == pytest.approx(float(nn.functional.cross_entropy(logits.double(), y)), rel=1e-5)
            assert accuracy == int((logits.argmax(1) == y).sum()) / len(y)


def test_training_loss_is_the_mean_since_the_last_evaluation() -> None:
    module = toy.mlp()
    single = toy.finish(toy.trainer(module, toy.tickets(module, 1), every=1, iterations=8)).history[0]
    fours = toy.finish(toy.trainer(module, toy.tickets(module, 1), every=4, iterations=8)).history[0]
    assert [row.iteration for row in fours] == [0, 4, 8]
    for row, part in zip(fours[1:], (single[1:5], single[5:]), strict=True):
        assert row.train_loss == pytest.approx(np.mean([r.train_loss for r in part]), rel=1e-12)
        assert row.test_loss == part[-1].test_loss


# --- Losses that are no numbers


@pytest.mark.parametrize("bad", [0, 2])
def test_a_loss_that_is_not_finite_names_its_lane_and_iteration(bad: int) -> None:
    module = toy.mlp()
    full = toy.mask(module, 2.0)
    chosen = [ticket(full, toy.fresh(module, i + 1)) for i in range(3)]
    huge = Ticket(full, {n: w * np.float32(1e11) for n, w in chosen[bad].weights.items()}, 0)
    chosen[bad] = huge
    losses = islice(toy.plainly(toy.mlp(), huge, toy.PLAIN, toy.bundle(), seed=bad + 1), 4)
    expected = next(i for i, (loss, _) in enumerate(losses, start=1) if not loss.isfinite())
    assert expected in (2, 3)  # after the first evaluation, in the middle of an interval
    with pytest.raises(UserError, match=rf"^lane {'abc'[bad]}: the training loss is (nan|inf) at iteration {expected};") as error:
        toy.finish(toy.trainer(module, chosen, toy.PLAIN))
    assert "optimizer.lr" in str(error.value)


def test_a_huge_learning_rate_ends_in_one_sentence() -> None:
    module = toy.mlp()
    trainer = toy.trainer(module, toy.tickets(module, 1), Sgd(name="sgd", lr=1e30))
    with pytest.raises(UserError, match=r"^lane a: the training loss is nan at iteration [23];"):
        toy.finish(trainer)
    assert [row.iteration for row in trainer.history[0]] == [0]


def test_a_validation_loss_that_is_not_finite_is_named_too() -> None:
    module = toy.mlp()
    start = toy.tickets(module, 1)[0]
    start.weights["output.bias"][0] = np.inf
    with pytest.raises(UserError, match=r"^lane a: the validation loss nan at iteration 0"):
        toy.finish(toy.trainer(module, [start]))


# --- The same bits (pitfall 24)


@each_count
@each_network
@each_optimizer
def test_resumed_at_any_evaluation_a_lane_ends_in_the_same_bytes(optimizer, network, lanes: int, tmp_path: Path) -> None:
    def new() -> Trainer:
        module = network()
        return toy.trainer(module, toy.tickets(module, lanes), optimizer, iterations=16, keep=6)

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
    module = toy.mlp()
    full = Mask.full({n: layer.shape for n, layer in networks.layers(module).items()})
    trainer = toy.trainer(module, [ticket(full, toy.fresh(module))])
    assert trainer.stack.dense
    assert not toy.trainer(module, toy.tickets(module, 2)).stack.dense
    masked = toy.trainer(module, [ticket(full, toy.fresh(module))])
    masked.stack.dense = False
    assert toy.outcome(toy.finish(masked)) == toy.outcome(toy.finish(trainer))
