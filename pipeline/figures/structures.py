"""Tickets of several structures: the metric against the multiplications and against the bytes that are left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.figures import axes, style
from pipeline.figures.shown import Shown
from pipeline.results import examined
from pipeline.settings import measured
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from pipeline.results.outcome import Outcome

MULTIPLICATIONS, COMPACTED, BITMAP = "multiplications", "multiplications_compacted", "bytes_bitmap"
NOTE = "Multiplications are those of surviving weights. Bytes: whole units are removed; other masks are bitmaps."


def draw(shown: Shown, details: Sequence[str]) -> Figure:
    """The first experiment of the report."""
    name = next(iter(shown.outcomes))
    outcome, masks = shown.outcomes[name], measured.masks_of(shown.experiment(name))
    looks = style.looks([arm for arm in outcome.arms if arm in masks], shown.labels)
    figure = axes.canvas(style.HEIGHT + axes.rows_of(len(looks) + 1, 2))
    panels, metric, tables = figure.subplots(1, 2, sharey=True), outcome.metric, []
    for panel, what in zip(panels, ("Multiplications", "Bytes of the weights"), strict=True):
        placed = {arm: cost(outcome, arm, *masks[arm], what == "Multiplications") for arm in looks}
        for arm, look in looks.items():
            axes.line(panel, placed[arm], "value", look.colour, look.marker, look.line, metric.shown(1.0), label=look.label)
        axes.level(panel, outcome.dense, "value", style.GREY, (0, (4, 3)), metric.shown(1.0), 0.8, label="Dense network")
        costs = [x for rows in placed.values() for x in rows["density"]]
        axes.density_axis(panel, costs, [1.0, *placed[next(iter(looks))]["density"]])
        panel.set_xlabel(f"{what} (% of the dense network's)")
        tables = [rows for rows in placed.values() if len(rows)]
    panels[0].set_ylabel(axes.at_early_stop(metric))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    axes.note(figure, tables, NOTE)
    return figure


def cost(outcome: Outcome, arm: str, masks: str, structure: str, is_speed: bool) -> pd.DataFrame:
    """The rows of an arm, with the share of the dense network's multiplications, or else bytes, in place of the density.

    masks: the arm that pruned its masks. structure: what was removed from them.
    """
    quantity = MULTIPLICATIONS if is_speed else COMPACTED if structure in measured.REMOVABLE else BITMAP
    found = outcome.examined
    assert found is not None, "the report reads examined.csv of each LeNet"
    shares = examined.of(found, quantity, masks).groupby("round")["value"].mean()
    rows = outcome.rows(arm)
    rows = rows[rows["round"].isin(shares.index) & (rows["arm"] != DENSE)]
    return rows.assign(density=[float(shares[k]) for k in rows["round"]])
