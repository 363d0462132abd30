"""What an experiment's chain holds and costs, before it is run."""

import importlib
from collections.abc import Mapping

from tabulate import tabulate

from pipeline import chain
from pipeline.domain import networks, pruning
from pipeline.values import plugins
from pipeline.values.schema import Experiment


def show(name: str, experiment: Experiment) -> str:
    """A table of the experiment's items: DVC target, density, lanes and lane-iterations."""
    data = importlib.import_module(plugins.find("data", experiment.data.name)[0])
    layers = networks.layers(networks.build(experiment.model.name, data.SHAPE, data.CLASSES, experiment.model.options))
    groups = pruning.groups(layers, experiment.pruning.rates, experiment.pruning.scope)
    pruning.check(groups, experiment.pruning.rounds)
    items = experiment.items(name)
    lanes = {item: len(experiment.lanes(item)) for item in items}
    rows = [
        (chain.target(item), f"{pruning.density(layers, groups, item.round):.2%}", item.arm, lanes[item],
         lanes[item] * experiment.training.iterations)
        for item in items
    ]  # fmt: skip
    total = sum(lanes.values())
    cost = f"{len(items)} items, {total} lanes, {total * experiment.training.iterations:,} lane-iterations"
    table = tabulate(rows, ("target of dvc repro", "density", "arm", "lanes", "lane-iterations"), intfmt=",")
    return f"{name}: {_sizes(layers)}\n{table}\n{cost}\n"


def _sizes(layers: Mapping[str, pruning.Layer]) -> str:
    return f"{sum(layer.size for layer in layers.values()):,} weights in " + ", ".join(
        f"{name.removesuffix('.weight')} ({layer.kind}) {layer.size:,}" for name, layer in layers.items()
    )
