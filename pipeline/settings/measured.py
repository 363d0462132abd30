"""Which experiments have the stages `examine` and `stability`, the tables that these write, and what pages need beside them."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.settings import networks, places
from pipeline.values import paths
from pipeline.values.experiment import Experiment
from pipeline.values.lanes import TICKET, Item

REMOVABLE = ("unit", "filter", "head")  # structures whose dead parts can be removed from a network


def is_examined(experiment: Experiment) -> bool:
    """Whether the masks and weights are examined, which the figures of LeNets show."""
    return networks.is_lenet(experiment)


def is_trained_twice(experiment: Experiment) -> bool:
    """Whether some of its networks are trained again in another order of the data, so that their stability can be seen."""
    return any(experiment.plugin_of(arm) == "other_order" and experiment.rounds_of(arm) for arm in experiment.arms)


def structure_of(experiment: Experiment, arm: str) -> str:
    """What is removed together from the masks that an arm prunes, by name."""
    own = experiment.all_arms[arm].options.get("structure", experiment.pruning.structure.name)
    return str(own.get("name")) if isinstance(own, Mapping) else str(own)


def masks_of(experiment: Experiment) -> dict[str, tuple[str, str]]:
    """For each ticket, one-shot ticket and reinitialised arm: the arm that prunes its masks, and what is removed from them."""
    pruned = {a: a for a in experiment.all_arms if experiment.plugin_of(a) in (TICKET, "one_shot") and experiment.rounds_of(a)}
    for arm in experiment.arms:
        of = str(experiment.all_arms[arm].options.get("masks", TICKET))
        if experiment.plugin_of(arm) == "reinit" and of in pruned and experiment.rounds_of(arm):
            pruned[arm] = of
    return {arm: (of, structure_of(experiment, of)) for arm, of in pruned.items()}


def has_structures(experiment: Experiment) -> bool:
    """Whether it is a LeNet some of whose tickets remove more than single weights."""
    return networks.is_lenet(experiment) and any(structure != "weight" for _, structure in masks_of(experiment).values())


def is_annealed(experiment: Experiment) -> bool:
    """Whether the learning rate falls to 0 at the end of training, so that networks are compared there."""
    return experiment.optimizer.decay == "cosine"


def examined(name: str, experiment: Experiment) -> list[Path]:
    """The tables of the stage `examine`; none for an experiment without it. Figures need both."""
    return [places.examined(name), places.profiles(name)] if is_examined(experiment) else []


def stability(name: str, experiment: Experiment) -> list[Path]:
    """The tables of the stage `stability`; none for an experiment without it."""
    return [places.stability(name), places.lines(name)] if is_trained_twice(experiment) else []


def tables(name: str, experiment: Experiment) -> list[Path]:
    """The tables quantity,arm,round,density,layer,seed,value that an experiment's chain makes."""
    return [*examined(name, experiment)[:1], *stability(name, experiment)[:1]]


def pictured(name: str, experiment: Experiment) -> list[Path]:
    """The folders of the masks that a page shows as images: of each replicate, where there are several."""
    if not is_examined(experiment) or len(experiment.seeds) < 2:
        return []
    return [paths.masks(name, Item(name, number, TICKET).name) for number in experiment.rounds_of(TICKET)]
