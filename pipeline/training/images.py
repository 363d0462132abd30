"""A data set in memory, and which of its images a lane sees when (appendix C: split, reshuffled every epoch)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.domain import seeds
from pipeline.domain.bundle import Bundle


class Images:
    """uint8 on the training device; batches are gathered by index and normalised on the way."""

    def __init__(self, bundle: Bundle, device: torch.device) -> None:
        self.train = torch.from_numpy(bundle.train_images).to(device)
        self.train_labels = torch.from_numpy(bundle.train_labels).to(device, torch.int64)
        self.test = torch.from_numpy(bundle.test_images).to(device)
        self.test_labels = torch.from_numpy(bundle.test_labels).to(device, torch.int64)
        scale = 1 / (255 * torch.from_numpy(bundle.std).double())
        self.scale = scale.float().view(-1, 1, 1).to(device)
        self.shift = (-torch.from_numpy(bundle.mean).double() / torch.from_numpy(bundle.std).double()).float()
        self.shift = self.shift.view(-1, 1, 1).to(device)
        self.shifted = bool(self.shift.any())

    def normalise(self, images: Tensor) -> Tensor:
        """(…, C, H, W) uint8 -> float32: (x / 255 - mean) / std."""
        scaled = images.to(torch.float32).mul_(self.scale)
        return scaled.add_(self.shift) if self.shifted else scaled

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Shapes: index (L, B) -> images (L, B, C, H, W), labels (L, B)."""
        flat = index.reshape(-1)
        images = self.normalise(self.train.index_select(0, flat)).view(*index.shape, *self.train.shape[1:])
        return images, self.train_labels.index_select(0, flat).view(index.shape)


def split(seed: int, images: int, validation: int) -> tuple[Tensor, Tensor]:
    """Indices of a replicate's training and validation images."""
    order = torch.randperm(images, generator=torch.Generator().manual_seed(seeds.derive(seed, "split")))
    return order[validation:], order[:validation]


class Order:
    """The batches of each lane: every epoch a new shuffle, drawn from (seed, epoch) alone.

    So a lane that starts at iteration k, or goes on after a kill, sees what it would have seen.
    The last `images % batch_size` images of an epoch's shuffle are left out, so that all batches have one size.
    """

    def __init__(self, seeds_: Sequence[int], train: Sequence[Tensor], batch_size: int, device: torch.device) -> None:
        self.seeds, self.train, self.batch_size, self.device = seeds_, train, batch_size, device
        self.per_epoch = len(train[0]) // batch_size
        self._epoch = -1
        self._shuffled = torch.empty(0)

    def batch(self, iteration: int) -> Tensor:
        """Shapes: -> (L, B) indices into the training images."""
        epoch, position = divmod(iteration, self.per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._shuffled = torch.stack([self._shuffle(s, t, epoch) for s, t in zip(self.seeds, self.train, strict=True)])
        return self._shuffled[:, position * self.batch_size : (position + 1) * self.batch_size]

    def _shuffle(self, seed: int, train: Tensor, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(seeds.derive(seed, "order", epoch))
        return train[torch.randperm(len(train), generator=generator)].to(self.device)
