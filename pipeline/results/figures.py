"""The figures of section 2: learning curves, early stop of tickets and reinit, the same for one-shot pruning.

Every file is byte for byte the same for the same tables: no dates, no random ids, no settings of the user's.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from pipeline.files import store
from pipeline.results import statistics

# Okabe & Ito's colours, which the colour-blind can tell apart; without yellow, which is faint on white.
BLACK, BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
CURVES = ((BLACK, "o"), (VERMILLION, "s"), (BLUE, "^"), (ORANGE, "D"), (GREEN, "v"), (PURPLE, "P"), (SKY, "X"))
ARMS = {  # label, colour, marker, line: an arm looks the same in every figure
    "ticket": ("Ticket (iterative)", BLUE, "o", "-"),
    "one_shot": ("Ticket (one-shot)", GREEN, "s", "-"),
    "reinit": ("Random reinit (iterative)", VERMILLION, "^", "--"),
    "one_shot_reinit": ("Random reinit (one-shot)", PURPLE, "D", "--"),
}
PERCENT = "Percent of Weights Remaining"
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "savefig.facecolor": "white",  # readable on a dark page too
    "svg.fonttype": "path",  # looks the same wherever it is opened, whatever fonts are there
    "svg.hashsalt": "lottery",
}
WIDTH, HEIGHT = 7.4, 3.3  # inches


def draw(rounds: pd.DataFrame, curves: pd.DataFrame, densities: Sequence[float]) -> dict[str, Figure]:
    """The figures that have something to show, by the name of their files: one_shot only when that arm was trained."""
    table = statistics.summary(rounds)
    with matplotlib.style.context(STYLE, after_reset=True):
        figures = {
            "learning_curves": learning_curves(curves, densities),
            "early_stop": early_stop(table, ("ticket", "reinit")),
        }
        if "one_shot" in set(table["arm"]):
            figures["one_shot"] = early_stop(table, tuple(ARMS))
    return figures


def save(figures: dict[str, Figure], folder: Path, dpi: int) -> None:
    """Writes each figure as SVG and PNG; the folder then holds nothing else."""
    with matplotlib.style.context(STYLE, after_reset=True), store.replacing(folder) as temporary:
        temporary.mkdir()
        for name, figure in figures.items():
            figure.savefig(temporary / f"{name}.svg", metadata={"Date": None, "Creator": None})
            figure.savefig(temporary / f"{name}.png", dpi=dpi, metadata={"Software": None})


def learning_curves(curves: pd.DataFrame, densities: Sequence[float]) -> Figure:
    """Figure 1: test accuracy of the tickets nearest to these densities while they train."""
    figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    axes = figure.add_subplot()
    chosen = _nearest_rounds(curves, densities)
    for i, lines in enumerate(chosen):
        colour, marker = CURVES[i % len(CURVES)]
        label = statistics.percent(float(lines["density"].iloc[0]))
        # Markers on few points, and not on the same ones: otherwise they hide the lines.
        every = max(1, len(lines) // 10)
        axes.plot(
            lines["iteration"], lines["test_accuracy_mean"], color=colour, marker=marker, label=label,
            markevery=(i * every // len(chosen), every), linestyle="-" if i < len(CURVES) else "--",
        )  # fmt: skip
        axes.fill_between(
            lines["iteration"], lines["test_accuracy_min"], lines["test_accuracy_max"], color=colour, alpha=0.13, linewidth=0
        )
    axes.set(xlabel="Training Iterations", ylabel="Test Accuracy", xlim=(0, float(curves["iteration"].max()) or 1))
    axes.set_ylim(*_zoom(chosen))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    figure.legend(loc="outside right center", title="Percent of\nWeights\nRemaining", alignment="left")
    return figure


def early_stop(table: pd.DataFrame, arms: Sequence[str]) -> Figure:
    """Figures 2 and 3: early-stop iteration, and test accuracy there, against density; an arm that is not there is left out."""
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    left, right = figure.subplots(1, 2)
    _against_density(left, table, arms, "early_stop_iteration")
    _against_density(right, table, arms, "accuracy_at_early_stop")
    left.set_ylabel("Early-Stop Iteration (Val.)")
    left.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.0f}"))
    left.set_ylim(bottom=0)
    right.set_ylabel("Accuracy at Early-Stop (Test)")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3 if len(handles) != 4 else 2)
    return figure


def _against_density(axes: Axes, table: pd.DataFrame, arms: Sequence[str], measure: str) -> None:
    for arm in (arm for arm in ARMS if arm in arms):
        rows = table[table["arm"] == arm].sort_values("density")
        if arm == "one_shot" and not rows.empty:  # its pruning starts from the same dense network
            rows = pd.concat([rows, table[(table["arm"] == "ticket") & (table["round"] == 0)]])
        label, colour, marker, line = ARMS[arm]
        if not rows.empty:
            axes.plot(rows["density"], rows[f"{measure}_mean"], color=colour, marker=marker, linestyle=line, label=label)
            axes.fill_between(
                rows["density"], rows[f"{measure}_min"], rows[f"{measure}_max"], color=colour, alpha=0.15, linewidth=0
            )
    dense = statistics.at_round(table, "ticket", 0)
    if dense is not None:
        axes.axhline(dense[f"{measure}_mean"], color="#555555", linewidth=0.8, linestyle=(0, (4, 3)), label="Dense network")
    shown = table[table["arm"].isin(list(arms))]["density"]
    ticks = _ticks(sorted(set(table[table["arm"] == "ticket"]["density"]), reverse=True))
    axes.set_xscale("log")
    axes.set_xlim(max(1.0, shown.max()) * 1.08, min(shown.min() / 1.08, 0.9))
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: statistics.percent(x)))
    axes.set_xlabel(PERCENT)


def _ticks(densities: Sequence[float]) -> list[float]:
    """As many of the rounds' densities as have room for their labels, from the densest; at most 7."""
    gap = (densities[0] / densities[-1]) ** (1 / 6.5)
    ticks = list(densities[:1])
    for density in densities[1:]:
        if density <= ticks[-1] / gap:
            ticks.append(density)
    return ticks


def _nearest_rounds(curves: pd.DataFrame, densities: Sequence[float]) -> list[pd.DataFrame]:
    """The ticket's curves at these densities, from the densest; two densities nearest to one round give one curve."""
    tickets = curves[curves["arm"] == "ticket"]
    known = tickets.drop_duplicates("round")
    chosen = sorted({int(known["round"].iloc[int((known["density"] / d).map(math.log).abs().argmin())]) for d in densities})
    return [tickets[tickets["round"] == number].sort_values("iteration") for number in chosen]


def _zoom(curves: Sequence[pd.DataFrame]) -> tuple[float, float]:
    """Limits that show the differences: they leave out the climb of the first evaluations, but no curve's end.

    Differs: the paper's figures zoom by hand.
    """
    early, ends, best = [], [], 0.0
    for lines in curves:
        mean = lines["test_accuracy_mean"]
        # A twelfth of the training, an epoch of `lenet`: by then a network is past the steep part of its climb.
        after = lines["iteration"] >= lines["iteration"].max() / 12
        early.append(float(mean[after].iloc[0]))
        ends.append(float(lines["test_accuracy_min"].iloc[-1]))
        best = max(best, float(lines["test_accuracy_max"].max()))
    low = min(sorted(early)[(len(early) - 1) // 2], *ends)
    margin = max((best - low) * 0.06, 0.001)
    steps = MaxNLocator(nbins=8).tick_values(low - margin, best + margin)
    return max(0.0, float(steps[0])), min(1.0, best + margin)
