"""Three ways to train one lane for `evaluate_every` iterations and evaluate it: ours, a plain eager loop, and the usual one.

Network, batch size, optimizer, images and the number of evaluated images are the same in all three.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.processes import Interval, Loop
from benchmarks.workload import Workload

CPU = torch.device("cpu")


def ours(work: Workload, rounds: int = 0, times: float = 1.0) -> Loop:
    """Our trainer at the density after so many rounds, or with so many times the width."""
    work = work if times == 1.0 else work.wider(times)
    chosen = work.ticket(rounds)

    def start() -> Interval:
        torch.set_flush_denormal(True)
        steps = work.trainer([chosen], CPU).run()
        next(steps)
        return lambda: next(steps)

    return start


def eager(work: Workload) -> Loop:
    """The data as tensors in memory, torch.nn and torch.optim as everyone writes them."""
    bundle, held = work.bundle, work.experiment.data.validation

    def start() -> Interval:
        x = torch.from_numpy(bundle.train_inputs).float().div_(255)
        y = torch.from_numpy(bundle.train_targets).long()
        test = torch.from_numpy(bundle.test_inputs).float().div_(255), torch.from_numpy(bundle.test_targets).long()
        batches = _batches(x[held:], y[held:], work.experiment.training.batch_size)
        return _interval(work, batches, [(x[:held], y[:held]), test])

    return start


def usual(work: Workload) -> Loop:
    """What torchvision.datasets.MNIST does for an image (a PIL image, then the transforms), and a DataLoader."""
    bundle, held = work.bundle, work.experiment.data.validation

    def start() -> Interval:
        from PIL import Image
        from torch.utils.data import DataLoader, Dataset
        from torchvision import transforms

        transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])

        class AsTorchvision(Dataset[Any]):
            def __init__(self, images: Tensor, labels: Tensor) -> None:
                self.images, self.labels = images[:, 0], labels

            def __len__(self) -> int:
                return len(self.images)

            def __getitem__(self, i: int) -> tuple[Tensor, int]:
                return transform(Image.fromarray(self.images[i].numpy())), int(self.labels[i])

        images, labels = torch.from_numpy(bundle.train_inputs), torch.from_numpy(bundle.train_targets)
        size = work.experiment.training.batch_size
        train = DataLoader(AsTorchvision(images[held:], labels[held:]), size, shuffle=True, drop_last=True)
        validation = DataLoader(AsTorchvision(images[:held], labels[:held]), batch_size=1000)
        tests = torch.from_numpy(bundle.test_inputs), torch.from_numpy(bundle.test_targets)
        test = DataLoader(AsTorchvision(*tests), batch_size=1000)
        return _interval(work, _forever(train), _Chained(validation, test))

    return start


class _Chained:
    """Loaders one after another, each time anew."""

    def __init__(self, *loaders: Any) -> None:
        self.loaders = loaders

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for loader in self.loaders:
            yield from loader


def _forever(loader: Any) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from loader


def _batches(x: Tensor, y: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        for index in torch.split(torch.randperm(len(x)), size):
            if len(index) == size:
                yield x[index], y[index]


def _interval(work: Workload, batches: Iterator[tuple[Tensor, Tensor]], evaluated: Sequence[Any] | _Chained) -> Interval:
    module = work.module()
    optimizer = torch.optim.Adam(module.parameters(), lr=work.experiment.optimizer.lr)

    def interval() -> None:
        for _ in range(work.experiment.training.evaluate_every):
            x, y = next(batches)
            optimizer.zero_grad()
            torch.autograd.backward(nn.functional.cross_entropy(module(x), y))
            optimizer.step()
        with torch.no_grad():
            for x, y in evaluated:
                logits = module(x)
                nn.functional.cross_entropy(logits, y)
                (logits.argmax(1) == y).float().mean()

    return interval
