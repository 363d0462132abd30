"""Random changes of training images (appendix C): each becomes a window of itself in a frame of zeros, mirrored or not."""

import torch
from torch import Tensor, nn

from pipeline.domain import seeds
from pipeline.values.experiment import Augment


def draw(augment: Augment, seed: int, images: int, epoch: int) -> Tensor:
    """Draws the changes of an epoch's images. Shapes: -> (N, 3): a window's first row and column, and 1 where it is mirrored."""
    generator = torch.Generator().manual_seed(seeds.derive(seed, "augment", epoch))
    corners = torch.randint(2 * augment.crop + 1, (images, 2), generator=generator)
    mirrored = torch.randint(2, (images, 1), generator=generator) * int(augment.flip)
    return torch.cat([corners, mirrored], 1)


def change(augment: Augment, images: Tensor, changes: Tensor) -> Tensor:
    """Applies changes. Shapes: images (N, C, H, W), changes (N, 3) as `draw` gives them -> (N, C, H, W)."""
    height, width = images.shape[2:]
    framed = nn.functional.pad(images, (augment.crop,) * 4)
    top, left, mirrored = changes.unsqueeze(2).unbind(1)
    rows, columns = (torch.arange(size, device=images.device) for size in (height, width))
    rows, columns = top + rows, left + torch.where(mirrored.bool(), width - 1 - columns, columns)
    which = torch.arange(len(images), device=images.device)
    changed = framed[which[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return changed.permute(0, 3, 1, 2).contiguous()
