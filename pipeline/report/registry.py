"""Which figures a report has and what they need. The DVC files are written from it, so it loads nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pipeline.figures.shown import Shown
from pipeline.report.content import FIGURES
from pipeline.report.figure import Figure, Subject
from pipeline.results.outcome import Outcome
from pipeline.settings.config import Config
from pipeline.values.experiment import Experiment

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn


def members(config: Config, names: Sequence[str], figure: Figure) -> list[str]:
    """Those experiments of a report that a figure over several shows."""
    chosen = of_subject(config, names, figure.subject)
    beside = []
    for name in chosen:
        mine = config.experiment(name)
        beside += [other for other in names if figure.beside(mine, config.experiment(other))][:1]
    return [name for name in names if name in (*chosen, *beside)]


def of_subject(config: Config, names: Sequence[str], subject: Subject) -> list[str]:
    return [name for name in names if subject.shows(config.experiment(name))]


def over(config: Config, names: Sequence[str]) -> list[Figure]:
    """The figures over several experiments that a report of these has."""
    return [figure for figure in FIGURES if figure.arms is None and members(config, names, figure)]


def alike(config: Config, name: str) -> list[str]:
    """The other experiments with the same kind of network on the same data, of any size: the page reads them, because this may
    be a reduced budget of one.
    """

    def kind(experiment: Experiment) -> tuple[str, set[str], str]:
        return experiment.model.name, set(experiment.model.options), experiment.data.name

    this = kind(config.experiment(name))
    return [other for other, experiment in config.experiments.items() if kind(experiment) == this and other != name]


def shown_over(config: Config, outcomes: Mapping[str, Outcome], figure: Figure) -> Shown:
    """What a figure over several shows of a report. One has one axis: experiments with another metric than the first's are
    left out.
    """
    chosen = {name: outcomes[name] for name in members(config, list(outcomes), figure)}
    first = next(iter(chosen.values()), None)
    return Shown(config, {name: o for name, o in chosen.items() if first is not None and o.metric == first.metric})


def drawings(shown: Shown) -> dict[str, Callable[[], Drawn]]:
    """What draws each figure of one experiment, by the name of its files."""
    found: dict[str, Callable[[], Drawn]] = {}
    for figure in FIGURES:
        arms = figure.arms(shown.outcome) if figure.arms else []
        if arms:
            found[figure.file] = partial(figure.draw, shown, arms)
    return found


def drawings_over(config: Config, outcomes: Mapping[str, Outcome]) -> dict[str, Callable[[], Drawn]]:
    """What draws each figure over the experiments of a report."""
    chosen = over(config, list(outcomes))
    return {figure.file: partial(figure.draw, shown_over(config, outcomes, figure), figure.details) for figure in chosen}
