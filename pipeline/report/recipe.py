"""What an experiment runs, in words, and what it is a reduced budget of."""

from collections.abc import Mapping
from typing import Any

from pipeline.figures import style
from pipeline.report import content, registry
from pipeline.report.wording import count
from pipeline.settings.config import Config
from pipeline.values.clock import Moment
from pipeline.values.experiment import Augment, Experiment, Scope, Training
from pipeline.values.optimizer import Decay, OptimizerSettings, Sgd

SCOPES: dict[Scope, str] = {
    "layer": "layer by layer",
    "global": "over all layers together",
    "erdos_renyi": "with Erdős–Rényi layer densities",
    "erk": "with layer densities by ERK (the Erdős–Rényi kernel)",
    "balanced": "so that all layers keep equally many weights",
}
AGAIN = {"dense_long", "other_order"}  # arms that train the same networks again, longer or in another order


def what_ran(experiment: Experiment, labels: Mapping[str, str]) -> str:
    """A few sentences. labels: the user's, of arms."""
    data, model, training, pruning = experiment.data, experiment.model, experiment.training, experiment.pruning
    structure = "" if pruning.structure.name == "weight" else f" by the structure `{pruning.structure.name}`"
    rates = ", ".join(f"{kind} {rate:.0%}" for kind, rate in pruning.rates.items())
    return (
        f"The network `{model.name}`{_options(model.options)} is trained on `{data.name}`{_options(data.options)}"
        f"{_augmented(data.augment)} "
        f"for {training.iterations:,} iterations at batch size {training.batch_size}, with {_schedule(experiment.optimizer)}"
        f"{_numbers(training)}{_task(experiment)}; {_held_out(data.validation)}. In each of "
        f"{count(pruning.rounds, 'round')}, {pruning.criterion.name} pruning removes{structure}, "
        f"{SCOPES[pruning.scope]}, a part of the surviving weights "
        f"({rates}); tickets are rewound to {_point(experiment.rewind)}. There are {count(len(experiment.seeds), 'replicate')}. "
        f"{_arms(experiment, labels)}"
    )


def brief(config: Config, name: str) -> str:
    """A line for the beginning: network, data, and how much was trained."""
    this, other = config.experiment(name), _larger(config, name)
    size = f"{count(len(this.seeds), 'replicate')}, {count(this.pruning.rounds, 'round')}"
    text = (
        f"The network `{this.model.name}` on `{this.data.name}`{_options(this.data.options)}: {size} and "
        f"{this.training.iterations:,} iterations per training"
    )
    if other is None:
        return f"{text}."
    return f"{text}, a reduced budget (`{other}` has {config.experiment(other).training.iterations:,} iterations)."


def reduced(config: Config, name: str) -> str | None:
    """Says what an experiment is a small version of."""
    this, other = config.experiment(name), _larger(config, name)
    if other is None:
        return None
    full = config.experiment(other)
    differences = _differences(this, full)
    whose = ", which has the paper's budget" if _has_papers_budget(config, other) else ""
    also = f" It also differs in these settings, with those of `{other}` in brackets: {'; '.join(differences)}."
    rest = also if differences else ""
    return (
        f"**This is a reduced budget:** it has {this.training.iterations:,} iterations, {count(this.pruning.rounds, 'round')} "
        f"and {count(len(this.seeds), 'replicate')} instead of {full.training.iterations:,}, {full.pruning.rounds} and "
        f"{len(full.seeds)} (experiment `{other}`{whose}).{rest}"
    )


def _larger(config: Config, name: str) -> str | None:
    """What an experiment is a small version of: of those with more iterations one with the paper's budget, or else the one that
    differs least in the rest.
    """
    this = config.experiment(name)
    larger = []
    for other in registry.alike(config, name):
        full = config.experiment(other)
        if full.training.iterations > this.training.iterations and _is_same_in_small(this, full):
            larger.append(other)

    def rank(other: str) -> tuple[bool, int]:
        return not _has_papers_budget(config, other), len(_differences(this, config.experiment(other)))

    return min(larger, key=rank, default=None)


def _has_papers_budget(config: Config, name: str) -> bool:
    return config.experiment(name).training.iterations == content.ITERATIONS.get(name)


def arms(experiment: Experiment) -> list[str]:
    """All that an experiment trains, in its order, the dense network apart."""
    return [arm for arm in experiment.all_arms if experiment.rounds_of(arm)]


def _is_same_in_small(this: Experiment, full: Experiment) -> bool:
    """Whether two experiments on the same data and kind of network ask the same question: both prune by the same criterion in
    the same scope, and the larger one has every arm of the smaller one. To train the same networks again asks no other question.
    """
    mine, theirs = (e.pruning for e in (this, full))
    same = (mine.criterion, mine.scope, mine.structure) == (theirs.criterion, theirs.scope, theirs.structure)
    return same and {arm for arm in arms(this) if this.plugin_of(arm) not in AGAIN} <= set(arms(full))


def _held_out(validation: int) -> str:
    if not validation:
        return "the data set has a validation part of its own"
    return f"{validation:,} training examples are kept for validation"


def _options(options: Mapping[str, Any]) -> str:
    found = ", ".join(f"{key} {value}" for key, value in options.items())
    return f" ({found})" if found else ""


def _task(experiment: Experiment) -> str:
    """The task where it has options, which is not the usual way."""
    task = experiment.task
    return f", for the task `{task.name}`{_options(task.options)}" if task.options else ""


def _augmented(augment: Augment) -> str:
    crop = [f"padded by {count(augment.crop, 'pixel')} and cropped"] if augment.crop else []
    flip = ["flipped"] if augment.flip else []
    return f" (training images {', '.join(crop + flip)} at random)" if crop + flip else ""


def _schedule(optimizer: OptimizerSettings) -> str:
    extras = {"momentum": optimizer.momentum if isinstance(optimizer, Sgd) else 0, "weight decay": optimizer.weight_decay}
    regular = ", ".join(f"{name} {value:g}" for name, value in extras.items() if value)
    steps = [f"{optimizer.name} at learning rate {optimizer.lr:g}{f' ({regular})' if regular else ''}"]
    warmup, decay = Moment.parse(optimizer.warmup), optimizer.decay
    if warmup.count:
        steps.append(f"after a linear warmup of {warmup.count:,} {'iterations' if warmup.unit == 'it' else 'epochs'}")
    if isinstance(decay, Decay):
        steps.append(f"with the rate multiplied by {decay.by:g} at {' and '.join(map(_point, decay.at))}")
    elif decay:
        steps.append("with the rate falling to 0 along half a cosine")
    if optimizer.clip_grad_norm:
        steps.append(f"with gradients clipped to a norm of {optimizer.clip_grad_norm:g}")
    return ", ".join(steps)


def _point(text: str) -> str:
    step = Moment.parse(text)
    return f"{'iteration' if step.unit == 'it' else 'epoch'} {step.count:,}"


def _numbers(training: Training) -> str:
    """What is not the usual way to compute, which is with 32-bit floats in torch's own order."""
    precision = f"in {training.precision}" if training.precision != "fp32" else ""
    order = "channels last in memory" if training.memory_format == "channels_last" else ""
    found = ", ".join(part for part in (precision, order) if part)
    return f", {found}" if found else ""


def _arms(experiment: Experiment, labels: Mapping[str, str]) -> str:
    found = []
    for arm in arms(experiment):
        draws, rounds = experiment.all_arms[arm].draws, len(experiment.rounds_of(arm))
        drawn = f", {count(draws, 'draw')} per seed" if draws else ""
        if arm != "ticket":
            found.append(f"{style.label(arm, labels)} ({count(rounds, 'round')}{drawn})")
    beside = "Besides the tickets" if "ticket" in arms(experiment) else "Besides the dense network"
    return f"{beside}, these arms are trained: {'; '.join(found)}." if found else f"{beside}, no other arm is trained."


def _differences(this: Experiment, other: Experiment) -> list[str]:
    """The settings that differ, budget and arms apart, with the other's in brackets."""
    mine, theirs = _settings(this), _settings(other)
    keys = [*mine, *(key for key in theirs if key not in mine)]
    return [f"`{k}` {mine.get(k, 'none')} ({theirs.get(k, 'none')})" for k in keys if mine.get(k) != theirs.get(k)]


def _settings(experiment: Experiment) -> dict[str, str]:
    chosen = experiment.model_dump(include={"data", "task", "model", "optimizer", "training", "pruning", "rewind"})
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
