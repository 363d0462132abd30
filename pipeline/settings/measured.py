"""Which experiments have the stages `examine` and `stability`, and the tables that these write."""

from pathlib import Path

from pipeline.settings import networks, places
from pipeline.values.experiment import Experiment


def is_examined(experiment: Experiment) -> bool:
    """Whether the masks and weights are examined, which the figures of LeNets show."""
    return networks.is_lenet(experiment)


def is_trained_twice(experiment: Experiment) -> bool:
    """Whether some of its networks are trained again in another order of the data, so that their stability can be seen."""
    return any(experiment.plugin_of(arm) == "other_order" and experiment.rounds_of(arm) for arm in experiment.arms)


def tables(name: str, experiment: Experiment) -> list[Path]:
    """The tables quantity,arm,round,density,layer,seed,value that an experiment's chain makes."""
    made = {places.examined(name): is_examined(experiment), places.stability(name): is_trained_twice(experiment)}
    return [path for path, is_made in made.items() if is_made]
