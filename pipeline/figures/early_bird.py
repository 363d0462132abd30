"""How much of the final one-shot mask the weights of an early iteration determine (early-bird tickets, You et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.figures import axes, layers, style
from pipeline.figures.shown import Shown
from pipeline.results import examined, statistics
from pipeline.results.statistics import percent
from pipeline.values.clock import Moment
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SHOWN = (0.513, 0.135, 0.036)  # the figure shows the densities that are nearest to these


def by_rewind(shown: Shown) -> dict[str, pd.DataFrame]:
    """The shares by density for each rewind point, from the earliest. Of experiments with the same one, the first counts."""
    found: dict[str, pd.DataFrame] = {}
    for name, outcome in shown.outcomes.items():
        found.setdefault(shown.experiment(name).rewind, examined.summary(layers.numbers(outcome), "early_bird", DENSE))
    moments = {rewind: Moment.parse(rewind) for rewind in found}
    return {rewind: found[rewind] for rewind in sorted(found, key=lambda rewind: (moments[rewind].unit, moments[rewind].count))}


def draw(shown: Shown, details: Sequence[str]) -> Figure:
    tables = by_rewind(shown)
    figure = axes.canvas(2.9)
    panel = figure.subplots()
    longest = max(tables.values(), key=len)
    for i, number in enumerate(statistics.nearest_rounds(longest, SHOWN)):
        there = {rewind: rows[rows["round"] == number] for rewind, rows in tables.items()}
        places = [place for place, rows in enumerate(there.values()) if len(rows)]
        rows = [rows.iloc[0] for rows in there.values() if len(rows)]
        colour, marker = style.pair(i)
        low, high = ([100 * row[f"value_{how}"] for row in rows] for how in ("min", "max"))
        panel.plot(
            places, [100 * row["value_mean"] for row in rows], color=colour, marker=marker,
            label=f"{percent(rows[0]['density'])}% of the weights",
        )  # fmt: skip
        panel.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
    panel.set_xticks(range(len(tables)), list(tables))
    panel.set(xlabel="Point of dense training", ylabel="Share of the final mask (%)", ylim=(0, 105))
    figure.legend(loc="outside upper center", ncols=3)
    axes.note(figure, [rows for rows in tables.values() if len(rows)])
    return figure
