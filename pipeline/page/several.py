"""The charts over several experiments. Each shows what the figure of the same name in pipeline/figures shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.figures import axes, early_bird, names, stability, style
from pipeline.figures import several as drawn
from pipeline.figures.shown import Shown
from pipeline.page import chart, single
from pipeline.page.chart import Axis, Chart, Level, Line, Panel
from pipeline.results import statistics
from pipeline.results.statistics import percent


def stops(shown: Shown, details: Sequence[str]) -> Chart:
    """Early stop and the metric there. Tickets with dropout and without it have the same colour."""
    twins = drawn.without_dropout(shown)
    main = [name for name in shown.outcomes if name not in twins.values()]
    tables = {name: drawn.lines_of(outcome) for name, outcome in shown.outcomes.items()}
    panels = []
    for measure, (y, scale) in single.stop_axes(shown.metric).items():
        lines, levels = [], []
        for i, name in enumerate(main):
            (colour, marker), label = style.pair(i), names.label(shown.config, name, main, details)
            for rows, dashes in tables[name]:
                lines.append(Line(_of_arm(label, dashes), colour, chart.points(rows, measure, scale), marker, dashes))
            if name in twins:
                rows = tables[twins[name]][0][0]
                lines.append(Line(f"{label}: the same without dropout", colour, chart.points(rows, measure, scale), marker, ":"))
            for row in axes.levels(shown.outcomes[name], measure):
                place = scale * float(row[f"{measure}_mean"])
                levels.append(Level(f"{label}: {shown.label(row['arm'])}", colour, place, dashes=style.LONGER))
        panels.append(Panel(chart.density(*drawn.densities(shown.outcomes)), y, lines, levels))
    used = [table for lines_of in tables.values() for table, _ in lines_of]
    marked = any((table["censored"] > 0).any() for table in used)
    return Chart(panels, f"{axes.noted(used)} {drawn.void(shown)}".strip(), marked)


def _of_arm(label: str, dashes: str) -> str:
    return label if dashes == "-" else f"{label}: random reinit"


def points_of_training(shown: Shown, details: Sequence[str]) -> Chart:
    """The metric at three points of training."""
    tables, scale, panels = {name: outcome.points() for name, outcome in shown.outcomes.items()}, shown.metric.shown(1.0), []
    for point, title in enumerate(drawn.THIRDS):
        lines, levels = [], []
        for i, (name, table) in enumerate(tables.items()):
            (colour, marker), label = style.pair(i), names.label(shown.config, name, [*tables], details)
            now = table[table["point"] == point]
            for rows, dashes in drawn.lines_of(shown.outcomes[name], now):
                lines.append(Line(_of_arm(label, dashes), colour, chart.points(rows, "value", scale), marker, dashes))
            for row in shown.outcomes[name].full if point == len(drawn.THIRDS) - 1 else []:
                end = now[(now["arm"] == row["arm"]) & (now["round"] == row["round"])].iloc[0]
                place = scale * float(end["value_mean"])
                levels.append(Level(f"{label}: {shown.label(row['arm'])}", colour, place, dashes=style.LONGER))
        panels.append(
            Panel(chart.density(*drawn.densities(shown.outcomes), 5), single.test(shown.metric), lines, levels, title, height=230)
        )
    used = [table.drop(columns="censored") for outcome in shown.outcomes.values() for table, _ in drawn.lines_of(outcome)]
    return Chart(chart.shared(panels), axes.noted(used), width=250)


def instability(shown: Shown, details: Sequence[str]) -> Chart:
    """The loss on the line between two trainings, and the instability against density."""
    scale, unit = shown.metric.shown(1.0), "points" if shown.metric.is_fraction else shown.metric.unit
    tables = {name: stability.instabilities(outcome) for name, outcome in shown.outcomes.items()}
    between, against = [], []
    for i, (name, table) in enumerate(tables.items()):
        (colour, marker), label = style.pair(i), names.label(shown.config, name, [*tables], details)
        against.append(Line(label, colour, chart.points(table, "value", scale), marker))
        for place, dashes, which in ((0, "-", "dense"), (-1, "--", "smallest ticket")) if len(table) else ():
            rows = stability.along(shown.outcomes[name], table.iloc[place])
            line = rows[["position", "value"]].rename(columns={"position": "x", "value": "y"})
            between.append(Line(f"{label}: {which}", colour, line.assign(y=scale * line["y"]).reset_index(drop=True), "", dashes))
    used = [float(density) for table in tables.values() for density in table["density"]]
    loss = Axis(f"Loss of {shown.metric.words} on the line ({unit})".replace(" ()", ""), ".2f")
    of = Axis(f"Instability ({unit})".replace(" ()", ""), ".2f", from_zero=True)
    stable = [Level(f"{100 * stability.STABLE:g} points", style.GREY, scale * stability.STABLE, dashes=":")]
    panels = [
        Panel(Axis("Position on the line between the ends", ".2f"), loss, between),
        Panel(chart.density(used or [1.0], sorted({*used}) or [1.0]), of, against, stable if shown.metric.is_fraction else []),
    ]
    found = [table for table in tables.values() if len(table)]
    return Chart(panels, axes.noted(found) if found else "")


def early(shown: Shown, details: Sequence[str]) -> Chart:
    """How much of the final mask early iterations determine."""
    import pandas as pd

    tables, lines = early_bird.by_rewind(shown), []
    longest = max(tables.values(), key=len)
    for i, number in enumerate(statistics.nearest_rounds(longest, early_bird.SHOWN)):
        there = {
            rewind: rows[rows["round"] == number].iloc[0] for rewind, rows in tables.items() if (rows["round"] == number).any()
        }
        ends = {key: [100 * row[f"value_{how}"] for row in there.values()] for key, how in _ENDS.items()}
        colour, marker = style.pair(i)
        label = f"{percent(next(iter(there.values()))['density'])}% of the weights"
        lines.append(Line(label, colour, pd.DataFrame({"x": [*there], **ends, "open": 0, "round": -1}), marker))
    x = Axis("Point of dense training", kind="names", names=[*tables])
    y = replace(Axis("Share of the final mask (%)", ".1f"), limits=(0.0, 105.0))
    return Chart([Panel(x, y, lines)], axes.noted([rows for rows in tables.values() if len(rows)]))


_ENDS = {"y": "mean", "low": "min", "high": "max"}
