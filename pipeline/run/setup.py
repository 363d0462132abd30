"""What a training stage begins with, read and checked before any training."""

from dataclasses import dataclass

import torch
from torch import nn

from pipeline.domain import networks, pruning
from pipeline.domain.bundle import Bundle
from pipeline.files import datasets
from pipeline.values import config, paths, plugins
from pipeline.values.clock import Step
from pipeline.values.config import Experiment
from pipeline.values.errors import UserError


@dataclass(frozen=True)
class Setup:
    """module is the network without meaningful weights; origin the iteration that tickets are rewound to."""

    name: str
    experiment: Experiment
    bundle: Bundle
    module: nn.Module
    origin: int


def begin(name: str) -> Setup:
    """Raises: UserError when anything in params.yaml, the chain or the data would fail later."""
    from pipeline import chain  # only checks: no output depends on it

    torch.set_num_threads(1)  # before anything computes: threads would not survive the fork of the lanes' processes
    settings = config.load()
    experiment = settings.experiment(name)
    chain.check(name, experiment)
    bundle = datasets.read_bundle(paths.data(experiment.data.name))
    try:
        module = networks.build(experiment.model.name, bundle.train_images.shape[1:], bundle.classes, experiment.model.options)
        plugins.check("criteria", experiment.pruning.criterion, ("trained", "initial"), {})
        groups = pruning.groups(networks.layers(module), experiment.pruning.rates, experiment.pruning.scope)
        pruning.check(groups, experiment.pruning.rounds)
        return Setup(name, experiment, bundle, module, _origin(experiment, len(bundle.train_images)))
    except UserError as error:
        raise UserError(f"{paths.PARAMS}: experiments.{name}: {error}") from error


def _origin(experiment: Experiment, images: int) -> int:
    end, batch = experiment.training.iterations, experiment.training.batch_size
    left = images - experiment.data.validation
    if left < 1:
        raise UserError(f"data.validation is {experiment.data.validation}, should be less than the {images} training images")
    if batch > left:
        raise UserError(f"training.batch_size is {batch}, should be at most the {left} images to train on")
    origin = Step.parse(experiment.rewind).iterations(left // batch)
    if origin >= end:
        raise UserError(f"rewind is {experiment.rewind}, iteration {origin}, should be before the end of training, {end}")
    return origin
