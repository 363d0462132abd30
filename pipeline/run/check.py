"""The one check of an experiment: used by `--show`, by the writer of DVC's files, by every stage and by the tests."""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline.domain import pruning
from pipeline.domain.bundle import Bundle, Form
from pipeline.domain.lottery import Lottery
from pipeline.files import datasets
from pipeline.values import paths, plugins
from pipeline.values.clock import Moment
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from pipeline.values.plugins import Plugin

if TYPE_CHECKING:
    from pipeline.domain.networks import Network
    from pipeline.domain.task import Task


@dataclass(frozen=True)
class Checked:
    """An experiment whose settings fit each other and the plug-ins they name."""

    lottery: Lottery
    criteria: Mapping[str, Plugin]  # of the arms that prune
    data: Plugin

    @property
    def name(self) -> str:
        return self.lottery.name

    @property
    def experiment(self) -> Experiment:
        return self.lottery.experiment

    @cached_property
    def model(self) -> Plugin:
        return plugins.bind("models", self.experiment.model.name, self.experiment.model.options)

    @cached_property
    def task_plugin(self) -> Plugin:
        return plugins.bind("tasks", self.experiment.task.name, self.experiment.task.options)

    @cached_property
    def init(self) -> Plugin:
        return plugins.bind("inits", self.experiment.init.name, self.experiment.init.options)


@dataclass(frozen=True)
class Fitted:
    """What the network and the data set make of a checked experiment.

    origin: the iteration that tickets are rewound to. groups: weights that are ranked together.
    """

    checked: Checked
    task: "Task"
    network: "Network"
    groups: list[pruning.Group]
    origin: int


def settings(name: str, experiment: Experiment) -> Checked:
    """Whatever can be told without the network and the data. Raises: UserError, with the key that is wrong."""
    with_key = f"{paths.PARAMS}: experiments.{name}"
    try:
        lottery = Lottery.of(name, experiment)
        criteria = {name: lottery.criterion(name) for name, arm in lottery.arms.items() if arm.prunes}
        data = plugins.bind("data", experiment.data.name, experiment.data.options)
        return Checked(lottery, criteria, data)
    except UserError as error:
        raise UserError(f"{with_key}: {error}") from error


def whole(checked: Checked, bundle: Bundle, form: Form) -> Fitted:
    """Everything else that training would fail by. bundle: the data, or noise of the same form; form: of the data.

    Raises: UserError, with the key that is wrong.
    """
    try:
        return _fit(checked, bundle, form)
    except UserError as error:
        raise UserError(f"{paths.PARAMS}: experiments.{checked.name}: {error}") from error


def without_data(checked: Checked) -> Fitted | None:
    """The same before the data is there, from its plug-in's FORM, or from the file when it is; None without either."""
    form = form_of(checked)
    return None if form is None else whole(checked, form.noise(2, 2), form)


def form_of(checked: Checked) -> Form | None:
    module, _ = plugins.find("data", checked.data.name)
    declared = getattr(importlib.import_module(module), "FORM", None)
    if isinstance(declared, Form) and not checked.data.options:  # options may make another set of it
        return declared
    file = paths.data(checked.experiment.data.slug)
    return Form.of(datasets.read_bundle(file)) if file.is_file() else None


def _fit(checked: Checked, bundle: Bundle, form: Form) -> Fitted:
    import torch  # the stages that do not train come without it

    from pipeline.domain import networks
    from pipeline.training.examples import Examples

    experiment = checked.experiment
    origin = _origin(experiment, form)
    task: Task = checked.task_plugin()
    try:
        task.check(bundle)
    except ValueError as error:
        raise UserError(f"{checked.task_plugin} cannot be trained on {checked.data}: {error}") from error
    small = form.noise(2, 2)
    inputs = Examples(small, torch.device("cpu")).normalise(torch.from_numpy(small.train_inputs[:2]))
    network = networks.build(checked.model, inputs, task.outputs(bundle))
    _ = checked.init
    groups = pruning.groups(network.layers, experiment.pruning.rates, experiment.pruning.scope)
    pruning.check(groups, experiment.pruning.rounds)
    _check_augment(experiment, form)
    return Fitted(checked, task, network, groups, origin)


def _check_augment(experiment: Experiment, form: Form) -> None:
    augment = experiment.data.augment
    if (augment.crop or augment.flip) and len(form.shape) != 3:
        raise UserError(f"data.augment is for images, but an input of this data set has the shape {form.shape}")
    if augment.crop >= min(form.shape[1:], default=1) and augment.crop:
        raise UserError(f"data.augment.crop is {augment.crop}, should be less than the images' {min(form.shape[1:])} pixels")


def _origin(experiment: Experiment, form: Form) -> int:
    """The iteration that tickets are rewound to, when all moments of training lie before its end."""
    end, batch, validation = experiment.training.iterations, experiment.training.batch_size, experiment.data.validation
    if form.own_validation and validation:
        raise UserError(f"data.validation is {validation}, should be 0: the data set has a validation part of its own")
    if not form.own_validation and not validation:
        raise UserError("data.validation is 0, should be at least 1: the data set has no validation part of its own")
    left = form.train - validation
    if left < 1:
        raise UserError(f"data.validation is {validation}, should be less than the {form.train} training examples")
    if batch > left:
        raise UserError(f"training.batch_size is {batch}, should be at most the {left} examples to train on")
    optimizer = experiment.optimizer
    moments = {"rewind": experiment.rewind, "optimizer.warmup": optimizer.warmup}
    moments |= {f"optimizer.decay.at[{i}]": moment for i, moment in enumerate(optimizer.decay.at if optimizer.decay else ())}
    iterations = {key: Moment.parse(moment).iterations(left // batch) for key, moment in moments.items()}
    for key, iteration in iterations.items():
        if iteration >= end:
            raise UserError(f"{key} is {moments[key]}, iteration {iteration}, should be before the end of training, {end}")
    return iterations["rewind"]


def data_set(experiments: Iterable[Experiment], slug: str) -> Plugin:
    """The data set of this name in stages and files, bound to its options. Raises: UserError that lists those there are."""
    for experiment in experiments:
        if experiment.data.slug == slug:
            return plugins.bind("data", experiment.data.name, experiment.data.options)
    if slug in plugins.names("data"):
        return plugins.bind("data", slug, {})
    known = sorted({*plugins.names("data"), *(experiment.data.slug for experiment in experiments)})
    raise UserError(f"there is no data set {slug!r}; should be one of {', '.join(known)}")
