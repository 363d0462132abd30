"""What the benchmarks train: a network of params.yaml on its data, at any density and width."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import nn

from pipeline.domain.bundle import Bundle, Form
from pipeline.domain.networks import Network
from pipeline.domain.tickets import Ticket
from pipeline.files import datasets
from pipeline.preview.estimate import pruned
from pipeline.run.setup import Setup, build
from pipeline.settings import check, config
from pipeline.training.examples import Examples, Stream
from pipeline.training.trainer import Recipe, Trainer
from pipeline.values import paths
from pipeline.values.experiment import Experiment, Training
from pipeline.values.lanes import TICKET


@dataclass(frozen=True)
class Workload:
    """An experiment and the data it is trained on, which may be smaller than its own.

    Both can be sent to another process, which a network cannot: so each method builds the network anew.
    """

    experiment: Experiment
    bundle: Bundle

    def wider(self, times: float) -> Self:
        """The same work with hidden layers so many times as wide."""
        model = self.experiment.model
        hidden = [max(1, round(width * times)) for width in model.options["hidden"]]
        changed = self.experiment.model_copy(update={"model": model.model_copy(update={"hidden": hidden})})
        return type(self)(changed, self.bundle)

    def setup(self) -> Setup:
        """What a training stage begins with."""
        return build(check.settings("benchmark", self.experiment), self.bundle, Form.of(self.bundle))

    def network(self) -> Network:
        return self.setup().network

    def module(self) -> nn.Module:
        """A new module of the network, with the weights that torch gives it."""
        return self.network().module

    def ticket(self, rounds: int = 0) -> Ticket:
        """The ticket after so many rounds."""
        setup = self.setup()
        return pruned(setup.network, setup.plans[TICKET], rounds)

    def density(self, rounds: int) -> float:
        return self.setup().plans[TICKET].density(rounds)

    def recipe(self, training: Training | None = None) -> Recipe:
        return Recipe(self.experiment.optimizer, training or self.experiment.training, self.experiment.data.validation)

    def trainer(self, tickets: list[Ticket], device: torch.device) -> Trainer:
        """The lanes are side by side and have the seeds 1, 2, 3, …"""
        setup, seeds = self.setup(), range(1, len(tickets) + 1)
        streams, names = [Stream(seed) for seed in seeds], [f"lane {seed}" for seed in seeds]
        examples = Examples(self.bundle, device, self.experiment.data.augment)
        return Trainer(setup.network, setup.task, examples, tickets, streams, names, self.recipe())


def lenet() -> Workload:
    """LeNet-300-100 on MNIST. Raises: UserError that names the DVC command when the data is missing."""
    experiment = config.load().experiment("lenet")
    return Workload(experiment, datasets.read_bundle(paths.data(experiment.data.slug)))
