"""The one check of an experiment, which `--show`, the writer of DVC's files, every stage and the tests use.

It only rejects settings, so no training depends on it.
"""

import importlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pipeline.domain import pruning
from pipeline.domain.bundle import Bundle, Form
from pipeline.files import datasets
from pipeline.run.bound import Bound
from pipeline.values import paths, plugins
from pipeline.values.clock import Moment
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from pipeline.values.plugins import Plugin

if TYPE_CHECKING:
    from pipeline.domain.networks import Network
    from pipeline.domain.task import Task


@dataclass(frozen=True)
class Fitted:
    """An experiment with its network and the form of its data. groups: weights ranked together. origin: the rewind point."""

    bound: Bound
    form: Form
    task: "Task"
    network: "Network"
    groups: list[pruning.Group]
    origin: int


def settings(name: str, experiment: Experiment) -> Bound:
    """Checks what can be checked without the network and the data. Raises: UserError, with the key that is wrong."""
    with _under(name):
        return Bound.of(name, experiment)


def fits(bound: Bound, bundle: Bundle, form: Form) -> Fitted:
    """Checks everything else that training would fail by. bundle: the data, or noise of its form. form: the form of the data.

    Raises: UserError, with the key that is wrong.
    """
    from pipeline.run import setup  # it imports torch, which stages that do not train do without

    with _under(bound.name):
        experiment = bound.experiment
        _check_moments(experiment, form)
        _check_augment(experiment, form)
        task, network = setup.build(bound, bundle, form)
        _ = bound.init
        groups = pruning.groups(network.layers, experiment.pruning.rates, experiment.pruning.scope)
        pruning.check(groups, experiment.pruning.rounds)
        return Fitted(bound, form, task, network, groups, setup.origin(experiment, form))


def without_data(bound: Bound) -> Fitted | None:
    """The same check with the FORM of the data's plug-in, or with the file when there is one; None without either."""
    form = form_of(bound)
    return None if form is None else fits(bound, form.noise(2, 2), form)


def form_of(bound: Bound) -> Form | None:
    """The form of the data; None when neither a FORM nor a file tells it."""
    module, _ = plugins.find("data", bound.data.name)
    declared = getattr(importlib.import_module(module), "FORM", None)
    if callable(declared):
        return cast(Form, declared(**bound.data.options))
    if isinstance(declared, Form) and not bound.data.options:  # options may make other data of it
        return declared
    file = paths.data(bound.experiment.data.slug)
    return Form.of(datasets.read_bundle(file)) if file.is_file() else None


def data_set(experiments: Iterable[Experiment], slug: str) -> Plugin:
    """The data set with this name in stages and files, bound to its options. Raises: UserError that lists the valid names."""
    known = data_sets(experiments)
    if slug not in known:
        raise UserError(f"there is no data set {slug!r}; should be one of {', '.join(sorted(known))}")
    return plugins.bind("data", *known[slug])


def data_sets(experiments: Iterable[Experiment]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Plug-in and options of every data set, by its name in stages and files: the plug-ins of this repository, and those that
    experiments use with options or bring themselves.
    """
    own = {experiment.data.slug: (experiment.data.name, experiment.data.options) for experiment in experiments}
    return {name: (name, {}) for name in plugins.names("data")} | own


@contextmanager
def _under(name: str) -> Iterator[None]:
    """Puts the experiment's key before the message of an error."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{paths.PARAMS}: experiments.{name}: {error}") from error


def _check_augment(experiment: Experiment, form: Form) -> None:
    augment = experiment.data.augment
    if (augment.crop or augment.flip) and len(form.shape) != 3:
        raise UserError(f"data.augment is for images, but an input of this data set has the shape {form.shape}")
    if augment.crop and augment.crop >= min(form.shape[1:]):
        raise UserError(f"data.augment.crop is {augment.crop}, should be less than the images' {min(form.shape[1:])} pixels")


def _check_moments(experiment: Experiment, form: Form) -> None:
    """Checks that all moments of training lie before its end, and that there are enough examples."""
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
    for key, moment in moments.items():
        iteration = Moment.parse(moment).iterations(left // batch)
        if iteration >= end:
            raise UserError(f"{key} is {moment}, iteration {iteration}, should be before the end of training, {end}")
