"""Crops and mirrored images: each against NumPy, from a stream of their own, for training images only."""

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.domain import seeds
from pipeline.domain.tickets import ticket
from pipeline.training.examples import Examples, Order, Stream, split
from pipeline.values.experiment import Augment
from tests import toy

BOTH = Augment(crop=2, flip=True)
DATA = toy.bundle(shape=(2, 5, 7))
IMAGES = len(DATA.train_inputs)
MEAN, STD = 0.3, 0.2  # of every channel of the toy data


def order(chosen: list[int], augment: Augment | None = BOTH, batch: int = 20) -> Order:
    return Order([Stream(seed) for seed in chosen], [split(seed, IMAGES, 30)[0] for seed in chosen], batch, toy.CPU, augment)


def epoch(augment: Augment, number: int = 0) -> tuple[Tensor, Tensor]:
    """The indices and changes of all hundred training images of replicate 1."""
    index, changes = order([1], augment, batch=100).batch(number)
    return index[0], changes[0]


@pytest.mark.parametrize("augment", [BOTH, Augment(crop=3), Augment(flip=True)], ids=["both", "crop", "flip"])
def test_each_image_is_its_window_in_a_black_frame_mirrored_or_not(augment: Augment) -> None:
    index, changes = order([1, 2], augment).batch(3)
    images, labels = Examples(DATA, toy.CPU, augment).batch(index, changes)
    assert images.shape == (2, 20, 2, 5, 7)
    assert images.is_contiguous()
    for lane in range(2):
        for i in range(20):
            original, (top, left, mirrored) = int(index[lane, i]), changes[lane, i].tolist()
            frame = np.zeros((2, 5 + 2 * augment.crop, 7 + 2 * augment.crop))
            frame[:, augment.crop : augment.crop + 5, augment.crop : augment.crop + 7] = DATA.train_inputs[original]
            window = frame[:, top : top + 5, left : left + 7]
            expected = ((window[:, :, ::-1] if mirrored else window) / 255 - MEAN) / STD
            np.testing.assert_allclose(images[lane, i], expected, rtol=1e-5, atol=1e-6)
            assert labels[lane, i] == DATA.train_targets[original]


def test_every_window_occurs_and_every_other_image_is_mirrored() -> None:
    changes = torch.cat([epoch(BOTH, k)[1] for k in range(20)])  # 2000 images
    for corner in changes[:, 0], changes[:, 1]:
        counts = corner.bincount(minlength=5)
        assert len(counts) == 5
        assert (counts - 400).abs().max() < 4 * (2000 * 0.2 * 0.8) ** 0.5
    assert set(changes[:, 2].tolist()) == {0, 1}
    assert abs(int(changes[:, 2].sum()) - 1000) < 4 * 500**0.5
    together = torch.stack([changes[:, 0] == 0, changes[:, 1] == 0, changes[:, 2] == 0]).float().corrcoef()
    assert (together - torch.eye(3)).abs().max() < 0.1  # row, column and mirror have nothing to do with each other


def test_what_is_not_asked_for_does_not_happen() -> None:
    assert not epoch(Augment(flip=True))[1][:, :2].any()
    assert not epoch(Augment(crop=2))[1][:, 2].any()
    index, *changes = order([1], Augment()).batch(2)
    assert changes == []
    plain, _ = Examples(DATA, toy.CPU).batch(index)
    examples = Examples(DATA, toy.CPU, Augment())
    assert torch.equal(examples.batch(index)[0], plain)
    assert torch.equal(plain[0], examples.normalise(torch.from_numpy(DATA.train_inputs)[index[0]]))


def test_changes_are_pinned() -> None:
    """A change here changes every number of an augmented experiment."""
    assert seeds.derive(1, "augment", 3) == 2305450412461058614
    assert epoch(BOTH)[1][:3].tolist() == [[4, 2, 0], [1, 2, 0], [1, 3, 0]]


@pytest.mark.parametrize("other", ["order", "augment"])
def test_order_and_changes_are_streams_of_their_own(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    index, changes = epoch(BOTH)
    assert torch.equal(index, order([1], None, batch=100).batch(0)[0][0])  # augmented or not, the order is the same
    derive = seeds.derive
    monkeypatch.setattr(seeds, "derive", lambda seed, stream, *more: derive(seed, stream, *more) + (stream == other))
    again = epoch(BOTH)
    assert torch.equal(index, again[0]) == (other != "order")
    assert torch.equal(changes, again[1]) == (other != "augment")


def test_changes_are_the_same_whatever_was_asked_before_and_beside_it() -> None:
    in_turn = order([1, 2])
    batches = [in_turn.batch(i) for i in range(11)]
    shown = {tuple(changes[lane].flatten().tolist()) for _, changes in batches for lane in range(2)}
    assert len(shown) == 2 * 11  # every batch of every epoch and replicate has its own
    examples = Examples(DATA, toy.CPU, BOTH)
    for i in (10, 3, 7, 0):
        alone = order([2]).batch(i)
        assert torch.equal(alone[1][0], batches[i][1][1])
        assert torch.equal(examples.batch(*alone)[0][0], examples.batch(*batches[i])[0][1])
        assert torch.equal(in_turn.batch(i)[1], batches[i][1])


def test_held_out_images_stay_as_they_are() -> None:
    network = toy.mlp()
    plain, augmented = (toy.trainer(network, toy.tickets(network, 2), augment=augment) for augment in (None, BOTH))
    for _ in augmented.run():
        for part in ("validation", "test"):
            (tiles, labels), (expected, same) = getattr(augmented, part), getattr(plain, part)
            assert torch.equal(labels, same)
            assert all(torch.equal(tile, other) for tile, other in zip(tiles, expected, strict=True))


@pytest.mark.parametrize("make", [toy.mlp, toy.own])
def test_training_sees_the_changed_images(make) -> None:
    start = toy.tickets(make(), 1)[0]
    trainer = toy.finish(toy.trainer(make(), [start], toy.SGD, augment=BOTH, every=1))
    usual = toy.plainly(make(), start, toy.SGD, toy.bundle(), 1, augment=BOTH)
    without = toy.plainly(make(), start, toy.SGD, toy.bundle(), 1)
    for row in trainer.history[0][1:]:
        assert row.train_loss == pytest.approx(float(next(usual)[0]), rel=1e-4)
        assert row.train_loss != pytest.approx(float(next(without)[0]), rel=1e-3)


@pytest.mark.parametrize("k", [4, 7])
def test_after_a_rewind_the_changes_go_on_from_there(k: int) -> None:
    network = toy.mlp()
    full = toy.full(network)
    dense = toy.finish(toy.trainer(network, [ticket(full, toy.fresh(network))], toy.PLAIN, augment=BOTH, keep=k))
    rewound = toy.finish(toy.trainer(network, [ticket(full, dense.kept[0], origin=k)], toy.PLAIN, augment=BOTH))
    assert torch.equal(rewound.stack.flat, dense.stack.flat)
