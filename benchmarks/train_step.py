"""One lane-iteration of LeNet-300-100 on MNIST, evaluation included: ours, a plain eager loop, and the usual DataLoader loop.

`python -m benchmarks.train_step`: every loop runs with as many lanes side by side as there are cores, one thread each, for
a few hundred iterations; the numbers to quote are the ratios of one run. Wall time per lane-iteration = wall / (iterations
* lanes), so with both cores of a two-core machine busy it is half of what one lane takes.
"""

import multiprocessing
import platform
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from pipeline import config, datasets, networks, paths, pruning
from pipeline.bundle import Bundle
from pipeline.criteria.magnitude import magnitude
from pipeline.executor import cores
from pipeline.masks import Mask
from pipeline.tickets import Ticket, ticket
from pipeline.training.images import Images
from pipeline.training.trainer import Trainer

EVERY = 100  # iterations between evaluations, as in the paper
Loop = Callable[[int], float]


def ours(rounds: int) -> Loop:
    """Our trainer at the density after so many rounds. Magnitude masks of fresh weights cost what trained ones do."""
    experiment, bundle, module = _lenet()
    chosen = _ticket(module, experiment, rounds)

    def run(intervals: int) -> float:
        torch.set_flush_denormal(True)
        settings: dict[str, Any] = {"optimizer": experiment.optimizer, "training": experiment.training}
        images = Images(bundle, torch.device("cpu"))
        trainer = Trainer(module, images, [chosen], [1], ["lane"], validation=experiment.data.validation, **settings)
        steps = trainer.run()
        next(steps)
        return _clock(lambda: next(steps), intervals)

    return run


def eager() -> Loop:
    """The same network and data as tensors in memory, torch.nn and torch.optim as everyone writes them."""
    experiment, bundle, _ = _lenet()

    def run(intervals: int) -> float:
        x = torch.from_numpy(bundle.train_images).float().div_(255)
        y = torch.from_numpy(bundle.train_labels).long()
        test = torch.from_numpy(bundle.test_images).float().div_(255), torch.from_numpy(bundle.test_labels).long()
        held_out = x[:5000], y[:5000]
        module, optimizer = _fresh(experiment)
        order = torch.randperm(len(x))

        def interval() -> None:
            for i in range(EVERY):
                index = order[i * 60 : (i + 1) * 60]
                optimizer.zero_grad()
                torch.autograd.backward(nn.functional.cross_entropy(module(x[index]), y[index]))
                optimizer.step()
            _evaluate(module, [held_out, test])

        return _clock(interval, intervals)

    return run


def usual() -> Loop:
    """The usual loop: torchvision's MNIST, its transforms on every image, a DataLoader, torch.optim."""
    experiment, bundle, _ = _lenet()

    def run(intervals: int) -> float:
        from torch.utils.data import DataLoader, Dataset
        from torchvision import transforms

        transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])

        class AsTorchvision(Dataset[Any]):
            """What torchvision.datasets.MNIST does for an image: a PIL image, then the transforms."""

            def __init__(self, images: torch.Tensor, labels: torch.Tensor) -> None:
                self.images, self.labels = images, labels

            def __len__(self) -> int:
                return len(self.images)

            def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
                from PIL import Image

                return transform(Image.fromarray(self.images[i].numpy(), mode=None)), int(self.labels[i])

        images, labels = torch.from_numpy(bundle.train_images)[:, 0], torch.from_numpy(bundle.train_labels)
        train = DataLoader(AsTorchvision(images[5000:], labels[5000:]), batch_size=60, shuffle=True)
        held_out = DataLoader(AsTorchvision(images[:5000], labels[:5000]), batch_size=1000)
        tests = torch.from_numpy(bundle.test_images)[:, 0], torch.from_numpy(bundle.test_labels)
        test = DataLoader(AsTorchvision(*tests), batch_size=1000)
        module, optimizer = _fresh(experiment)
        batches = iter(train)

        def interval() -> None:
            for _ in range(EVERY):
                x, y = next(batches)
                optimizer.zero_grad()
                torch.autograd.backward(nn.functional.cross_entropy(module(x), y))
                optimizer.step()
            _evaluate(module, [*held_out, *test])

        return _clock(interval, intervals)

    return run


def measure(loop: Loop, intervals: int, lanes: int) -> float:
    """Wall milliseconds per lane-iteration, with so many lanes side by side."""
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()

    def child() -> None:
        torch.set_num_threads(1)
        queue.put(loop(intervals))

    processes = [context.Process(target=child) for _ in range(lanes)]
    for process in processes:
        process.start()
    seconds = [queue.get() for _ in processes]
    for process in processes:
        process.join()
    return float(max(seconds)) / (intervals * EVERY * lanes) * 1000


def main() -> None:
    torch.set_num_threads(1)
    lanes = cores()
    print(f"{platform.machine()}, {lanes} cores, torch {torch.__version__}; ms of wall time per lane-iteration, {lanes} lanes")
    loops = {"usual DataLoader loop": (usual(), 2), "plain eager loop": (eager(), 8)}
    loops |= {
        f"ours, {density:.1%}": (ours(k), 10) for k, density in ((0, 1.0), (7, 0.2107), (9, 0.1352), (15, 0.0358), (18, 0.0189))
    }
    found = {name: measure(loop, intervals, lanes) for name, (loop, intervals) in loops.items()}
    reference = found["ours, 100.0%"]
    for name, milliseconds in found.items():
        print(f"{name:24s} {milliseconds:7.3f}   {milliseconds / reference:6.2f} x ours, dense")


def _lenet() -> tuple[config.Experiment, Bundle, nn.Module]:
    experiment = config.load().experiment("lenet")
    bundle = datasets.read_bundle(paths.data(experiment.data.name))
    return experiment, bundle, networks.build("lenet", (1, 28, 28), 10, experiment.model.options)


def _ticket(module: nn.Module, experiment: config.Experiment, rounds: int) -> Ticket:
    layers, weights = networks.layers(module), networks.glorot_normal(module, 1)
    mask = Mask.full({name: layer.shape for name, layer in layers.items()})
    groups = pruning.groups(layers, experiment.pruning.rates, experiment.pruning.scope)
    scores = magnitude({name: weights[name] for name in mask}, weights)
    return ticket(pruning.prune(scores, mask, groups, rounds), weights)


def _fresh(experiment: config.Experiment) -> tuple[nn.Module, torch.optim.Optimizer]:
    module = networks.build("lenet", (1, 28, 28), 10, experiment.model.options)
    return module, torch.optim.Adam(module.parameters(), lr=experiment.optimizer.lr)


@torch.no_grad()
def _evaluate(module: nn.Module, batches: list[Any]) -> None:
    for x, y in batches:
        logits = module(x)
        nn.functional.cross_entropy(logits, y)
        (logits.argmax(1) == y).float().mean()


def _clock(step: Callable[[], Any], times: int) -> float:
    step()
    started = time.perf_counter()
    for _ in range(times):
        step()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
