"""What a training stage begins with, read and checked before any training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.domain import networks, pruning
from pipeline.domain.bundle import Bundle
from pipeline.files import datasets, store
from pipeline.settings import config
from pipeline.values import paths, plugins
from pipeline.values.clock import Step
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from pipeline.values.lanes import ARMS, Lane


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
        _check_augment(experiment, bundle.train_images.shape[2:])
        return Setup(name, experiment, bundle, module, _origin(experiment, len(bundle.train_images)))
    except UserError as error:
        raise UserError(f"{paths.PARAMS}: experiments.{name}: {error}") from error


def start_of(lane: Lane) -> dict[str, NDArray[Any]]:
    """The weights that a lane begins from, unless they are fresh: rewound, or as the network before was trained."""
    which = "trained" if ARMS[lane.item.arm].start == "trained" else "rewind"
    folder = paths.lanes(lane.item.experiment, lane.item.start.name) / f"seed{lane.seed}"
    return store.read_arrays(folder / f"{which}.safetensors")


def _check_augment(experiment: Experiment, size: Sequence[int]) -> None:
    crop = experiment.data.augment.crop
    if crop >= min(size):
        raise UserError(f"data.augment.crop is {crop}, should be less than the images' {min(size)} pixels")


def _origin(experiment: Experiment, images: int) -> int:
    end, batch = experiment.training.iterations, experiment.training.batch_size
    left = images - experiment.data.validation
    if left < 1:
        raise UserError(f"data.validation is {experiment.data.validation}, should be less than the {images} training images")
    if batch > left:
        raise UserError(f"training.batch_size is {batch}, should be at most the {left} images to train on")
    optimizer = experiment.optimizer
    points = {"rewind": experiment.rewind, "optimizer.warmup": optimizer.warmup}
    points |= {f"optimizer.decay.at[{i}]": point for i, point in enumerate(optimizer.decay.at if optimizer.decay else ())}
    iterations = {key: Step.parse(point).iterations(left // batch) for key, point in points.items()}
    for key, iteration in iterations.items():
        if iteration >= end:
            raise UserError(f"{key} is {points[key]}, iteration {iteration}, should be before the end of training, {end}")
    return iterations["rewind"]
