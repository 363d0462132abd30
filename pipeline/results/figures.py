"""The figures of one experiment (section 2): learning curves, and early stop of tickets and of the other arms.

Every file is byte for byte the same for the same tables: no dates, no random ids, no settings of the user's.
"""

import math
from collections.abc import Iterable, Sequence
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
from pipeline.values.lanes import ARMS

# Okabe & Ito's colours, which the colour-blind can tell apart; without yellow, which is faint on white.
BLACK, BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
CURVES = ((BLACK, "o"), (VERMILLION, "s"), (BLUE, "^"), (ORANGE, "D"), (GREEN, "v"), (PURPLE, "P"), (SKY, "X"))
LOOKS = {  # colour, marker, line: an arm looks the same in every figure
    "ticket": (BLUE, "o", "-"),
    "one_shot": (GREEN, "s", "-"),
    "lr_rewind": (ORANGE, "D", "-"),
    "fine_tune": (SKY, "v", "-"),
    "continued": (BLACK, "X", "-"),
    "reinit": (VERMILLION, "^", "--"),
    "one_shot_reinit": (PURPLE, "D", "--"),
    # The two colours of one-shot pruning, which is in no figure with these.
    "random_mask": (GREEN, "P", ":"),
    "shuffled_mask": (PURPLE, "<", ":"),
}
ONE_SHOT = ("ticket", "one_shot", "reinit", "one_shot_reinit")
OTHERS = ("lr_rewind", "fine_tune", "continued", "random_mask", "shuffled_mask")  # shown beside ticket and reinit
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
    """The figures that have something to show, by the name of their files: one_shot and arms only when such were trained."""
    table = statistics.summary(rounds)
    trained = set(table["arm"])
    with matplotlib.style.context(STYLE, after_reset=True):
        figures = {
            "learning_curves": learning_curves(curves, densities),
            "early_stop": early_stop(table, ("ticket", "reinit")),
        }
        if "one_shot" in trained:
            figures["one_shot"] = early_stop(table, ONE_SHOT)
        if trained.intersection(OTHERS):
            figures["arms"] = early_stop(table, ("ticket", "reinit", *OTHERS))
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
    """Early-stop iteration, and test accuracy there, against density; an arm that is not there is left out."""
    shown = table[table["arm"].isin(list(arms))]
    entries = shown["arm"].nunique() + 1
    columns = 2 if entries == 4 else 3
    figure = Figure(figsize=(WIDTH, HEIGHT + 0.18 * max(0, math.ceil(entries / columns) - 2)), layout="constrained")
    panels = early_stop_panels(figure)
    for axes, measure in panels.items():
        for arm in (arm for arm in ARMS if arm in arms):
            rows = shown[shown["arm"] == arm].sort_values("density")
            if arm != "ticket" and ARMS[arm].start != "fresh" and not rows.empty:  # with all weights it is the dense network
                rows = pd.concat([rows, shown[(shown["arm"] == "ticket") & (shown["round"] == 0)]])
            label = ARMS[arm].label
            line(axes, rows, measure, *LOOKS[arm], label=label[0].upper() + label[1:])
        dense = statistics.at_round(table, "ticket", 0)
        if dense is not None:
            axes.axhline(dense[f"{measure}_mean"], color="#555555", linewidth=0.8, linestyle=(0, (4, 3)), label="Dense network")
        density_axis(axes, shown["density"], table[table["arm"] == "ticket"]["density"])
    left = next(iter(panels))
    left.set_ylim(bottom=0)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=columns)
    return figure


def early_stop_panels(figure: Figure) -> dict[Axes, str]:
    """Two panels, each with what it shows."""
    left, right = figure.subplots(1, 2)
    left.set_ylabel("Early-Stop Iteration (Val.)")
    left.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.0f}"))
    right.set_ylabel("Accuracy at Early-Stop (Test)")
    return {left: "early_stop_iteration", right: "accuracy_at_early_stop"}


def line(axes: Axes, rows: pd.DataFrame, measure: str, colour: str, marker: str, style: str, **more: Any) -> None:
    """A measure's mean against density, in a band from its smallest to its largest; nothing when there are no rows."""
    if rows.empty:
        return
    axes.plot(rows["density"], rows[f"{measure}_mean"], color=colour, marker=marker, linestyle=style, **more)
    axes.fill_between(rows["density"], rows[f"{measure}_min"], rows[f"{measure}_max"], color=colour, alpha=0.15, linewidth=0)


def density_axis(axes: Axes, shown: "pd.Series[float]", tickets: Iterable[float], most: int = 7) -> None:
    """From the densest to the sparsest of those shown, in logarithms; at most so many labels, at densities of tickets."""
    axes.set_xscale("log")
    axes.set_xlim(max(1.0, shown.max()) * 1.08, min(shown.min() / 1.08, 0.9))
    axes.xaxis.set_major_locator(FixedLocator(_ticks(sorted(set(tickets), reverse=True), most)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: statistics.percent(x)))
    axes.set_xlabel(PERCENT)


def _ticks(densities: Sequence[float], most: int = 7) -> list[float]:
    """As many of the rounds' densities as have room for their labels, from the densest."""
    gap = (densities[0] / densities[-1]) ** (1 / (most - 0.5))
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
