"""How long an experiment takes on this machine, from a few steps of its own training on images of noise."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from pipeline.criteria.magnitude import magnitude
from pipeline.domain import networks, pruning
from pipeline.domain.bundle import Bundle
from pipeline.domain.masks import Mask
from pipeline.domain.tickets import Ticket, ticket
from pipeline.executor import cores
from pipeline.training.images import Images
from pipeline.training.mlp import Mlp
from pipeline.training.trainer import Trainer
from pipeline.values.experiment import Experiment

HELD_OUT = 200  # images of the trial, validation and test each
LEAST = 0.15  # seconds of one measurement, after a first call that does not count


@dataclass
class Estimate:
    """The time of each item's lanes on all cores, or as one batch on a GPU; measured once where density changes nothing."""

    experiment: Experiment
    module: nn.Module
    groups: list[pruning.Group]
    shape: tuple[int, int, int]
    classes: int
    test_images: int

    def __post_init__(self) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.by_density = Mlp.fits(self.module) and self.device.type == "cpu"
        self.known: dict[tuple[int, int], float] = {}

    def seconds(self, rounds: int, lanes: int, iterations: int) -> float:
        """Of training and evaluating so many lanes whose masks have been pruned for so many rounds."""
        together, turns = (lanes, 1.0) if self.device.type == "cuda" else (1, lanes / min(lanes, cores()))
        key = (rounds if self.by_density else 0, together)
        if key not in self.known:
            self.known[key] = self._measure(pruned(self.module, self.groups, key[0]), together)
        return turns * iterations * self.known[key]

    def _measure(self, start: Ticket, lanes: int) -> float:
        """Seconds of an iteration, with its share of an evaluation."""
        training, data = self.experiment.training, self.experiment.data
        images = Images(self._noise(), self.device, data.augment)
        trainer = Trainer(
            self.module, images, [start] * lanes, range(lanes), [""] * lanes,
            optimizer=self.experiment.optimizer, training=training, validation=HELD_OUT,
        )  # fmt: skip
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            batch = trainer.order.batch(0)
            with torch.no_grad():
                step = self._clock(lambda: trainer.step(batch, self.experiment.optimizer.lr))
                evaluated = self._clock(lambda: trainer.measure(*trainer.test)) / HELD_OUT
        finally:
            torch.set_num_threads(before)
        return step + (data.validation + self.test_images) * evaluated / training.evaluate_every

    def _clock(self, work: Callable[[], object]) -> float:
        """Seconds of one call."""
        work()
        calls, started = 0, time.perf_counter()
        while calls < 2 or time.perf_counter() - started < LEAST:
            work()
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            calls += 1
        return (time.perf_counter() - started) / calls

    def _noise(self) -> Bundle:
        draw = np.random.default_rng(0)
        train, test = self.experiment.training.batch_size + HELD_OUT + self.classes, HELD_OUT
        images = draw.integers(256, size=(train + test, *self.shape), dtype=np.uint8)
        labels = (np.arange(train + test) % self.classes).astype(np.uint8)
        return Bundle(
            images[:train], labels[:train], images[train:], labels[train:],
            mean=np.zeros(self.shape[0], np.float32), std=np.ones(self.shape[0], np.float32),
        )  # fmt: skip


def pruned(module: nn.Module, groups: Sequence[pruning.Group], rounds: int) -> Ticket:
    """A ticket after so many rounds, for timing: magnitude masks of fresh weights cost what trained ones do."""
    weights = networks.glorot_normal(module, seed=1)
    mask = Mask.full({name: layer.shape for name, layer in networks.layers(module).items()})
    scores = magnitude({name: weights[name] for name in mask}, weights)
    return ticket(pruning.prune(scores, mask, groups, rounds), weights)
