"""The line between the ends of two trainings of a network that differ in the order of the data (Frankle et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.figures import axes, names, style
from pipeline.figures.shown import Shown
from pipeline.results import examined
from pipeline.results.outcome import Outcome
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

STABLE = 0.02  # in error; Frankle et al. (2020) call a network stable if its instability is below this


def draw(shown: Shown, details: Sequence[str]) -> Figure:
    """Left, the loss on the lines of the dense and of the sparsest network; right, the instability against density."""
    figure = axes.canvas(style.HEIGHT + 0.2)
    left, right = figure.subplots(1, 2)
    scale = shown.metric.shown(1.0)
    tables = {name: instabilities(outcome) for name, outcome in shown.outcomes.items()}
    for i, (name, table) in enumerate(tables.items()):
        colour, marker = style.pair(i)
        axes.line(right, table, "value", colour, marker, "-", scale)
        for row, dashes in ((table.iloc[0], "-"), (table.iloc[-1], "--")) if len(table) else ():
            between = along(shown.outcomes[name], row)
            left.plot(between["position"], scale * between["value"], color=colour, linestyle=dashes)
    unit = "points" if shown.metric.is_fraction else shown.metric.unit
    left.set(
        xlabel="Position on the line between the ends",
        ylabel=f"Loss of {shown.metric.words} on the line ({unit})".replace(" ()", ""),
    )
    right.set(ylabel=f"Instability ({unit})".replace(" ()", ""))
    if shown.metric.is_fraction:
        right.axhline(scale * STABLE, color=style.GREY, linestyle=":", linewidth=1)
    densities = [float(density) for table in tables.values() for density in table["density"]]
    axes.density_axis(right, densities or [1.0], sorted({*densities}) or [1.0])
    right.set_ylim(bottom=0)
    entries = {
        names.label(shown.config, n, list(tables), details): axes.handle(*style.pair(i), "-") for i, n in enumerate(tables)
    }
    entries |= {"Dense network": axes.handle(style.GREY, None, "-"), "Smallest ticket": axes.handle(style.GREY, None, "--")}
    entries |= {f"{100 * STABLE:g} points": axes.handle(style.GREY, None, ":")} if shown.metric.is_fraction else {}
    figure.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=3)
    drawn = [table for table in tables.values() if len(table)]
    if drawn:
        axes.note(figure, drawn)
    return figure


def instabilities(outcome: Outcome) -> pd.DataFrame:
    """The instabilities of the dense network and of the arm trained twice in most rounds: a row for each density, falling."""
    import pandas as pd

    found = outcome.stability
    if found is None:
        raise ValueError("the outcome was read without its stability")
    arms = [str(arm) for arm in found.loc[found["arm"] != DENSE, "arm"].mode()[:1]]
    rows = [examined.summary(found, "instability", arm).assign(arm=arm) for arm in (DENSE, *arms)]
    return pd.concat([row for row in rows if len(row)], ignore_index=True) if any(len(row) for row in rows) else rows[0]


def along(outcome: Outcome, row: pd.Series[float]) -> pd.DataFrame:
    """The losses on the line between the two trainings of a row of `instabilities`."""
    lines = outcome.lines
    if lines is None:
        raise ValueError("the outcome was read without its lines")
    return lines[(lines["arm"] == row["arm"]) & (lines["round"] == row["round"])]
