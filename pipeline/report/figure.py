"""The record of a figure of the report, which contains everything that is written about it and done for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pipeline.figures.shown import Shown
from pipeline.results.outcome import Outcome
from pipeline.values.experiment import Experiment

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn


@dataclass(frozen=True)
class Subject:
    """What figures of our notes are about. shows: asks an experiment's network, and no other section of it.

    experiments: those with the paper's budget.
    """

    title: str
    network: str  # what an experiment in it trains, after "no experiment with"
    shows: Callable[[Experiment], bool]
    experiments: tuple[str, ...] = ()


def no_other(shown: Experiment, other: Experiment) -> bool:
    """No experiment stands beside one that a figure shows."""
    return False


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of one experiment, in its section, when it has `arms`; else one over the experiments of its subject.

    file: the name of its files. number: in our notes; it and the claims stand only where the subject shows the experiment.
    claim: the paper's, after "The paper". arm_claims: what the paper says of an arm, told where it is drawn.
    tables: the ones it is drawn from, besides the rounds of each experiment.
    arms: those of an experiment that it shows; none: it is not drawn. details: what a legend tells of a network.
    beside: whether an experiment is shown too because one of the subject is. missing: what to say where it is not drawn.
    draw, here: from what is shown, and the arms (of one over experiments, the details), the figure and the sentences below it.
    """

    file: str
    title: str
    draw: Callable[[Shown, Sequence[str]], Drawn]
    here: Callable[[Shown, Sequence[str]], list[str]]
    subject: Subject
    number: int | None = None
    claim: str = ""
    arm_claims: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[Literal["curves", "examined", "stability"], ...] = ()
    arms: Callable[[Outcome], list[str]] | None = None
    details: tuple[str, ...] = ()
    beside: Callable[[Experiment, Experiment], bool] = no_other
    missing: str = ""

    @property
    def heading(self) -> str:
        return f"Figure {self.number}. {self.title}" if self.number else self.title
