"""The metric on the test set during the training of tickets of some densities (the paper's figure 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.figures import axes
from pipeline.figures.shown import Shown
from pipeline.figures.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION
from pipeline.results import statistics
from pipeline.results.statistics import percent
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from pipeline.results.metric import Metric

LINES = ((BLACK, "o"), (VERMILLION, "s"), (BLUE, "^"), (ORANGE, "D"), (GREEN, "v"), (PURPLE, "P"), (SKY, "X"))


def draw(shown: Shown, arms: Sequence[str]) -> Figure:
    """Draws the tickets nearest to the densities in `figures:` of params.yaml. arms: the one that is shown."""
    outcome = shown.outcome
    if outcome.curves is None:
        raise ValueError("learning curves are drawn from curves.csv")
    chosen = at_densities(outcome.curves, arms[0], shown.config.figures.densities)
    test, scale = outcome.metric.test, outcome.metric.shown(1.0)
    limits = zoom(chosen, outcome.metric)
    figure = axes.canvas(4.1)
    panel = figure.add_subplot()
    for i, lines in enumerate(chosen):
        colour, marker = LINES[i % len(LINES)]
        mean = scale * lines[f"{test}_mean"]
        # Each line has markers at few points, and not at the same ones as others, because they would hide the lines; and at
        # none that lies outside the axis.
        every = max(1, len(lines) // 10)
        marked = [k for k in range(i * every // len(chosen), len(lines), every) if limits[0] <= mean.iloc[k] <= limits[1]]
        panel.plot(
            lines["iteration"], mean, color=colour, marker=marker, label=percent(float(lines["density"].iloc[0])),
            markevery=marked, linestyle="-" if i < len(LINES) else "--",
        )  # fmt: skip
        low, high = (scale * lines[f"{test}_{how}"] for how in ("min", "max"))
        panel.fill_between(lines["iteration"], low, high, color=colour, alpha=0.13, linewidth=0)
    panel.set(xlabel="Training iteration", ylabel=outcome.metric.axis("Test"))
    panel.set_xlim(0, max(float(lines["iteration"].max()) for lines in chosen) or 1)
    panel.set_ylim(*limits)
    axes.thousands(panel.xaxis)
    figure.legend(loc="outside right center", title="Weights\nremaining\n(%)", alignment="left")
    rounds = [int(lines["round"].iloc[0]) for lines in chosen]
    rows = outcome.table[outcome.table["arm"].isin([DENSE, arms[0]]) & outcome.table["round"].isin(rounds)]
    text, side = cut(limits, chosen, outcome.metric)
    if side:
        axes.cut(panel, at_top=side == "above")
    axes.note(figure, [rows.drop(columns="censored")], text)
    return figure


def cut(limits: tuple[float, float], curves: Sequence[pd.DataFrame], metric: Metric) -> tuple[str, str]:
    """Where the lines begin that begin outside an axis with these limits, in words, and on which side of it: below or above.

    Both are empty when all lines begin on the axis.
    """
    low, high = limits
    begin = [float(lines[f"{metric.test}_mean"].iloc[0]) for lines in curves]
    below = [value for value in begin if metric.shown(value) < low]
    above = [value for value in begin if metric.shown(value) > high]
    off = below or above
    if not off:
        return "", ""
    side = "below" if below else "above"
    first, last = metric.text(min(off)), metric.text(max(off))
    span = first if first == last else f"{first} to {last}"
    return f"The axis is cut: lines begin {side} it, at {span}.", side


def at_densities(curves: pd.DataFrame, arm: str, densities: Sequence[float]) -> list[pd.DataFrame]:
    """The curves of an arm and of the dense network at these densities, from the densest."""
    shown = curves[curves["arm"].isin([DENSE, arm])]
    rounds = statistics.nearest_rounds(shown, densities)
    return [shown[shown["round"] == number].sort_values("iteration") for number in rounds]


def zoom(curves: Sequence[pd.DataFrame], metric: Metric) -> tuple[float, float]:
    """Limits that make the differences visible: they may exclude the first evaluations, but not the end of any curve.

    Differs: the paper's figures zoom by hand.
    """
    from matplotlib.ticker import MaxNLocator

    best, worst = ("max", "min") if metric.better == "higher" else ("min", "max")
    sign, scale = metric.gain(1.0, 0.0), metric.shown(1.0)  # in what follows, more is better
    early, ends, tops, least = [], [], [], []
    for lines in curves:
        # A twelfth of the training, an epoch of `lenet`: by then a network is past the steep part of its climb.
        after = lines["iteration"] >= lines["iteration"].max() / 12
        early.append(sign * scale * float(lines[f"{metric.test}_mean"][after].iloc[0]))
        ends.append(sign * scale * float(lines[f"{metric.test}_{worst}"].iloc[-1]))
        tops.append(scale * float((sign * lines[f"{metric.test}_{best}"]).max()))
        least.append(float(lines[f"{metric.test}_min"].min()))
    low, high = min(sorted(early)[(len(early) - 1) // 2], *ends), max(tops)
    margin = max((high - low) * 0.06, 1e-3 * scale if metric.is_fraction else 1e-3 * abs(high), 1e-9)
    steps = MaxNLocator(nbins=8).tick_values(low - margin, high + margin)
    limits = sorted((round(sign * float(steps[0]), 10), sign * (high + margin)))  # a limit just above a tick would hide it
    floor = 0.0 if min(least) >= 0 else -math.inf  # the axis of a metric that is never negative begins at 0 or above
    return max(floor, limits[0]), min(100.0, limits[1]) if metric.is_fraction else limits[1]
