"""The common parts of all figures: lines with bands, marks, density axes, legends and the note below."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.figures import style
from pipeline.results.statistics import percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from pipeline.results.metric import Metric
    from pipeline.results.outcome import Outcome, Row

WEIGHTS = "Weights remaining (%)"
ITERATION = "Early-stop iteration (validation loss)"
CENSORED = "Early stop cut off: a lower bound"
VOID = "The dense network's early stop is cut off, so that early stops cannot be compared."


def canvas(height: float = style.HEIGHT) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(style.WIDTH, height), layout="constrained")


def line(
    axes: Axes, rows: pd.DataFrame, measure: str, colour: str, marker: str, dashes: str, scale: float = 1.0, **more: Any
) -> None:
    """A measure's mean against density, in a band from its smallest to its largest; nothing when there are no rows.
    Points with a censored lane have open markers.
    """
    if rows.empty:
        return
    rows = rows.sort_values("density")
    x = rows["density"].to_numpy()
    mean, low, high = (scale * rows[f"{measure}_{how}"].to_numpy() for how in ("mean", "min", "max"))
    axes.plot(x, mean, color=colour, marker=marker, linestyle=dashes, **more)
    axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    if len(rows) == 1:  # where a band would have no width
        axes.vlines(x, low, high, color=colour, alpha=0.4, linewidth=4)
    if "censored" in rows:
        cut = rows["censored"].to_numpy() > 0
        if cut.any():
            axes.plot(
                x[cut], mean[cut], color=colour, marker=marker, linestyle="none", markerfacecolor="white", label="_censored"
            )


def levels(outcome: Outcome, measure: str) -> list[Row]:
    """The arms with all weights whose level a panel shows. The early stop of longer training is not shown, because it follows
    another schedule and cannot be compared with the others.
    """
    return outcome.full if measure != "stop" else []


def level(axes: Axes, row: Row, measure: str, colour: str, dashes: Any, scale: float, width: float = 1.1, **more: Any) -> None:
    """Draws the mean of a measure as a horizontal line, for an arm that keeps all weights."""
    axes.axhline(scale * float(row[f"{measure}_mean"]), color=colour, linestyle=dashes, linewidth=width, **more)


def early_stop_panels(figure: Figure, metric: Metric) -> dict[Axes, tuple[str, float]]:
    """Two panels, each with the measure of the summary that it shows and the factor that brings it to the axis' unit."""
    left, right = figure.subplots(1, 2)
    left.set_ylabel(ITERATION)
    thousands(left.yaxis)
    right.set_ylabel(at_early_stop(metric))
    return {left: ("stop", 1.0), right: ("value", metric.shown(1.0))}


def from_zero(panel: Axes) -> None:
    """The vertical axis begins at 0, with room above the highest point even where all points are equally high."""
    panel.set_ylim(0, max(panel.get_ylim()[1], 1.02 * panel.dataLim.y1))


def at_early_stop(metric: Metric) -> str:
    """The label of an axis; of two lines when it is longer than a panel is high."""
    return textwrap.fill(metric.axis("Test").replace(metric.words, f"{metric.words} at early stop", 1), 40)


def thousands(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def density_axis(axes: Axes, shown: Iterable[float], labelled: Iterable[float], most: int = 7) -> None:
    """From the densest to the sparsest of those shown, in logarithms; at most so many labels, at densities of these."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    densities = list(shown)
    axes.set_xscale("log")
    axes.set_xlim(max(1.0, *densities) * 1.08, min(*densities, 0.97) / 1.08)
    axes.xaxis.set_major_locator(FixedLocator(ticks(sorted({*labelled}, reverse=True), most)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: percent(x)))
    axes.set_xlabel(WEIGHTS)


def ticks(densities: Sequence[float], most: int = 7) -> list[float]:
    """As many of the rounds' densities as have room for their labels, from the densest."""
    gap = (densities[0] / densities[-1]) ** (1 / (most - 0.5))
    found = list(densities[:1])
    for density in densities[1:]:
        if density <= found[-1] / gap:
            found.append(density)
    return found


def cut(axes: Axes, at_top: bool) -> None:
    """Marks the end of the vertical axis at which part of the lines is cut off."""
    from matplotlib.lines import Line2D

    ends = [0.962, 0.978] if at_top else [0.022, 0.038]
    over: dict[str, Any] = {"transform": axes.transAxes, "zorder": 3}  # the axis itself is at 2.5
    gap = Line2D([0, 0], ends, color="white", linewidth=2.4, solid_capstyle="butt", **over)
    strokes = Line2D([0, 0], ends, color="black", marker=[(-2, -1), (2, 1)], markersize=9, linestyle="none", **over)
    for part in (gap, strokes):
        axes.get_figure(root=True).add_artist(part)  # type: ignore[union-attr]


def handle(colour: str, marker: str | None, dashes: Any, **more: Any) -> Line2D:
    """An entry of a legend that is no line of the figure."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, marker=marker, linestyle=dashes, **more)


def columns_of(labels: Sequence[str], most: int = 3) -> int:
    """The number of columns, at most so many, in which a legend with these labels is no wider than the figure."""
    for columns in range(most, 1, -1):
        rows = math.ceil(len(labels) / columns)
        if width_of([labels[i : i + rows] for i in range(0, len(labels), rows)]) <= style.WIDTH:
            return columns
    return 1


def width_of(columns: Iterable[Sequence[str]]) -> float:
    """About how many inches a legend with these labels in its columns takes."""
    return sum(style.ENTRY + style.LETTER * max(map(len, labels)) for labels in columns)


def rows_of(entries: int, columns: int) -> float:
    """Inches that a legend takes beyond two rows."""
    return style.ROW * max(0, math.ceil(entries / columns) - 2)


def note(figure: Figure, tables: Sequence[pd.DataFrame], more: str = "") -> None:
    """The line below a figure. tables: summaries of what it shows."""
    below(figure, f"{noted(tables)}\n{more}".strip())


def noted(tables: Sequence[pd.DataFrame]) -> str:
    """Over how many trainings means and bands are."""
    lanes = sorted({int(n) for table in tables for n in table["n"]})
    seeds = sorted({int(n) for table in tables for n in table["seeds"]})
    one = lanes == seeds == [1]
    replicates = f"{_span(seeds)} replicate{'' if seeds == [1] else 's'}"
    drawn = "" if lanes == seeds else f" ({_span(lanes)} trainings at a point)"
    return "Lines show one replicate." if one else f"Lines show the mean and bands the range of {replicates}{drawn}."


def below(figure: Figure, text: str) -> None:
    figure.supxlabel(text, fontsize=style.NOTE, color=style.GREY)


def censored_entry(tables: Sequence[pd.DataFrame]) -> dict[str, Line2D]:
    """What the legend says of open markers; nothing when there are none."""
    marked = any((table["censored"] > 0).any() for table in tables)
    return {CENSORED: handle(style.GREY, "o", "none", markerfacecolor="white")} if marked else {}


def _span(numbers: Sequence[int]) -> str:
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
