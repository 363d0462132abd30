"""Figures of how cost grows: every measured size and the power law through them, on logarithmic axes."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from benchmarks.results import Series, number
from pipeline.figures.style import BLUE, STYLE, VERMILLION


def save(series: Sequence[Series], folder: Path) -> None:
    """Writes an SVG for each series; a file stays when its series is not measured any more."""
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.style.context(STYLE, after_reset=True):
        for one in series:
            draw(one).savefig(folder / f"{one.name}.svg", metadata={"Date": None, "Creator": None})


def draw(series: Series) -> Figure:
    figure = Figure(figsize=(4.6, 3.0), layout="constrained")
    axes = figure.add_subplot()
    xs, ys = np.asarray(series.xs), np.asarray(series.ys)
    scale = np.exp(np.mean(np.log(ys) - series.exponent * np.log(xs)))
    axes.plot(
        xs, scale * xs**series.exponent, color=VERMILLION, linestyle="--", linewidth=1.0, label=f"$x^{{{series.exponent:.2f}}}$"
    )
    axes.plot(xs, ys, color=BLUE, marker="o", linestyle="none", label=f"measured, median of {series.n}")
    axes.set(xscale="log", yscale="log", xlabel=series.x.capitalize(), ylabel=series.y[0].upper() + series.y[1:])
    # A flat cost would otherwise fill the height with its noise.
    middle = float(np.sqrt(ys.min() * ys.max()))
    axes.set_ylim(min(ys.min() / 1.3, middle / 2), max(ys.max() * 1.3, middle * 2))
    ticks = [x for i, x in enumerate(xs) if len(xs) <= 8 or i % 3 == 0 or i == len(xs) - 1]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.legend()
    return figure
