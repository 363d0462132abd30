"""The charts of masks and weights (appendix F). Each shows what the figure of the same name in pipeline/figures shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.figures import axes, connections, layers, movement, overlap, style, survivors
from pipeline.figures.shown import Shown
from pipeline.page import chart
from pipeline.page.chart import Axis, Chart, Image, Level, Line, Panel, Picture
from pipeline.page.pixels import Counts
from pipeline.results import examined
from pipeline.results.statistics import percent
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    import pandas as pd


def _line(shown: Shown, quantity: str, arm: str, layer: str) -> pd.DataFrame:
    """The points of a quantity of examined.csv."""
    return chart.points(examined.summary(layers.numbers(shown.outcome), quantity, arm, layer))


def _densities(shown: Shown, most: int = 7) -> Axis:
    densities = [1.0, *shown.outcome.tickets["density"]]
    return chart.density(densities, densities, most)


def histograms(shown: Shown, arms: Sequence[str]) -> Chart:
    """The initial weights of the survivors, one panel for each layer."""
    table, (arm, *_) = layers.profiles(shown.outcome), arms
    chosen, panels = layers.rounds(shown, arm, survivors.MOST), []
    names = examined.layers(table, "initial_weights")
    for layer in names:
        lines = [Line("All weights", style.GREY, _steps(examined.of(table, "initial_weights", DENSE, layer)), dashes="--")]
        rows = examined.of(table, "initial_weights", arm, layer)
        for colour, number in zip(style.ramp(len(chosen)), chosen, strict=True):
            one = rows[rows["round"] == number]
            lines.append(Line(f"{percent(float(one['density'].iloc[0]))}% of the weights", colour, _steps(one)))
        y = Axis("Density of the survivors", ".2f", from_zero=True)
        panels.append(Panel(Axis("Initial weight", ".3f"), y, lines, title=layers.name(layer), is_steps=True, height=220))
    seeds = int(examined.summary(layers.numbers(shown.outcome), "spread", arm, names[0])["seeds"].max())
    note = f"Means of {seeds} replicate{'' if seeds == 1 else 's'}. All curves of a panel enclose the same area."
    return Chart(panels, note, width=300)


def _steps(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["position", "value"]].rename(columns={"position": "x", "value": "y"}).reset_index(drop=True)


def moved(shown: Shown, arms: Sequence[str]) -> Chart:
    """How far weights move, one panel for each layer and direction."""
    (arm, *_), table = arms, layers.numbers(shown.outcome)
    panels = []
    for quantity, direction in movement.ROWS.items():
        for layer in examined.layers(table, "outward_kept"):
            lines = [
                Line(label.format(arm=shown.label(arm)), colour, _line(shown, f"{quantity}{ending}", arm, layer), marker, dashes)
                for ending, ((colour, marker), dashes, label) in movement.LINES.items()
            ]
            y = Axis(f"{direction} (mean)", ".3f")
            zero = Level("", style.GREY, 0.0, dashes="-")
            title = f"{layers.name(layer)}: {direction.lower()}"
            panels.append(Panel(_densities(shown, 5), y, lines, [zero], title, moves=True, height=180))
    return Chart(panels, axes.noted([examined.summary(table, "outward_kept", arm)]), width=300)


def spread(shown: Shown, arms: Sequence[str]) -> Chart:
    """How evenly connections are spread over units, and the numbers of connections of the units at one density."""
    (arm, *_), panels = arms, []
    names = connections.layers_of(shown)
    for way, title in connections.WAYS.items():
        lines = []
        for layer, (colour, marker) in layers.looks(names).items():
            lines.append(Line(layers.name(layer), colour, _line(shown, f"unevenness_{way}", arm, layer), marker))
            chance = _line(shown, f"unevenness_{way}_chance", arm, layer)
            lines.append(Line(f"{layers.name(layer)}, random mask", colour, chance, "", ":"))
        y = Axis("Gini coefficient", ".3f", from_zero=True)
        panels.append(Panel(_densities(shown), y, lines, title=title, moves=True, height=210))
    panels = chart.shared(panels)
    panels += [_sorted(shown, arm, way, title) for way, title in connections.WAYS.items()]
    return Chart(panels, axes.noted([examined.summary(layers.numbers(shown.outcome), "spread", arm, names[0])]), width=400)


def _sorted(shown: Shown, arm: str, way: str, title: str) -> Panel:
    """Numbers of connections divided by their mean, from the unit with the most."""
    import pandas as pd

    table, number = layers.profiles(shown.outcome), layers.rounds(shown, arm, connections.MOST)[-1]
    lines, density = [], ""
    for layer, (colour, _) in layers.looks(connections.layers_of(shown)).items():
        rows = examined.of(table, f"{way}puts_sorted", arm, layer)
        rows = rows[rows["round"] == number]
        counts = rows["value"].to_numpy()
        ranks = 100 * (np.arange(counts.size) + 0.5) / counts.size
        lines.append(Line(layers.name(layer), colour, pd.DataFrame({"x": ranks, "y": counts / (counts.mean() or 1)})))
        density = percent(float(rows["density"].iloc[0]))
    x = Axis("Units, from the most connections (%)", ".1f", limits=(0, 100))
    y = Axis("Connections, relative to the mean", ".2f", limits=(0, connections.SHOWN))
    return Panel(x, y, lines, [Level("", style.GREY, 1.0, dashes="-")], f"{title} at {density}%", height=210)


def overlaps(shown: Shown, arms: Sequence[str]) -> Chart:
    """What masks have in common, for all layers together."""
    (arm, *_), panels = arms, []
    for title, (lines_of, chance) in overlap.PANELS.items():
        lines = [
            Line(label.format(arm=shown.label(arm)), look[0], _line(shown, quantity, DENSE if of_dense else arm, ""), look[1])
            for quantity, of_dense, look, label in lines_of
        ]
        lines.append(Line("Random masks", style.GREY, _line(shown, chance, arm, ""), "", ":"))
        y = Axis("Share", ".3f", "share")
        panels.append(Panel(_densities(shown), y, lines, title=title, moves=True))
    note = axes.noted([examined.summary(layers.numbers(shown.outcome), "overlap_one_shot", arm)])
    return Chart(chart.shared(panels), note)


def picture(shown: Shown, masks: Counts) -> Picture | None:
    """The input pixels of the tickets' masks; None where the inputs are not the pixels of a square. masks: of single replicates,
    which are noisier than the mean, so that their images have a scale of their own.
    """
    main = shown.outcome.main
    side = connections.side(shown, main) if shown.outcome.profiles is not None else 0
    if not side:
        return None
    images, tops = [], []
    for number, rows in connections.inputs(shown, main).groupby("round"):
        mean, single = rows["value"].to_numpy(), masks.get(int(str(number)), {})
        images += [Image(int(str(number)), None, mean.tolist())]
        images += [Image(int(str(number)), seed, count.tolist()) for seed, count in single.items()]
        tops.append((connections.top(mean), connections.top(np.array([*(single or {0: mean}).values()]))))
    return Picture(side, images, tops)
