"""A data set in memory, and which of its images a lane sees when, and how (appendix C: split, reshuffled every epoch)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.domain import seeds
from pipeline.domain.bundle import Bundle
from pipeline.values.experiment import Augment

Batch = tuple[Tensor, ...]  # the images' indices and, when they are augmented, the changes: what `Images.batch` takes


class Images:
    """uint8 on the training device; batches are gathered by index, augmented and normalised on the way."""

    def __init__(self, bundle: Bundle, device: torch.device, augment: Augment | None = None) -> None:
        self.augment = augment or Augment()
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

    def batch(self, index: Tensor, changes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Shapes: index (L, B), changes (L, B, 3) -> images (L, B, C, H, W), labels (L, B)."""
        flat = index.reshape(-1)
        images = self.train.index_select(0, flat)
        if changes is not None:
            images = self._changed(images, changes.reshape(-1, 3))
        images = self.normalise(images).view(*index.shape, *self.train.shape[1:])
        return images, self.train_labels.index_select(0, flat).view(index.shape)

    def _changed(self, images: Tensor, changes: Tensor) -> Tensor:
        """Each image's window of itself in a black frame, mirrored or not. Shapes: images (N, C, H, W); changes (N, 3): the
        window's first row and column, and 1 where it is mirrored.
        """
        height, width = images.shape[2:]
        framed = nn.functional.pad(images, (self.augment.crop,) * 4)
        top, left, mirrored = changes.unsqueeze(2).unbind(1)
        rows, columns = (torch.arange(size, device=images.device) for size in (height, width))
        rows, columns = top + rows, left + torch.where(mirrored.bool(), width - 1 - columns, columns)
        which = torch.arange(len(images), device=images.device)
        changed = framed[which[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        return changed.permute(0, 3, 1, 2).contiguous()


def split(seed: int, images: int, validation: int) -> tuple[Tensor, Tensor]:
    """Indices of a replicate's training and validation images."""
    order = torch.randperm(images, generator=torch.Generator().manual_seed(seeds.derive(seed, "split")))
    return order[validation:], order[:validation]


class Order:
    """The batches of each lane: every epoch a new shuffle and new augmentation, drawn from (seed, epoch) alone.

    So a lane that starts at iteration k, or goes on after a kill, sees what it would have seen.
    The last `images % batch_size` images of an epoch's shuffle are left out, so that all batches have one size.
    """

    def __init__(
        self,
        seeds_: Sequence[int],
        train: Sequence[Tensor],
        batch_size: int,
        device: torch.device,
        augment: Augment | None = None,
    ) -> None:
        self.seeds, self.train, self.batch_size, self.device = seeds_, train, batch_size, device
        self.augment = augment or Augment()
        self.per_epoch = len(train[0]) // batch_size
        self._epoch = -1
        self._of_epoch: Batch = ()

    def batch(self, iteration: int) -> Batch:
        """Shapes: -> (L, B) indices into the training images and, with augmentation, (L, B, 3) changes."""
        epoch, position = divmod(iteration, self.per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            drawn = [self._draw(seed, train, epoch) for seed, train in zip(self.seeds, self.train, strict=True)]
            self._of_epoch = tuple(torch.stack(lanes).to(self.device) for lanes in zip(*drawn, strict=True))
        return tuple(drawn[:, position * self.batch_size : (position + 1) * self.batch_size] for drawn in self._of_epoch)

    def _draw(self, seed: int, train: Tensor, epoch: int) -> Batch:
        shuffled = self._shuffle(seed, train, epoch)
        return (shuffled, self._changes(seed, len(train), epoch)) if self.augment != Augment() else (shuffled,)

    def _shuffle(self, seed: int, train: Tensor, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(seeds.derive(seed, "order", epoch))
        return train[torch.randperm(len(train), generator=generator)]

    def _changes(self, seed: int, images: int, epoch: int) -> Tensor:
        """Shapes: -> (N, 3), as `Images` takes them."""
        generator = torch.Generator().manual_seed(seeds.derive(seed, "augment", epoch))
        corners = torch.randint(2 * self.augment.crop + 1, (images, 2), generator=generator)
        mirrored = torch.randint(2, (images, 1), generator=generator) * int(self.augment.flip)
        return torch.cat([corners, mirrored], 1)
