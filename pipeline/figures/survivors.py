"""The initial weights of the survivors and all initial weights, by layer (the paper's figures 15 to 17)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.figures import axes, layers, style
from pipeline.figures.shown import Shown
from pipeline.results import examined
from pipeline.results.statistics import percent
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 4  # densities


def draw(shown: Shown, arms: Sequence[str]) -> Figure:
    """One panel for each layer. arms: the arm whose survivors are shown, as the only element."""
    table, numbers = layers.profiles(shown.outcome), layers.numbers(shown.outcome)
    chosen, names = layers.rounds(shown, arms[0], MOST), examined.layers(table, "initial_weights")
    figure = axes.canvas(3.1)
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for panel, layer in zip(panels, names, strict=True):
        _all(panel, examined.of(table, "initial_weights", DENSE, layer))
        survivors = examined.of(table, "initial_weights", arms[0], layer)
        for colour, number in zip(style.ramp(len(chosen)), chosen, strict=True):
            rows = survivors[survivors["round"] == number]
            label = f"{percent(float(rows['density'].iloc[0]))}%"
            panel.stairs(rows["value"], _edges(rows), color=colour, linewidth=1.3, label=label)
        panel.set(title=layers.name(layer), xlabel="Initial weight", yticks=[])
        panel.set_ylim(bottom=0)
    panels[0].set_ylabel("Density of the survivors")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    summary = examined.summary(numbers, "spread", arms[0], names[0])
    seeds = int(summary["seeds"].max())
    means = f"Means of {seeds} replicate{'' if seeds == 1 else 's'}"
    axes.below(
        figure, f"{means}. Percentages are the shares of the weights that remain. All curves of a panel enclose the same area."
    )
    return figure


def _all(panel: Axes, rows: pd.DataFrame) -> None:
    panel.stairs(rows["value"], _edges(rows), fill=True, color="#d9d9d9", label="All weights")


def _edges(rows: pd.DataFrame) -> list[float]:
    """The edges of the bins, from their centres."""
    centres = list(rows["position"])
    half = (centres[-1] - centres[0]) / (len(centres) - 1) / 2
    return [centres[0] - half, *(centre + half for centre in centres)]
