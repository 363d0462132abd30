"""What an experiment's chain holds and costs, before it is run."""

import importlib
from collections.abc import Mapping

from tabulate import tabulate

from pipeline.domain import networks, pruning
from pipeline.estimate import Estimate
from pipeline.run import setup
from pipeline.settings import places
from pipeline.values import paths, plugins
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from pipeline.values.lanes import ARMS, Item


def show(name: str, experiment: Experiment) -> str:
    """A table of the experiment's items: DVC target, density, lanes, lane-iterations and time.

    Raises: UserError for what a training stage would refuse too, but for the data, which need not be there.
    """
    try:
        return _show(name, experiment)
    except UserError as error:
        raise UserError(f"{paths.PARAMS}: experiments.{name}: {error}") from error


def _show(name: str, experiment: Experiment) -> str:
    data = importlib.import_module(plugins.find("data", experiment.data.name)[0])
    module = networks.build(experiment.model.name, data.SHAPE, data.CLASSES, experiment.model.options)
    layers = networks.layers(module)
    groups = pruning.groups(layers, experiment.pruning.rates, experiment.pruning.scope)
    pruning.check(groups, experiment.pruning.rounds)
    setup._check_augment(experiment, data.SHAPE[1:])
    origin = setup._origin(experiment, data.IMAGES[0])
    estimate = Estimate(experiment, module, groups, data.SHAPE, data.CLASSES, data.IMAGES[1])
    items = experiment.items(name)
    lanes = {item: len(experiment.lanes(item)) for item in items}
    iterations = {item: experiment.training.iterations - (origin if _is_rewound(item) else 0) for item in items}
    seconds = {item: estimate.seconds(item.round, lanes[item], iterations[item]) for item in items}
    work = {item: lanes[item] * iterations[item] for item in items}
    rows = [
        (places.target(item), f"{pruning.density(layers, groups, item.round):.2%}", item.arm, lanes[item],
         work[item], _duration(seconds[item]))
        for item in items
    ]  # fmt: skip
    cost = (
        f"{len(items)} items, {sum(lanes.values())} lanes, {sum(work.values()):,} lane-iterations; training takes about "
        f"{_duration(sum(seconds.values()))} on this machine ({estimate.device.type}), by a few steps measured now"
    )
    table = tabulate(rows, ("target of dvc repro", "density", "arm", "lanes", "lane-iterations", "time"), intfmt=",")
    return f"{name}: {_sizes(layers)}\n{table}\n{cost}\n"


def _is_rewound(item: Item) -> bool:
    """Whether it begins at the rewind point of dense training rather than at iteration 0."""
    return item.round > 0 and ARMS[item.arm].start != "fresh"


def _duration(seconds: float) -> str:
    """Two digits are all that a few steps can tell."""
    for unit, size, limit in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 48)):
        if seconds < limit * size:
            return f"{_two_digits(seconds / size)} {unit}"
    return f"{_two_digits(seconds / 86400)} days"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"


def _sizes(layers: Mapping[str, pruning.Layer]) -> str:
    """Of each layer; of a deep network's, of each kind."""
    parts = [(f"{name.removesuffix('.weight')} ({layer.kind})", layer.size) for name, layer in layers.items()]
    if len(parts) > 6:
        kinds = dict.fromkeys(layer.kind for layer in layers.values())
        parts = [(kind, sum(layer.size for layer in layers.values() if layer.kind == kind)) for kind in kinds]
    return f"{sum(size for _, size in parts):,} weights in " + ", ".join(f"{name} {size:,}" for name, size in parts)
