"""Random streams: pinned, separate, and nobody's but their own."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import seeds
from pipeline.training.examples import Order, Stream, split
from pipeline.values.experiment import Augment
from tests import toy


def order(chosen: list[int], images: int = 50, batch: int = 8) -> Order:
    return Order([Stream(seed) for seed in chosen], [split(seed, images, 9)[0] for seed in chosen], batch, toy.CPU)


def test_seeds_are_pinned() -> None:
    """A change here changes every published number."""
    assert [
        seeds.derive(1, "init"), seeds.derive(2, "split"), seeds.derive(1, "order", 3),
        seeds.derive(1, "control", "reinit_r03", 2),
    ] == [5267816590608909949, 2048315505475934728, 5263713049995906136, 385604657551614613]  # fmt: skip
    assert seeds.derive(1, "dropout", 7) == 7614188756007883435
    assert seeds.derive(2, "criterion", "r03") == 5369889235068183597
    assert split(1, 10, 3)[1].tolist() == [2, 8, 4]
    assert order([1], 20, 4).batch(0)[0].tolist() == [[15, 4, 10, 5]]


def test_an_unknown_stream_is_named() -> None:
    with pytest.raises(ValueError, match="unknown random stream 'ordre'; the streams are init, split, order, augment"):
        seeds.derive(1, "ordre")


def test_streams_replicates_and_draws_differ() -> None:
    found = [
        seeds.derive(seed, stream, *more) for seed in (1, 2, 12) for stream in seeds.STREAMS for more in ((), (1,), (2,), (1, 2))
    ]
    assert len(set(found)) == len(found)
    assert all(0 <= seed < 2**63 for seed in found)


def test_fresh_weights_depend_on_their_seed_alone() -> None:
    first = toy.fresh(toy.mlp(), 1)
    split(1, 50, 9)
    torch.rand(3)
    again = toy.fresh(toy.mlp(), 1)
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)
    other = toy.fresh(toy.mlp(), 2)
    assert all((first[name] != other[name]).all() for name in first if name.endswith("weight"))
    network = toy.mlp()  # torch fills a new module, which uses the global stream …
    state = torch.get_rng_state()
    toy.fresh(network, 3)
    assert torch.equal(state, torch.get_rng_state())  # … but drawing fresh weights does not


def test_fresh_weights_are_glorot_normal_with_zero_biases() -> None:
    weights = toy.fresh(toy.network("lenet", (1, 28, 28), 10))
    for name, (out, fan_in) in {"fc1.weight": (300, 784), "fc2.weight": (100, 300), "output.weight": (10, 100)}.items():
        assert weights[name].std() == pytest.approx(np.sqrt(2 / (out + fan_in)), rel=0.05)
        assert abs(weights[name].mean()) < 0.01
    assert not any(w.any() for name, w in weights.items() if name.endswith("bias"))
    norm = toy.fresh(toy.own())
    assert norm["1.weight"].tolist() == [1.0, 1.0]
    assert norm["1.running_var"].tolist() == [1.0, 1.0]


@given(st.integers(0, 99), st.integers(2, 60), st.data())
def test_a_split_is_a_partition(seed: int, images: int, data: st.DataObject) -> None:
    validation = data.draw(st.integers(1, images - 1))
    train, held_out = split(seed, images, validation)
    assert len(held_out) == validation
    assert sorted([*train.tolist(), *held_out.tolist()]) == list(range(images))


@given(st.integers(0, 99), st.integers(1, 41), st.integers(0, 3))
def test_an_epoch_shows_each_image_at_most_once_and_never_a_held_out_one(seed: int, batch: int, epoch: int) -> None:
    chosen = order([seed], batch=batch)
    assert chosen.per_epoch == 41 // batch
    first = epoch * chosen.per_epoch
    shown = torch.cat([chosen.batch(first + i)[0][0] for i in range(chosen.per_epoch)]).tolist()
    assert len(shown) == len(set(shown)) == chosen.per_epoch * batch
    assert set(shown) <= set(split(seed, 50, 9)[0].tolist())


def test_each_epoch_and_each_replicate_has_its_own_order() -> None:
    chosen = order([1, 2], batch=41)
    epochs = [chosen.batch(i)[0] for i in range(4)]
    shuffles = {tuple(lane.tolist()) for epoch in epochs for lane in epoch}
    assert len(shuffles) == 8
    assert len({tuple(sorted(s)) for s in shuffles}) == 2  # the same images every epoch, others in each replicate


def test_a_batch_is_the_same_whatever_was_asked_before_and_beside_it() -> None:
    in_turn = order([1, 2])
    batches = [in_turn.batch(i)[0] for i in range(12)]
    for i in (11, 3, 7, 0):
        assert torch.equal(order([1, 2]).batch(i)[0], batches[i])
        assert torch.equal(order([2]).batch(i)[0][0], batches[i][1])
        assert torch.equal(in_turn.batch(i)[0], batches[i])


def test_an_order_that_is_drawn_is_another_one_of_the_same_images_with_the_same_changes() -> None:
    """One stream for each draw of an item; split and augmentation stay the replicate's."""
    train, _ = split(1, 50, 9)
    streams = [Stream(1), Stream(1, ("shuffled_r01", 1)), Stream(1, ("shuffled_r01", 2)), Stream(1, ("shuffled_r02", 1))]
    chosen = Order(streams, [train] * len(streams), 41, toy.CPU, Augment(crop=1, flip=True))
    for epoch in range(2):
        index, changes = chosen.batch(epoch)
        assert len({tuple(lane) for lane in index.tolist()}) == len(streams)
        assert {tuple(sorted(lane)) for lane in index.tolist()} == {tuple(sorted(train.tolist()))}
        assert all(torch.equal(changes[0], other) for other in changes[1:])
    assert torch.equal(chosen.batch(0)[0][0], order([1], batch=41).batch(0)[0][0])
