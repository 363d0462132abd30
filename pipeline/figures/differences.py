"""Many arms beside the ticket: the difference of each arm from the ticket, with its interval, in one panel for each round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.figures import axes, style
from pipeline.figures.shown import Shown
from pipeline.results import statistics
from pipeline.results.statistics import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipeline.results.outcome import Outcome

NOTE = "Means at early stop, and 95% intervals of the differences, paired by seed."
OPEN = "Open: the end of training cuts off some early stops."


def rounds(outcome: Outcome, arms: Sequence[str]) -> list[int]:
    """The rounds in which the ticket and at least half of the arms were trained."""
    counted = [set(outcome.rows(arm)["round"]) for arm in arms]
    return [k for k in outcome.tickets["round"] if 2 * sum(k in own for own in counted) >= len(arms)]


def draw(shown: Shown, arms: Sequence[str]) -> Figure:
    chosen = rounds(shown.outcome, arms)
    figure = axes.canvas(1.25 + 0.24 * len(arms))
    panels = figure.subplots(1, len(chosen), sharey=True, squeeze=False)[0]
    for number, panel in zip(chosen, panels, strict=True):
        _panel(panel, shown, number, arms)
    panels[0].set_yticks(range(len(arms)), [style.capital(shown.label(arm)) for arm in arms])
    panels[0].set_ylim(len(arms) - 0.5, -0.5)
    axes.below(figure, f"{NOTE} {OPEN}" if _any_censored(shown.outcome, arms) else NOTE)
    return figure


def _any_censored(outcome: Outcome, arms: Sequence[str]) -> bool:
    return any((outcome.rows(arm)["censored"] > 0).any() for arm in arms)


def _panel(panel: Axes, shown: Shown, number: int, arms: Sequence[str]) -> None:
    outcome, scale = shown.outcome, shown.metric.shown(1.0)
    ticket = statistics.at_round(outcome.table, outcome.main, number)
    panel.axvline(0, color=style.BLUE, linewidth=1)
    for place, arm in enumerate(arms):
        row = statistics.at_round(outcome.table, arm, number)
        if row is None or ticket is None:
            continue
        found = outcome.difference(row, ticket)
        face = "white" if row["censored"] else style.BLACK
        panel.errorbar(
            scale * found.mean, place, xerr=None if found.half is None else scale * found.half, color=style.BLACK, fmt="o",
            markerfacecolor=face, capsize=2.5, elinewidth=1.2,
        )  # fmt: skip
        panel.set_title(f"{percent(ticket['density'])}% of the weights")
    unit = "points" if shown.metric.is_fraction else shown.metric.unit
    panel.set_xlabel(f"{style.capital(shown.metric.words)} minus the {shown.label(outcome.main)}'s ({unit})".replace(" ()", ""))
    panel.grid(axis="y", visible=False)
