"""Many criteria and scopes: the metric against density, one panel for each arm, from the best to the worst at the last density.

Each panel repeats the references of all arms: the dense network, the ticket and random pruning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.figures import axes, style
from pipeline.figures.shown import Shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipeline.results.outcome import Outcome

RANDOM = "random"  # the arm that is the baseline of all others
COLUMNS, ROW = 4, 1.45  # panels beside each other, and inches of a row of panels
BEST = 100.3  # in percent; on the axis, this value is infinitely far away
ACCURACIES = (10, 50, 80, 90, 95, 97, 98, 99)  # the labels of that axis


def ranked(outcome: Outcome, arms: Sequence[str]) -> list[str]:
    """The arms from the best to the worst, each in its last round."""
    last = {arm: float(outcome.rows(arm).sort_values("density").iloc[0]["value_mean"]) for arm in arms}
    return sorted(arms, key=lambda arm: -outcome.metric.gain(last[arm], 0.0))


def draw(shown: Shown, arms: Sequence[str]) -> Figure:
    """arms: all that are compared, including the references."""
    outcome = shown.outcome
    references = [arm for arm in (outcome.main, RANDOM) if arm in outcome.arms]
    chosen = ranked(outcome, [arm for arm in arms if arm not in references])
    rows = math.ceil(len(chosen) / COLUMNS)
    figure = axes.canvas(0.9 + ROW * rows)
    panels = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False)
    used = [float(d) for arm in (*chosen, RANDOM) for d in outcome.rows(arm)["density"]]
    for i, panel in enumerate(panels.flat):
        if i >= len(chosen):
            panel.set_axis_off()
            continue
        _panel(panel, shown, chosen[i], references)
        _value_axis(panel, shown)
        axes.density_axis(panel, used, sorted({*used}, reverse=True), most=4)
        panel.set_xlabel("")
        panel.tick_params(labelbottom=i + COLUMNS >= len(chosen))
        panel.set_title(style.capital(shown.label(chosen[i])), fontsize=8.5)
    figure.supylabel(axes.at_early_stop(shown.metric), fontsize=9)
    figure.legend(handles=_legend(shown, references), loc="outside upper center", ncols=4)
    axes.note(figure, [outcome.rows(arm) for arm in (*chosen, *references)], f"Horizontal axes: {axes.WEIGHTS.lower()}")
    return figure


LOOKS = ((style.GREEN, "o", "-"), (style.VERMILLION, "^", ":"))  # of the ticket and of random pruning


def _panel(panel: Axes, shown: Shown, arm: str, references: Sequence[str]) -> None:
    outcome, scale = shown.outcome, shown.metric.shown(1.0)
    axes.level(panel, outcome.dense, "value", style.GREY, "--", scale)
    for reference, (colour, marker, dashes) in zip(references, LOOKS, strict=False):
        rows = outcome.rows(reference)
        rows = rows[rows["density"] >= float(outcome.rows(arm)["density"].min()) * 0.9].drop(columns="censored")
        axes.line(panel, rows, "value", colour, marker, dashes, scale, linewidth=1.0, markersize=2.5)
    axes.line(panel, outcome.rows(arm).drop(columns="censored"), "value", style.BLUE, "s", "-", scale, linewidth=1.8, zorder=3)


def _value_axis(panel: Axes, shown: Shown) -> None:
    """An accuracy's distance from 100% on a logarithmic scale, because arms differ by a tenth of a point or by tens of points."""
    if not (shown.metric.is_fraction and shown.metric.better == "higher"):
        return
    import numpy as np
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    panel.set_yscale(
        "function", functions=(lambda v: -np.log10(np.maximum(BEST - v, 1e-3)), lambda place: BEST - 10.0 ** -np.asarray(place))
    )
    panel.yaxis.set_major_locator(FixedLocator(ACCURACIES))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _legend(shown: Shown, references: Sequence[str]) -> list[object]:
    found = [
        axes.handle(style.BLUE, "s", "-", label="The panel's arm"),
        axes.handle(style.GREY, None, "--", label="Dense network"),
    ]
    for reference, (colour, marker, dashes) in zip(references, LOOKS, strict=False):
        found.append(axes.handle(colour, marker, dashes, label=style.capital(shown.label(reference))))
    return list(found)
