"""Which inputs a ticket keeps, and how evenly its connections are spread over units (the paper's appendix F.6)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.figures import axes, layers, style
from pipeline.figures.shown import Shown
from pipeline.results import examined
from pipeline.results.statistics import percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure, SubFigure

SHOWN = 4  # times the mean; a few units may have more connections and are cut off
MOST = 3  # densities at which the inputs are shown
WAYS = {"in": "Incoming connections", "out": "Outgoing connections"}


def draw(shown: Shown, arms: Sequence[str]) -> Figure:
    """Draws the inputs, if they are the pixels of a square, the unevenness, and the units' connections at one density.

    arms: the arm whose masks are shown, as the first element.
    """
    width = side(shown, arms[0])
    figure = axes.canvas(7.4 if width else 5.3)
    parts: Any = figure.subfigures(3 if width else 2, 1, height_ratios=(1, 1.25, 1)[0 if width else 1 :])
    if width:
        _inputs(parts[0], shown, arms[0], width)
    _unevenness(parts[-2], shown, arms[0])
    _sorted(parts[-1], shown, arms[0])
    axes.note(figure, [examined.summary(layers.numbers(shown.outcome), "spread", arms[0], layers_of(shown)[0])])
    return figure


def layers_of(shown: Shown) -> list[str]:
    """Those whose connections were counted."""
    return examined.layers(layers.numbers(shown.outcome), "unevenness_in")


def side(shown: Shown, arm: str) -> int:
    """The side of the square image that the inputs form; 0 if their number is not a square number."""
    rows = inputs(shown, arm)
    found = len(rows[rows["round"] == rows["round"].min()])
    side = math.isqrt(found)
    return side if side > 1 and side * side == found else 0


def inputs(shown: Shown, arm: str) -> pd.DataFrame:
    """The rows of the numbers of connections that leave each input, by round and then by the input's index."""
    table = layers.profiles(shown.outcome)
    return table[(table["quantity"] == "input_counts") & (table["arm"] == arm)]


def top(image: NDArray[np.float64]) -> float:
    """The number with the lightest colour: a few pixels with very many connections would darken the others."""
    return max(1.0, float(np.quantile(image, 0.99)))


def _inputs(figure: SubFigure, shown: Shown, arm: str, side: int) -> None:
    """Each image has its own scale, because the numbers fall with density."""
    chosen, counts = layers.rounds(shown, arm, MOST), inputs(shown, arm)
    panels = figure.subplots(1, len(chosen), squeeze=False)[0]
    for panel, number in zip(panels, chosen, strict=True):
        rows = counts[counts["round"] == number]
        image = rows["value"].to_numpy().reshape(side, side)
        most = top(image)
        drawn = panel.imshow(image, cmap="magma", vmin=0, vmax=most, interpolation="nearest", rasterized=True)
        bar = figure.colorbar(drawn, ax=panel, fraction=0.05, pad=0.04, extend="max" if image.max() > most else "neither")
        bar.outline.set_visible(False)
        panel.set_title(f"{percent(float(rows['density'].iloc[0]))}% of the weights")
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
    figure.suptitle("Connections that leave each input pixel", fontsize=style.STYLE["axes.labelsize"])


def _unevenness(figure: SubFigure, shown: Shown, arm: str) -> None:
    names = layers_of(shown)
    panels = figure.subplots(1, len(WAYS), sharey=True)
    densities = [1.0, *shown.outcome.tickets["density"]]
    for panel, (way, title) in zip(panels, WAYS.items(), strict=True):
        for layer, look in layers.looks(names).items():
            layers.line(panel, shown.outcome, f"unevenness_{way}", arm, layer, look)
            layers.line(panel, shown.outcome, f"unevenness_{way}_chance", arm, layer, (look[0], ""), ":")
        axes.density_axis(panel, densities, densities)
        panel.set_title(title)
    panels[0].set_ylabel("Gini coefficient")
    panels[0].set_ylim(bottom=0)
    handles = [axes.handle(*look, "-", label=layers.name(layer)) for layer, look in layers.looks(names).items()]
    handles.append(axes.handle(style.GREY, None, ":", label="A random mask"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))


def _sorted(figure: SubFigure, shown: Shown, arm: str) -> None:
    """The numbers of connections divided by their mean, from the unit with the most, at the last of the images' densities."""
    table, number = layers.profiles(shown.outcome), layers.rounds(shown, arm, MOST)[-1]
    panels = figure.subplots(1, len(WAYS), sharey=True)
    for panel, (way, title) in zip(panels, WAYS.items(), strict=True):
        for layer, (colour, _) in layers.looks(layers_of(shown)).items():
            rows = examined.of(table, f"{way}puts_sorted", arm, layer)
            counts = rows.loc[rows["round"] == number, "value"].to_numpy()
            ranks = (np.arange(counts.size) + 0.5) / counts.size
            panel.plot(100 * ranks, counts / (counts.mean() or 1), color=colour)
            density = float(rows.loc[rows["round"] == number, "density"].iloc[0])
        panel.axhline(1, color=style.GREY, linewidth=0.8)
        panel.set(title=f"{title} at {percent(density)}%", xlabel="Units, from the most connections (%)", xlim=(0, 100))
    panels[0].set(ylabel="Connections, relative to the mean", ylim=(0, SHOWN))
