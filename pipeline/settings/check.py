"""The one check of an experiment, which `--show`, the writer of DVC's files, every stage and the tests use.

It only rejects settings and never changes them, so no training depends on it.
"""

import importlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from numbers import Integral
from typing import TYPE_CHECKING, Any

from pipeline.domain.bundle import Bundle, Form
from pipeline.domain.task import Metric
from pipeline.files import datasets
from pipeline.run.bound import Bound
from pipeline.settings import bounds, sizes
from pipeline.settings.wording import readable, short
from pipeline.values import paths, plugins
from pipeline.values.clock import Moment
from pipeline.values.errors import UserError, blaming, type_of
from pipeline.values.experiment import Experiment
from pipeline.values.optimizer import Decay
from pipeline.values.plugins import Plugin

if TYPE_CHECKING:
    from pipeline.run.setup import Setup


def settings(name: str, experiment: Experiment) -> Bound:
    """Checks what can be checked without the network and the data. Raises: UserError that names the wrong key."""
    with under(name, experiment), bounds.bounded():
        sizes.check(name, experiment)
        _check_arms(experiment)
        return Bound.of(name, experiment)


def fits(setup: "Setup") -> None:
    """Checks the settings against network and data. Raises: UserError that names the wrong key."""
    experiment = setup.bound.experiment
    _check_metric(setup.bound, setup.task.metric)
    _check_precision(experiment)
    _check_moments(experiment, setup.form)
    _check_augment(experiment, setup.form)
    for arm, plan in setup.plans.items():
        try:
            plan.check(max(experiment.rounds_of(arm)))
        except UserError as error:
            raise UserError(f"arms.{arm}: {error}" if arm in experiment.arms else str(error)) from error


def rehearsed(setup: "Setup") -> None:
    """Checks the code of the plug-ins by running everything once on a few examples. Raises: UserError that names the plug-in."""
    with under(setup.bound.name, setup.bound.experiment), bounds.bounded():
        _rehearse(setup)


def without_data(bound: Bound) -> "Setup | None":
    """Both checks on the data or, without them, on noise with the FORM of the data plug-in; None without either."""
    from pipeline.run.setup import build

    with under(bound.name, bound.experiment), bounds.bounded(), bounds.memory():
        found = _data_or_noise(bound)
        if found is None:
            return None
        with blaming(f"{bound.model} or {bound.task} fails on {bound.data}"):
            setup = build(bound, *found)
        fits(setup)
        _rehearse(setup)
    return setup


def _rehearse(setup: "Setup") -> None:
    from pipeline.settings.rehearsal import rehearse  # it imports torch, which stages that do not train do not need

    rehearse(setup)


def form_of(bound: Bound) -> Form | None:
    """The form of the data; None when neither a FORM nor a data file states it."""
    file = paths.data(bound.experiment.data.slug)
    return declared_form(bound.data) or (Form.of(datasets.read_bundle(file)) if file.is_file() else None)


def _data_or_noise(bound: Bound) -> tuple[Bundle, Form] | None:
    """The data, unless their file is damaged or older than their plug-in's FORM: then noise; None without file and FORM."""
    declared, file = declared_form(bound.data), paths.data(bound.experiment.data.slug)
    if file.is_file():
        try:
            bundle = datasets.read_bundle(file)
            actual = Form.of(bundle)
            if declared in (None, actual):
                return bundle, actual
        except UserError:
            if declared is None:
                raise
    if declared is None:
        return None
    with blaming(f"FORM of {bound.data} cannot be that of a data set"):
        return declared.noise(2, 2), declared


def declared_form(data: Plugin) -> Form | None:
    """The form that the file of a data plug-in declares as FORM, a Form or a function of the plug-in's options; None without one.

    Raises: UserError when it is something else.
    """
    module, _ = plugins.find("data", data.name)
    declared = getattr(importlib.import_module(module), "FORM", None)
    if declared is None or (isinstance(declared, Form) and data.options):  # its options may change the form of the data
        return None
    if callable(declared):
        with blaming(f"FORM of {data} failed"):
            declared = declared(**data.options)
    if not isinstance(declared, Form):
        raise UserError(f"FORM of {data} is {type_of(declared)}, but should be a Form (pipeline.domain.bundle) or return one")
    counts = {name: getattr(declared, name) for name in ("train", "test", "words", "classes")}
    for name, value in counts.items():
        if not (isinstance(value, Integral) and int(value) > 0) and not (name == "classes" and value is None):
            raise UserError(f"FORM of {data} has {name}={value!r}, but should have a whole number of at least 1 there")
    return declared


def agrees(data: Plugin, bundle: Bundle) -> None:
    """Raises: UserError when the data do not have the FORM of their plug-in, against which experiments are checked beforehand."""
    declared, actual = declared_form(data), Form.of(bundle)
    if declared is not None and declared != actual:
        wrong = [field.name for field in fields(Form) if getattr(declared, field.name) != getattr(actual, field.name)]
        found = ", ".join(f"{name}={getattr(actual, name)!r}" for name in wrong)
        raise UserError(f"FORM of {data} does not agree with the data, which have {found}")


def data_set(experiments: Iterable[Experiment], slug: str) -> Plugin:
    """The data set with this name in stages and files, bound to its options.

    Raises: UserError that lists the valid names.
    """
    known = data_sets(experiments)
    if slug not in known:
        raise UserError(f"there is no data set {slug!r}; it should be one of {', '.join(sorted(known))}")
    return plugins.bind("data", *known[slug])


def data_sets(experiments: Iterable[Experiment]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Plug-in and options of every data set, by its name in stages and files: the data plug-ins of this repository, and those of
    the experiments, which may have options or come from a user's own code. Raises: UserError when two would have one file.
    """
    found: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in plugins.names("data")}
    for data in (experiment.data for experiment in experiments):
        mine = (data.name, data.options)
        if found.setdefault(data.slug, mine) != mine:  # one experiment would be trained on the data of the other
            raise UserError(
                f"the data sets {_described(*found[data.slug])} and {_described(*mine)} have the same file, "
                f"{paths.data(data.slug)}, but should have one each; change the name or an option of one of them"
            )
    return found


def _described(name: str, options: Mapping[str, Any]) -> str:
    return short(f"{name!r}" + (f" with {json.dumps(options)}" if options else ""))


@contextmanager
def under(name: str, experiment: Experiment) -> Iterator[None]:
    """Puts the experiment's file and key before the message of an error."""
    with readable(f"{experiment.file}: experiments.{short(name)}: "):
        yield


def _check_arms(experiment: Experiment) -> None:
    """Checks the parts of arms that may be options of theirs, and so come from params.yaml as they are."""
    for name in experiment.all_arms:
        if not experiment.rounds_of(name):
            continue
        try:
            arm = plugins.bind("arms", experiment.plugin_of(name), experiment.all_arms[name].options)()
        except UserError:
            continue  # Lottery tells it
        masks = getattr(arm, "masks_of", None)
        if masks is not None and (not isinstance(masks, str) or not masks):
            raise UserError(f"arms.{name} takes masks of {masks!r}, but should name an arm, such as ticket")
        for what, such in (("criterion", "magnitude"), ("structure", "unit")):
            own = getattr(arm, what, None)
            named = own.get("name", "") if isinstance(own, Mapping) else own
            if own is not None and not isinstance(named, str):
                raise UserError(f"arms.{name} has the {what} {own!r}, but should have a name, such as {such}")


def _check_metric(bound: Bound, metric: Any) -> None:
    if not isinstance(metric, Metric):
        raise UserError(f"the metric of {bound.task} is {type_of(metric)}, but should be a Metric (pipeline.domain.task)")
    if metric.name in ("loss", "validation_loss", "iteration"):  # tables have columns of these names
        raise UserError(
            f"the metric of {bound.task} has the name {metric.name!r}, which is taken; it should be another, such as accuracy"
        )


def _check_precision(experiment: Experiment) -> None:
    import torch

    if experiment.training.precision == "tf32" and not torch.cuda.is_available():
        raise UserError("training.precision is tf32, which needs a GPU; it should be fp32 or bf16 on this machine")


def _check_augment(experiment: Experiment, form: Form) -> None:
    augment = experiment.data.augment
    if (augment.crop or augment.flip) and len(form.shape) != 3:
        raise UserError(f"data.augment applies to images, but an input of this data set has the shape {form.shape}")
    if augment.crop and augment.crop >= min(form.shape[1:]):
        raise UserError(f"data.augment.crop is {augment.crop}, but should be less than the images' {min(form.shape[1:])} pixels")


def _check_moments(experiment: Experiment, form: Form) -> None:
    """Checks that all moments of training lie before its end, and that there are enough examples."""
    end, batch, validation = experiment.training.iterations, experiment.training.batch_size, experiment.data.validation
    if form.own_validation and validation:
        raise UserError(f"data.validation is {validation}, but should be 0: the data set has a validation part of its own")
    if not form.own_validation and not validation:
        raise UserError("data.validation is 0, but should be at least 1: the data set has no validation part of its own")
    left = form.train - validation
    if left < 1:
        raise UserError(f"data.validation is {validation}, but should be less than the {form.train} training examples")
    if batch > left:
        raise UserError(f"training.batch_size is {batch}, but should be at most the {left} examples that are left for training")
    optimizer = experiment.optimizer
    moments = {"rewind": experiment.rewind, "optimizer.warmup": optimizer.warmup}
    steps = optimizer.decay.at if isinstance(optimizer.decay, Decay) else ()
    moments |= {f"optimizer.decay.at[{i}]": moment for i, moment in enumerate(steps)}
    for key, moment in moments.items():
        iteration = Moment.parse(moment).iterations(left // batch)
        if iteration >= end:
            raise UserError(f"{key} is {moment}, iteration {iteration}, but should be before the end of training, {end}")
