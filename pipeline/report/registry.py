"""Which figures of the report an experiment belongs to, and which experiments of params.yaml are alike."""

from collections.abc import Sequence
from typing import Any

from pipeline.settings.config import Config
from pipeline.values.experiment import Experiment

LENET, CONV, DROPOUT, DEEP = 1, 4, 5, 6  # numbers of the report's figures; 1 to 3 stand in the section of a LeNet itself
COMPARISONS = (CONV, DROPOUT, DEEP)  # those that show several experiments


def figure(experiment: Experiment) -> int | None:
    """The first figure that is about the experiment's network; None for a network the paper does not have."""
    model = experiment.model
    if model.name == "conv":
        return DROPOUT if model.options.get("dropout") else CONV
    return LENET if model.name == "lenet" else DEEP if model.name in ("resnet", "vgg19") else None


def members(config: Config, names: Sequence[str], number: int) -> list[str]:
    """Those experiments of a report that a figure shows. One of dropout has the same networks without it too."""
    chosen = [name for name in names if figure(config.experiment(name)) == number]
    twins = {twin for name in chosen if (twin := without_dropout(config, names, name))}
    return [name for name in names if name in chosen or name in twins]


def without_dropout(config: Config, names: Sequence[str], name: str) -> str | None:
    """The first of these experiments that trains the network of an experiment with dropout, on the same data, without it."""
    if figure(config.experiment(name)) != DROPOUT:
        return None
    found = [other for other in names if _network(config, other) == _network(config, name)]
    return next((other for other in found if figure(config.experiment(other)) == CONV), None)


def alike(config: Config, name: str) -> list[str]:
    """The other experiments with the same network on the same data: one with more iterations makes this a reduced budget."""
    this = config.experiment(name)
    same = {other: e for other, e in config.experiments.items() if (e.model, e.data.name) == (this.model, this.data.name)}
    return [other for other in same if other != name]


def _network(config: Config, name: str) -> tuple[str, dict[str, Any], str]:
    """Model, its options and data, dropout apart."""
    model, data = config.experiment(name).model, config.experiment(name).data
    return model.name, {key: value for key, value in model.options.items() if key != "dropout"}, data.name
