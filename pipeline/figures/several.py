"""Figures over several experiments, with one colour for each experiment and one line style for each arm (the paper's figures
5 to 8)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.figures import axes, names, style
from pipeline.figures.shown import Shown
from pipeline.results.outcome import Outcome
from pipeline.results.statistics import REINIT
from pipeline.settings import networks
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

THIRDS = ("A third of training", "Two thirds", "The end")


def early_stop(shown: Shown, details: Sequence[str]) -> Figure:
    """Early-stop iteration and the metric there. details: what a legend says of a network besides its name.

    If the network of an experiment with dropout is also here without dropout, the tickets of both have the same colour.
    """
    twins = without_dropout(shown)
    main = [name for name in shown.outcomes if name not in twins.values()]
    tables = {name: lines_of(outcome) for name, outcome in shown.outcomes.items()}
    drawn = [table for lines in tables.values() for table, _ in lines]
    dotted = {"The same without dropout": axes.handle(style.GREY, None, ":")} if twins else {}
    figure = _canvas(shown, main, details, dotted | axes.censored_entry(drawn))
    panels = axes.early_stop_panels(figure, shown.metric)
    for panel, (measure, scale) in panels.items():
        for i, name in enumerate(main):
            look = style.pair(i)
            for table, dashes in tables[name]:
                axes.line(panel, table, measure, *look, dashes, scale)
            if name in twins:
                axes.line(panel, tables[twins[name]][0][0], measure, *look, ":", scale)
            for row in axes.levels(shown.outcomes[name], measure):
                axes.level(panel, row, measure, look[0], style.LONGER, scale)
        _density_axis(panel, shown.outcomes)
    axes.from_zero(next(iter(panels)))
    axes.note(figure, drawn, void(shown))
    return figure


def three_points(shown: Shown, details: Sequence[str]) -> Figure:
    """The metric on the test set against density, with a panel for each point of training. Longer training of the dense network
    has taken as long as all rounds only at its end, so its level is only in the last panel.
    """
    points = {name: outcome.points() for name, outcome in shown.outcomes.items()}
    figure = _canvas(shown, list(points), details, {})
    panels = figure.subplots(1, len(THIRDS), sharey=True, gridspec_kw={"wspace": 0.06})
    for point, panel in enumerate(panels):
        iterations = set()
        for i, (name, table) in enumerate(points.items()):
            now, scale = table[table["point"] == point], shown.metric.shown(1.0)
            for rows, dashes in lines_of(shown.outcomes[name], now):
                axes.line(panel, rows, "value", *style.pair(i), dashes, scale)
                iterations |= {int(iteration) for iteration in rows["iteration"]}
            for row in shown.outcomes[name].full if panel is panels[-1] else []:
                end = now[(now["arm"] == row["arm"]) & (now["round"] == row["round"])].iloc[0]
                axes.level(panel, end, "value", style.pair(i)[0], style.LONGER, scale)
        _density_axis(panel, shown.outcomes, most=4)
        at = f"\n{' and '.join(f'{i:,}' for i in sorted(iterations))} iterations" if len(iterations) < 3 else ""
        panel.set_title(THIRDS[point] + at)
        panel.set_xlabel(axes.WEIGHTS if point == 1 else "")
    panels[0].set_ylabel(shown.metric.axis("Test"))
    drawn = [table.drop(columns="censored") for outcome in shown.outcomes.values() for table, _ in lines_of(outcome)]
    axes.note(figure, drawn)
    return figure


def without_dropout(shown: Shown) -> dict[str, str]:
    """The experiment with the same network without dropout, for each experiment that has one."""
    experiments = {name: shown.experiment(name) for name in shown.outcomes}
    return {
        name: other for name in experiments for other in experiments
        if networks.is_same_without_dropout(experiments[name], experiments[other])
    }  # fmt: skip


def densities(outcomes: Mapping[str, Outcome]) -> tuple[list[float], list[float]]:
    """The densities of an axis, and those that may be its labels, which are of the experiment that goes furthest."""
    shown = [float(d) for outcome in outcomes.values() for table, _ in lines_of(outcome) for d in table["density"]]
    furthest = min(outcomes.values(), key=lambda outcome: float(outcome.table["density"].min()))
    return shown, [1.0, *furthest.tickets["density"]]


def lines_of(outcome: Outcome, table: pd.DataFrame | None = None) -> list[tuple[pd.DataFrame, str]]:
    """The rows of each line of an experiment and how it is dashed: its tickets, from the dense network on, and its reinits."""
    rows = outcome.table if table is None else table
    tickets, reinits = rows[rows["arm"].isin([DENSE, outcome.main])], rows[rows["arm"] == REINIT]
    return [(tickets, "-"), *([] if reinits.empty or outcome.main == REINIT else [(reinits, "--")])]


def void(shown: Shown) -> str:
    """The part of the note about experiments whose early stops cannot be compared; empty without any."""
    short = [name for name, outcome in shown.outcomes.items() if outcome.is_short]
    if len(short) in (0, len(shown.outcomes)):
        return axes.VOID if short else ""
    return f"Early stops cannot be compared in {' and '.join(short)}: the dense network's is cut off."


def _canvas(shown: Shown, main: Sequence[str], details: Sequence[str], more: Mapping[str, Line2D]) -> Figure:
    """A figure with its legend: a colour for each experiment, and the lines and marks in grey. more: its last entries."""
    colours = {names.label(shown.config, name, main, details): axes.handle(*style.pair(i), "none") for i, name in enumerate(main)}
    tickets = sorted({shown.label(shown.outcomes[name].main) for name in main})
    kinds: dict[str, Any] = {style.capital(" or ".join(tickets)): "-"}
    if any(len(lines_of(shown.outcomes[name])) > 1 for name in main):
        kinds["Random reinit"] = "--"
    longer = sorted({shown.label(row["arm"]) for name in main for row in shown.outcomes[name].full})
    if longer:
        kinds[style.capital(" or ".join(longer))] = style.LONGER
    lines = {label: axes.handle(style.GREY, None, dashes) for label, dashes in kinds.items()} | dict(more)
    height = max(math.ceil(len(colours) / (1 if len(colours) < 4 else 2)), 2 if more else 1)
    while True:
        entries = [*_column(colours, height), *_column(lines, height)]
        columns = [[label for label, _ in entries[i : i + height]] for i in range(0, len(entries), height)]
        if axes.width_of(columns) <= style.WIDTH or len(columns) < 3:
            break
        height += 1
    figure = axes.canvas(style.HEIGHT + style.ROW * (height - 1))
    figure.legend([line for _, line in entries], [label for label, _ in entries], loc="outside upper center", ncols=len(columns))
    return figure


def _column(entries: Mapping[str, Line2D], height: int) -> list[tuple[str, Line2D]]:
    """Filled up with empty ones: legends are filled column by column, and experiments and lines get columns of their own."""
    return [*entries.items(), *[("", axes.handle(style.GREY, None, "none"))] * (-len(entries) % height)]


def _density_axis(panel: Axes, outcomes: Mapping[str, Outcome], most: int = 7) -> None:
    axes.density_axis(panel, *densities(outcomes), most)
