"""Early-stop iteration, and the metric there, against density: some arms of one experiment (the paper's figure 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.figures import axes, style
from pipeline.figures.shown import Shown
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from pipeline.figures.style import Look
    from pipeline.results.outcome import Outcome


def draw(shown: Shown, arms: Sequence[str]) -> Figure:
    """Arms that were not trained are left out. The dense network and arms that keep all weights are horizontal lines."""
    outcome, full = shown.outcome, {row["arm"]: row for row in shown.outcome.full}
    looks = style.looks([arm for arm in outcome.arms if arm in arms and arm != DENSE], shown.labels)
    table = outcome.table[outcome.table["arm"].isin([DENSE, *looks])]
    marked = axes.censored_entry([table[~table["arm"].isin([*full])]])
    labelled = [*(look.label for look in looks.values()), "Dense network", *marked]
    columns = axes.columns_of(labelled, 2 if len(labelled) in (2, 4) else 3)
    figure = axes.canvas(style.HEIGHT + axes.rows_of(len(labelled), columns))
    panels = axes.early_stop_panels(figure, outcome.metric)
    for panel, (measure, scale) in panels.items():
        for arm, look in looks.items():
            if arm in full:
                continue
            rows = rows_of(outcome, arm, look)
            axes.line(panel, rows, measure, look.colour, look.marker, look.line, scale, label=look.label)
        for row in axes.levels(outcome, measure):
            if row["arm"] in looks:
                look = looks[row["arm"]]
                axes.level(panel, row, measure, look.colour, look.line, scale, label=look.label)
        axes.level(panel, outcome.dense, measure, style.GREY, (0, (4, 3)), scale, 0.8, label="Dense network")
        axes.density_axis(panel, table["density"], [1.0, *outcome.tickets["density"]])
    left, right = panels
    axes.from_zero(left)
    handles, labels = right.get_legend_handles_labels()
    handles, labels = [*handles, *marked.values()], [*labels, *marked]
    figure.legend(handles, labels, loc="outside upper center", ncols=columns)
    axes.note(figure, [table], axes.VOID if outcome.is_short else "")
    return figure


def rows_of(outcome: Outcome, arm: str, look: Look) -> pd.DataFrame:
    """The rows of an arm's line, which begins at the dense network if the arm does."""
    table = outcome.table
    chosen = table["arm"].isin([arm, DENSE]) if look.from_dense else table["arm"] == arm
    return table[chosen]
