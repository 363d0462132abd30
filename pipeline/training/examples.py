"""A data set in memory, and the order in which a lane sees its examples (appendix C: split, reshuffled every epoch)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.domain import seeds
from pipeline.domain.bundle import Array, Bundle
from pipeline.training import augment as augmentation
from pipeline.values.experiment import Augment

Batch = tuple[Tensor, ...]  # the arguments of `Examples.batch`: the examples' indices and, when they are augmented, the changes


class Examples:
    """The examples on the training device, in the types in which they are stored. Batches are gathered by index, then
    augmented and normalised.
    """

    def __init__(self, bundle: Bundle, device: torch.device, augment: Augment | None = None) -> None:
        self.augment, self.device = augment or Augment(), device
        self.train, self.train_targets = torch.from_numpy(bundle.train_inputs).to(device), _targets(bundle.train_targets, device)
        self.test, self.test_targets = torch.from_numpy(bundle.test_inputs).to(device), _targets(bundle.test_targets, device)
        self.validation: tuple[Tensor, Tensor] | None = None
        if bundle.validation_inputs is not None and bundle.validation_targets is not None:
            held_out = torch.from_numpy(bundle.validation_inputs).to(device)
            self.validation = held_out, _targets(bundle.validation_targets, device)
        self.scale = None if bundle.scale is None else torch.from_numpy(bundle.scale).to(device)
        self.shift = None if bundle.shift is None else torch.from_numpy(bundle.shift).to(device)

    def normalise(self, inputs: Tensor) -> Tensor:
        """Inputs (…, *shape) as stored -> normalised float32; without a scale they stay as they are, whole numbers as int64."""
        if self.scale is None:
            return inputs.to(torch.float32 if inputs.is_floating_point() else torch.int64)
        scaled = inputs.to(torch.float32, copy=True).mul_(self.scale)
        return scaled if self.shift is None else scaled.add_(self.shift)

    def batch(self, index: Tensor, changes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Shapes: index (L, B), changes (L, B, 3) -> inputs (L, B, *shape), targets (L, B, ...)."""
        flat = index.reshape(-1)
        inputs = self.train.index_select(0, flat)
        if changes is not None:
            inputs = augmentation.change(self.augment, inputs, changes.reshape(-1, 3))
        inputs = self.normalise(inputs).view(*index.shape, *self.train.shape[1:])
        return inputs, self.train_targets.index_select(0, flat).view(*index.shape, *self.train_targets.shape[1:])

    def held_out(self, chosen: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The validation part: the training examples chosen for each lane, or the data set's own part for all lanes.

        Shapes: chosen L x (N,) -> inputs (L or 1, N, *shape) as stored, targets (L or 1, N, ...).
        """
        if self.validation is not None:
            return self.validation[0].unsqueeze(0), self.validation[1].unsqueeze(0)
        index = torch.stack(list(chosen)).to(self.device)
        return self.train[index], self.train_targets[index]


def _targets(array: Array, device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device, torch.float32 if array.dtype.kind == "f" else torch.int64)


def split(seed: int, examples: int, validation: int) -> tuple[Tensor, Tensor]:
    """The indices of a replicate's training examples and of its validation examples."""
    order = torch.randperm(examples, generator=torch.Generator().manual_seed(seeds.derive(seed, "split")))
    return order[validation:], order[:validation]


class Stream(NamedTuple):
    """The source of a lane's random numbers: its replicate's seed and, when its order of the data is drawn, the draw."""

    seed: int
    order: tuple[int | str, ...] = ()


class Order:
    """The batches of each lane. Every epoch has a new shuffle and new augmentation, drawn from (seed, epoch) alone.

    Therefore a lane that starts at iteration k, or resumes after a kill, sees the batches that it would have seen anyway.
    The last `examples % batch_size` examples of an epoch's shuffle are left out, so that all batches have the same size.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        train: Sequence[Tensor],
        batch_size: int,
        device: torch.device,
        augment: Augment | None = None,
    ) -> None:
        self.streams, self.train, self.batch_size, self.device = streams, train, batch_size, device
        self.augment = augment or Augment()
        self.per_epoch = len(train[0]) // batch_size
        self._epoch = -1
        self._of_epoch: Batch = ()

    def batch(self, iteration: int) -> Batch:
        """Shapes: -> (L, B) indices into the training examples and, with augmentation, (L, B, 3) changes."""
        epoch, position = divmod(iteration, self.per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            drawn = [self._draw(stream, train, epoch) for stream, train in zip(self.streams, self.train, strict=True)]
            self._of_epoch = tuple(torch.stack(lanes).to(self.device) for lanes in zip(*drawn, strict=True))
        return tuple(drawn[:, position * self.batch_size : (position + 1) * self.batch_size] for drawn in self._of_epoch)

    def _draw(self, stream: Stream, train: Tensor, epoch: int) -> Batch:
        generator = torch.Generator().manual_seed(seeds.derive(stream.seed, "order", *stream.order, epoch))
        shuffled = train[torch.randperm(len(train), generator=generator)]
        if self.augment == Augment():
            return (shuffled,)
        return shuffled, augmentation.draw(self.augment, stream.seed, len(train), epoch)
