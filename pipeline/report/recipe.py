"""What an experiment runs, in words from params.yaml, and what it is a reduced budget of."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.results import family, paper
from pipeline.results.wording import count
from pipeline.settings.config import Config
from pipeline.values.clock import Step
from pipeline.values.experiment import Augment, Control, Experiment, Optimizer, Sgd, Training
from pipeline.values.lanes import ARMS


def what_ran(experiment: Experiment) -> str:
    """One sentence."""
    data, model, training, pruning = experiment.data, experiment.model, experiment.training, experiment.pruning
    options = ", ".join(f"{key} {value}" for key, value in model.options.items())
    scope = "layer-wise" if pruning.scope == "layer" else "global"
    rates = ", ".join(f"{kind} {rate:.0%}" for kind, rate in pruning.rates.items())
    return (
        f"`{model.name}`{f' ({options})' if options else ''} on `{data.name}`{_augmented(data.augment)}, {data.validation:,} "
        f"training images kept for validation, {training.iterations:,} iterations of batch {training.batch_size} with "
        f"{_schedule(experiment.optimizer)}{_numbers(training)}; {count(pruning.rounds, 'round')} of {scope} "
        f"{pruning.criterion} pruning ({rates} of the surviving weights a round), tickets rewound to "
        f"{_point(experiment.rewind)}; {count(len(experiment.seeds), 'replicate')}; {_arms(experiment)}."
    )


def reduced(config: Config, name: str) -> str | None:
    """Says what an experiment is a small version of: of those with more iterations the one that differs least in the rest."""
    this = config.experiment(name)
    larger = [n for n in family.alike(config, name) if config.experiment(n).training.iterations > this.training.iterations]
    if not larger:
        return None
    other = min(larger, key=lambda n: len(_differences(this, config.experiment(n))))
    full = config.experiment(other)
    is_papers = full.training.iterations == paper.ITERATIONS.get(other)
    differences = _differences(this, full)
    whose = ", the paper's" if is_papers else ""
    rest = f" Besides, with its settings in brackets: {'; '.join(differences)}." if differences else ""
    return (
        f"**A reduced budget:** {this.training.iterations:,} iterations, {count(this.pruning.rounds, 'round')}, "
        f"{count(len(this.seeds), 'replicate')} instead of {full.training.iterations:,}, {full.pruning.rounds} and "
        f"{len(full.seeds)} (experiment `{other}`{whose}).{rest}"
    )


def label(config: Config, name: str, beside: Sequence[str]) -> str:
    """An experiment in the legend of a figure that shows these; with its name where what it is does not tell it from another."""
    others = [described(config.experiment(other)) for other in beside]
    mine = described(config.experiment(name))
    return f"{mine} ({name})" if others.count(mine) > 1 else mine


def described(experiment: Experiment) -> str:
    """Its network, and of a deep one what the paper varies besides."""
    model, optimizer = experiment.model, experiment.optimizer
    network = {
        "conv": f"Conv-{model.options.get('depth', 2)}",
        "resnet": f"ResNet-{model.options.get('depth', 20)}",
        "vgg19": "VGG-19",
    }.get(model.name, model.name)
    parts = [network]
    if family.figure(experiment) == family.DROPOUT:
        parts.append(f"dropout {model.options['dropout']:g}")
    if family.figure(experiment) == family.DEEP:
        parts.append(f"lr {optimizer.lr:g}")
        parts += [f"warmup {optimizer.warmup}"] if Step.parse(optimizer.warmup).count else []
        parts += [f"rewound to {experiment.rewind}"] if Step.parse(experiment.rewind).count else []
    return ", ".join(parts)


def _augmented(augment: Augment) -> str:
    crop = [f"padded by {count(augment.crop, 'pixel')} and cropped"] if augment.crop else []
    flip = ["flipped"] if augment.flip else []
    return f" (training images {', '.join(crop + flip)} at random)" if crop + flip else ""


def _schedule(optimizer: Optimizer) -> str:
    extras = {"momentum": optimizer.momentum if isinstance(optimizer, Sgd) else 0, "weight decay": optimizer.weight_decay}
    regular = ", ".join(f"{name} {value:g}" for name, value in extras.items() if value)
    steps = [f"{optimizer.name} at {optimizer.lr:g}{f' ({regular})' if regular else ''}"]
    warmup, decay = Step.parse(optimizer.warmup), optimizer.decay
    if warmup.count:
        steps.append(f"after a linear warmup of {warmup.count:,} {'iterations' if warmup.unit == 'it' else 'epochs'}")
    if decay:
        steps.append(f"multiplied by {decay.by:g} at {' and '.join(map(_point, decay.at))}")
    return ", ".join(steps)


def _point(text: str) -> str:
    step = Step.parse(text)
    return f"{'iteration' if step.unit == 'it' else 'epoch'} {step.count:,}"


def _numbers(training: Training) -> str:
    """What is not the usual way to compute: 32-bit floats in torch's own order."""
    precision = f"in {training.precision}" if training.precision != "fp32" else ""
    order = "channels last in memory" if training.memory_format == "channels_last" else ""
    found = ", ".join(part for part in (precision, order) if part)
    return f", {found}" if found else ""


def _arms(experiment: Experiment) -> str:
    found = [
        f"{arm.label} in {count(len(rounds), 'round')}{_draws(getattr(experiment.arms, name))}"
        for name, arm in ARMS.items()
        if name != "ticket" and (rounds := experiment.rounds_of(name))
    ]
    return f"besides tickets: {', '.join(found)}" if found else "nothing besides tickets"


def _draws(arm: object) -> str:
    return f" ({count(arm.draws, 'draw')} a seed)" if isinstance(arm, Control) else ""


def _differences(this: Experiment, other: Experiment) -> list[str]:
    """The settings that differ, budget and arms apart, with the other's in brackets."""
    mine, theirs = _settings(this), _settings(other)
    keys = [*mine, *(key for key in theirs if key not in mine)]
    return [f"`{k}` {mine.get(k, 'none')} ({theirs.get(k, 'none')})" for k in keys if mine.get(k) != theirs.get(k)]


def _settings(experiment: Experiment) -> dict[str, str]:
    chosen = experiment.model_dump(include={"data", "optimizer", "training", "pruning", "rewind"})
    del chosen["training"]["iterations"], chosen["pruning"]["rounds"]
    return _flat(chosen)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            found[prefix + key] = (
                ", ".join(map(str, value)) if isinstance(value, tuple) else f"{value}".removesuffix(".0").lower()
            )
    return found
