"""What a figure over several experiments can be about: questions to the network and the task of an experiment."""

from pipeline.values.experiment import Experiment


def is_lenet(experiment: Experiment) -> bool:
    return experiment.model.name == "lenet" and experiment.task.name == "classification"


def is_convolutional(experiment: Experiment) -> bool:
    """The paper's Conv-2, 4 and 6, with dropout or without."""
    return experiment.model.name == "conv"


def has_dropout(experiment: Experiment) -> bool:
    return is_convolutional(experiment) and bool(experiment.model.options.get("dropout"))


def has_no_dropout(experiment: Experiment) -> bool:
    return is_convolutional(experiment) and not has_dropout(experiment)


def is_deep(experiment: Experiment) -> bool:
    return experiment.model.name in ("resnet", "vgg19")


def is_text(experiment: Experiment) -> bool:
    """Whether it trains a language model."""
    return experiment.task.name == "text"


def is_same_without_dropout(experiment: Experiment, other: Experiment) -> bool:
    """Whether the other one trains the network of one with dropout, on the same data, without it."""
    mine, its = (_but_for_dropout(e) for e in (experiment, other))
    return mine == its and has_dropout(experiment) and has_no_dropout(other)


def _but_for_dropout(experiment: Experiment) -> tuple[str, dict[str, object], str]:
    options = {key: value for key, value in experiment.model.options.items() if key != "dropout"}
    return experiment.model.name, options, experiment.data.slug
