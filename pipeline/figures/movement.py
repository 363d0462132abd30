"""How far the weights of tickets and the other weights move in training, by layer (the paper's appendix F.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.figures import axes, layers, style
from pipeline.figures.shown import Shown
from pipeline.results import examined

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = {"outward": "Away from zero", "moved": "In any direction"}
LINES = {  # by the ending of the quantity's name: the look of the line, its dashes and its label
    "_kept": ((style.BLUE, "o"), "-", "The {arm}'s weights in dense training"),
    "_rest": ((style.VERMILLION, "^"), "--", "The other weights in dense training"),
    "": ((style.BLACK, "s"), ":", "The {arm}'s weights in its own training"),
}


def draw(shown: Shown, arms: Sequence[str]) -> Figure:
    """One column of panels for each layer. arms: the arm whose weights are shown, as the first element."""
    outcome, (arm, *_) = shown.outcome, arms
    table = layers.numbers(outcome)
    names = examined.layers(table, "outward_kept")
    figure = axes.canvas(4.6)
    panels = figure.subplots(len(ROWS), len(names), squeeze=False, sharex=True)
    for row, (quantity, label) in zip(panels, ROWS.items(), strict=True):
        for panel, layer in zip(row, names, strict=True):
            for suffix, (look, dashes, _) in LINES.items():
                layers.line(panel, outcome, f"{quantity}{suffix}", arm, layer, look, dashes)
            panel.axhline(0, color=style.GREY, linewidth=0.8)
            axes.density_axis(panel, [1.0, *outcome.tickets["density"]], [1.0, *outcome.tickets["density"]], most=5)
            panel.set_xlabel("")
        row[0].set_ylabel(f"{label}\n(mean over weights)")
    for panel, layer in zip(panels[0], names, strict=True):
        panel.set_title(layers.name(layer))
    for panel in panels[-1]:
        panel.set_xlabel(axes.WEIGHTS)
    handles = [axes.handle(*look, dashes, label=text.format(arm=shown.label(arm))) for look, dashes, text in LINES.values()]
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    axes.note(figure, [examined.summary(table, "outward_kept", arm)])
    return figure
