"""Figures 4 to 6, which show several experiments: convolutional networks, dropout, deep networks (sections 3 and 4)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.style
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.results import family, figures, paper, recipe, statistics
from pipeline.results.figures import BLACK, BLUE, GREEN, HEIGHT, ORANGE, PURPLE, SKY, STYLE, VERMILLION, WIDTH
from pipeline.settings.config import Config

COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK)
MARKERS = ("o", "^", "s", "D", "v", "P")
GREY = "#555555"
STYLES = {"ticket": "-", "reinit": "--"}
KEYS: dict[str, tuple[str, Any]] = {
    "ticket": ("Ticket", "-"),
    "reinit": ("Random reinit", "--"),
    "plain": ("Ticket, without dropout", ":"),
}
POINTS = ("A third of training", "Two thirds", "The end")


def draw(config: Config, rounds: Mapping[str, pd.DataFrame], curves: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """The figures of a report that has these experiments, by the name of their files; curves: of the deep ones."""
    names, drawn = list(rounds), {}
    tables = {name: statistics.summary(table) for name, table in rounds.items()}
    with matplotlib.style.context(STYLE, after_reset=True):
        for number in family.COMPARISONS:
            if chosen := family.members(config, names, number):
                deep = number == family.DEEP
                drawn[paper.COMPARISONS[number].file] = (
                    _deep(config, {name: curves[name] for name in chosen})
                    if deep
                    else _conv(config, {name: tables[name] for name in chosen})
                )
    return drawn


def _conv(config: Config, tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Early-stop iteration and test accuracy there against density: a colour a network, which with dropout keeps it."""
    with_dropout = [name for name in tables if family.figure(config.experiment(name)) == family.DROPOUT]
    twins = {name: family.without_dropout(config, list(tables), name) for name in with_dropout}
    main = with_dropout or list(tables)
    figure = _figure(config, {name: tables[name] for name in main}, plain=any(twins.values()))
    panels = figures.early_stop_panels(figure)
    for axes, measure in panels.items():
        for i, name in enumerate(main):
            colour, marker = _look(i)
            for arm, style in STYLES.items():
                rows = tables[name][tables[name]["arm"] == arm].sort_values("density")
                figures.line(axes, rows, measure, colour, marker, style)
            if twin := twins.get(name):
                rows = tables[twin][tables[twin]["arm"] == "ticket"].sort_values("density")
                figures.line(axes, rows, measure, colour, marker, ":", markerfacecolor="white")
        _density_axis(axes, list(tables.values()))
    next(iter(panels)).set_ylim(bottom=0)
    return figure


def _deep(config: Config, curves: Mapping[str, pd.DataFrame]) -> Figure:
    """Test accuracy against density, a panel for each point of training and a colour an experiment."""
    tables = {name: statistics.at_points(table[table["arm"].isin(list(STYLES))]) for name, table in curves.items()}
    figure = _figure(config, tables)
    panels = figure.subplots(1, len(POINTS), sharey=True, gridspec_kw={"wspace": 0.06})
    for point, axes in enumerate(panels):
        shown = {name: table[table["point"] == point] for name, table in tables.items()}
        for i, rows in enumerate(shown.values()):
            for arm, style in STYLES.items():
                figures.line(axes, rows[rows["arm"] == arm].sort_values("density"), "test_accuracy", *_look(i), style)
        _density_axis(axes, list(shown.values()), most=4)
        iterations = sorted({int(i) for rows in shown.values() for i in rows["iteration"]})
        at = f"\n{' and '.join(f'{i:,}' for i in iterations)} iterations" if len(iterations) < 3 else ""
        axes.set_title(POINTS[point] + at, fontsize=STYLE["axes.labelsize"])
        axes.set_xlabel("")
    panels[0].set_ylabel("Test Accuracy")
    figure.supxlabel(figures.PERCENT, fontsize=STYLE["axes.labelsize"])
    return figure


def _figure(config: Config, tables: Mapping[str, pd.DataFrame], plain: bool = False) -> Figure:
    """With its legend: a colour an experiment, and in grey what the lines mean. plain: whether the third kind is among them."""
    names = list(tables)
    colours = {recipe.label(config, name, names): _line(*_look(i), "none") for i, name in enumerate(names)}
    has_reinit = any("reinit" in set(table["arm"]) for table in tables.values())
    kinds = ["ticket", *(["reinit"] if has_reinit else []), *(["plain"] if plain else [])]
    lines = {KEYS[kind][0]: _line(GREY, None, KEYS[kind][1]) for kind in kinds}
    height = math.ceil(len(colours) / (1 if len(colours) < 4 else 2))
    figure = Figure(figsize=(WIDTH, HEIGHT + 0.18 * (height - 1)), layout="constrained")
    # Legends are filled column by column: experiments and lines get columns of their own.
    entries = [
        entry
        for part in (colours, lines)
        for entry in [*part.items(), *[("", _line(GREY, None, "none"))] * (-len(part) % height)]
    ]
    figure.legend(
        [line for _, line in entries], [label for label, _ in entries], loc="outside upper center", ncols=len(entries) // height
    )
    return figure


def _line(colour: str, marker: str | None, style: Any) -> Line2D:
    return Line2D([], [], color=colour, marker=marker, linestyle=style)


def _density_axis(axes: Axes, tables: Sequence[pd.DataFrame], most: int = 7) -> None:
    """Its labels are the densities of the experiment that goes furthest."""
    shown = pd.concat([table[table["arm"].isin(list(STYLES))]["density"] for table in tables])
    furthest = min(tables, key=lambda table: float(table["density"].min()))
    figures.density_axis(axes, shown, furthest[furthest["arm"] == "ticket"]["density"], most)


def _look(i: int) -> tuple[str, str]:
    """Colour and marker: another pair for each of 42 experiments."""
    return COLOURS[i % len(COLOURS)], MARKERS[(i + i // len(COLOURS)) % len(MARKERS)]
