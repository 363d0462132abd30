"""What the benchmarks train: a network of params.yaml on its data, at any density and width."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from pipeline.domain import networks, pruning
from pipeline.domain.bundle import Bundle
from pipeline.domain.pruning import Group, Layer
from pipeline.domain.tickets import Ticket
from pipeline.estimate import pruned
from pipeline.files import datasets
from pipeline.settings import config
from pipeline.training.images import Images
from pipeline.training.trainer import Trainer
from pipeline.values import paths
from pipeline.values.experiment import Experiment, Training


@dataclass(frozen=True)
class Workload:
    experiment: Experiment
    bundle: Bundle

    def module(self, times: float = 1.0) -> nn.Module:
        """The network, its hidden layers so many times as wide."""
        options = self.experiment.model.options
        options |= {"hidden": [max(1, round(width * times)) for width in options["hidden"]]}
        shape = self.bundle.train_images.shape[1:]
        return networks.build(self.experiment.model.name, shape, self.bundle.classes, options)

    def ticket(self, rounds: int = 0, module: nn.Module | None = None) -> Ticket:
        """After so many rounds."""
        module = module or self.module()
        return pruned(module, self._groups(networks.layers(module)), rounds)

    def density(self, rounds: int) -> float:
        layers = networks.layers(self.module())
        return pruning.density(layers, self._groups(layers), rounds)

    def trainer(
        self, module: nn.Module, tickets: list[Ticket], device: torch.device, training: Training | None = None
    ) -> Trainer:
        """Lanes side by side, with the seeds 1, 2, 3, …"""
        seeds = range(1, len(tickets) + 1)
        settings: dict[str, Any] = {"optimizer": self.experiment.optimizer, "training": training or self.experiment.training}
        names = [f"lane {seed}" for seed in seeds]
        validation = self.experiment.data.validation
        return Trainer(module, Images(self.bundle, device), tickets, seeds, names, validation=validation, **settings)

    def _groups(self, layers: dict[str, Layer]) -> list[Group]:
        return pruning.groups(layers, self.experiment.pruning.rates, self.experiment.pruning.scope)


def lenet() -> Workload:
    """LeNet-300-100 on MNIST. Raises: UserError that names the DVC command when the data is missing."""
    experiment = config.load().experiment("lenet")
    return Workload(experiment, datasets.read_bundle(paths.data(experiment.data.name)))
