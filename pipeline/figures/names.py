"""What an experiment is called in the legend of a figure over several."""

from collections.abc import Sequence

from pipeline.settings.config import Config
from pipeline.values.clock import Moment
from pipeline.values.experiment import Experiment

NETWORKS = {
    "conv": "Conv-{depth}",
    "resnet": "ResNet-{depth}",
    "vgg19": "VGG-19",
    "gpt": "GPT",
    "lstm": "LSTM",
}  # as the paper calls them
DEPTHS = {"conv": 2, "resnet": 20}  # where params.yaml gives none


def described(experiment: Experiment, details: Sequence[str]) -> str:
    """Its network, and of these details (dropout, lr, warmup, rewind) those that it has."""
    model, optimizer = experiment.model, experiment.optimizer
    network = NETWORKS.get(model.name, model.name).format(depth=model.options.get("depth", DEPTHS.get(model.name)))
    dropout, warmup, rewind = model.options.get("dropout"), Moment.parse(optimizer.warmup), Moment.parse(experiment.rewind)
    words = {
        "dropout": f"dropout {dropout:g}" if dropout else "",
        "lr": f"lr {optimizer.lr:g}",
        "warmup": f"warmup {optimizer.warmup}" if warmup.count else "",
        "rewind": f"rewound to {experiment.rewind}" if rewind.count else "",
    }
    return ", ".join([network, *(words[detail] for detail in details if words[detail])])


def label(config: Config, name: str, beside: Sequence[str], details: Sequence[str]) -> str:
    """Beside these experiments; with its own name where what it is does not tell it from another."""
    others = [described(config.experiment(other), details) for other in beside]
    mine = described(config.experiment(name), details)
    return f"{mine} ({name})" if others.count(mine) > 1 else mine
