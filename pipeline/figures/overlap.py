"""How much the masks of tickets have in common with those of other replicates and with those found in other ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.figures import axes, layers, style
from pipeline.figures.shown import Shown
from pipeline.results import examined
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The lines of each panel: the quantity, whether it belongs to the arm dense, the look and the label.
OVERLAPS = (
    ("overlap_one_shot", False, (style.GREEN, "s"), "With the one-shot mask"),
    ("overlap_replicates", False, (style.BLUE, "o"), "With other replicates"),
)
FOUND = (
    ("mask_found_at_rewind", False, (style.BLUE, "o"), "Of the {arm}"),
    ("early_bird", True, (style.GREEN, "s"), "Of the one-shot mask"),
)
PANELS = {
    "Overlap of masks (Jaccard index)": (OVERLAPS, "overlap_one_shot_chance"),
    "Share found by magnitude at the rewind point": (FOUND, "mask_found_at_rewind_chance"),
}


def draw(shown: Shown, arms: Sequence[str]) -> Figure:
    """Draws the values for all layers together. arms: the arm whose masks are shown, as the first element."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    outcome, (arm, *_) = shown.outcome, arms
    figure = axes.canvas(3.3)
    densities = [1.0, *outcome.tickets["density"]]
    for panel, (title, (lines, chance)) in zip(figure.subplots(1, 2, sharey=True), PANELS.items(), strict=True):
        for quantity, of_dense, look, label in lines:
            layers.line(panel, outcome, quantity, DENSE if of_dense else arm, "", look)
            panel.plot([], [], color=look[0], marker=look[1], label=label.format(arm=shown.label(arm)))
        layers.line(panel, outcome, chance, arm, "", (style.GREY, ""), ":")
        panel.plot([], [], color=style.GREY, linestyle=":", label="Random masks")
        axes.density_axis(panel, densities, densities)
        panel.set(title=title, yscale="log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.set_ylim(top=1.1)
        panel.legend(loc="lower left")
    axes.note(figure, [examined.summary(layers.numbers(outcome), "overlap_one_shot", arm)])
    return figure
