"""The charts of one experiment's rounds. Each shows what the figure of the same name in pipeline/figures shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.figures import axes, criteria, differences, early_stop, learning_curves, structures, style
from pipeline.figures.shown import Shown
from pipeline.page import chart
from pipeline.page.chart import Axis, Bars, Chart, Level, Line, Panel
from pipeline.results import statistics
from pipeline.results.statistics import percent
from pipeline.settings import measured
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.results.metric import Metric


def curves(shown: Shown, arms: Sequence[str]) -> Chart:
    """Learning curves."""
    outcome = shown.outcome
    if outcome.curves is None:
        raise ValueError("learning curves are drawn from curves.csv")
    chosen = learning_curves.at_densities(outcome.curves, arms[0], shown.config.figures.densities)
    lines = []
    for i, rows in enumerate(chosen):
        label = f"{percent(float(rows['density'].iloc[0]))}% of the weights"
        look = learning_curves.LINES[i % len(learning_curves.LINES)][0]
        lines.append(Line(label, look, curve(rows, outcome.metric), dashes="-" if i < len(learning_curves.LINES) else "--"))
    limits = learning_curves.zoom(chosen, outcome.metric)
    panel = Panel(iterations(chosen), replace(test(outcome.metric), limits=limits), lines, height=330)
    table = outcome.table
    used = table[table["arm"].isin([DENSE, arms[0]]) & table["round"].isin({int(rows["round"].iloc[0]) for rows in chosen})]
    text, _ = learning_curves.cut(limits, chosen, outcome.metric)
    return Chart([panel], f"{axes.noted([used])} {text}".strip())


def curve(rows: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """The points of a learning curve."""
    names = {f"{metric.test}_{how}": f"value_{how}" for how in ("mean", "min", "max")}
    return chart.points(rows.rename(columns=names), "value", metric.shown(1.0), "iteration")


def iterations(curves: Sequence[pd.DataFrame]) -> Axis:
    return Axis("Training iteration", ",.0f", limits=(0, max(float(rows["iteration"].max()) for rows in curves) or 1))


def test(metric: Metric) -> Axis:
    """The metric on the test set."""
    return chart.metric(metric, metric.axis("Test"))


def stop_axes(metric: Metric) -> dict[str, tuple[Axis, float]]:
    """The vertical axes of early-stop panels, each with the factor that brings its measure to the axis' unit."""
    value = chart.metric(metric, axes.at_early_stop(metric))
    return {"stop": (chart.stops(), 1.0), "value": (value, float(metric.shown(1.0)))}


def stops(shown: Shown, arms: Sequence[str]) -> Chart:
    """Early stop and the metric there."""
    outcome, full = shown.outcome, {row["arm"]: row for row in shown.outcome.full}
    looks = style.looks([arm for arm in outcome.arms if arm in arms and arm != DENSE], shown.labels)
    table = outcome.table[outcome.table["arm"].isin([DENSE, *looks])]
    x, panels = chart.density(table["density"], [1.0, *outcome.tickets["density"]]), []
    for measure, (y, scale) in stop_axes(outcome.metric).items():
        lines = []
        for arm, look in looks.items():
            if arm not in full:
                points = chart.points(early_stop.rows_of(outcome, arm, look), measure, scale)
                lines.append(Line(look.label, look.colour, points, look.marker, look.line))
        levels = [chart.dense_level(scale * float(outcome.dense[f"{measure}_mean"]))]
        for row in axes.levels(outcome, measure):
            if row["arm"] in looks:
                look = looks[row["arm"]]
                levels.append(Level(look.label, look.colour, scale * float(row[f"{measure}_mean"]), dashes=look.line))
        panels.append(Panel(x, y, lines, levels, moves=True))
    marked = bool((table[~table["arm"].isin([*full])]["censored"] > 0).any())
    return Chart(panels, f"{axes.noted([table])} {axes.VOID if outcome.is_short else ''}".strip(), marked)


def ranking(shown: Shown, arms: Sequence[str]) -> Chart:
    """Criteria and scopes: one panel for each arm, from the best to the worst."""
    outcome, scale = shown.outcome, float(shown.metric.shown(1.0))
    references = [arm for arm in (outcome.main, criteria.RANDOM) if arm in outcome.arms]
    chosen = criteria.ranked(outcome, [arm for arm in arms if arm not in references])
    used = sorted({float(d) for arm in (*chosen, criteria.RANDOM) for d in outcome.rows(arm)["density"]}, reverse=True)
    y = _far_from_best(shown.metric)
    panels = []
    for arm in chosen:
        lines = []
        for reference, (colour, marker, dashes) in zip(references, criteria.LOOKS, strict=False):
            rows = outcome.rows(reference)
            rows = rows[rows["density"] >= float(outcome.rows(arm)["density"].min()) * 0.9].drop(columns="censored")
            label = style.capital(shown.label(reference))
            lines.append(Line(label, colour, _placed(chart.points(rows, "value", scale), y), marker, dashes))
        rows = outcome.rows(arm).drop(columns="censored")
        lines.append(Line("The panel's arm", style.BLUE, _placed(chart.points(rows, "value", scale), y), "s"))
        dense = _place(scale * float(outcome.dense["value_mean"]), y)
        title = style.capital(shown.label(arm))
        panels.append(Panel(chart.density(used, used, 4), y, lines, [chart.dense_level(dense)], title, height=150))
    return Chart(chart.shared(panels), axes.noted([outcome.rows(arm) for arm in (*chosen, *references)]), width=210)


def _far_from_best(metric: Metric) -> Axis:
    """An accuracy's distance from 100% in logarithms, as in the figure."""
    plain, _ = stop_axes(metric)["value"]
    if not (metric.is_fraction and metric.better == "higher"):
        return plain
    ticks = [_log(accuracy) for accuracy in criteria.ACCURACIES]
    return replace(plain, ticks=ticks, shown=f"{criteria.BEST} - pow(10, -value)", format=".2~f")


def _log(value: float) -> float:
    import math

    return -math.log10(max(criteria.BEST - value, 1e-3))


def _place(value: float, y: Axis) -> float:
    return value if y.shown == "value" else _log(value)


def _placed(points: pd.DataFrame, y: Axis) -> pd.DataFrame:
    return points.assign(**{column: [_place(float(v), y) for v in points[column]] for column in ("y", "low", "high")})


def intervals(shown: Shown, arms: Sequence[str]) -> Chart:
    """The difference of each arm from the ticket."""
    import pandas as pd

    outcome, scale = shown.outcome, float(shown.metric.shown(1.0))
    unit = "points" if shown.metric.is_fraction else shown.metric.unit
    title = f"{style.capital(shown.metric.words)} minus the {shown.label(outcome.main)}'s ({unit})".replace(" ()", "")
    order, bars = [style.capital(shown.label(arm)) for arm in arms], []
    for number in differences.rounds(outcome, arms):
        ticket, rows = statistics.at_round(outcome.table, outcome.main, number), []
        for arm, label in zip(arms, order, strict=True):
            row = statistics.at_round(outcome.table, arm, number)
            if row is not None and ticket is not None:
                found = outcome.difference(row, ticket)
                half, mean = scale * (found.half or 0.0), scale * found.mean
                rows.append(
                    {"label": label, "mean": mean, "low": mean - half, "high": mean + half, "open": int(row["censored"] > 0)}
                )
        density = "" if ticket is None else f"{percent(ticket['density'])}% of the weights"
        bars.append(Bars(Axis(title), pd.DataFrame(rows), order, density))
    is_open = any((outcome.rows(arm)["censored"] > 0).any() for arm in arms)
    return Chart(bars, f"{differences.NOTE} {differences.OPEN if is_open else ''}".strip(), width=400)


def costs(shown: Shown, details: Sequence[str]) -> Chart:
    """Tickets of several structures by what they cost; of the first experiment of the report."""
    name = next(iter(shown.outcomes))
    outcome, masks = shown.outcomes[name], measured.masks_of(shown.experiment(name))
    looks = style.looks([arm for arm in outcome.arms if arm in masks], shown.labels)
    scale, y = float(outcome.metric.shown(1.0)), stop_axes(outcome.metric)["value"][0]
    panels: list[Panel] = []
    tables: list[pd.DataFrame] = []
    for what in ("Multiplications", "Bytes of the weights"):
        placed = {arm: structures.cost(outcome, arm, *masks[arm], what == "Multiplications") for arm in looks}
        lines = [
            Line(look.label, look.colour, chart.points(placed[arm], "value", scale), look.marker, look.line)
            for arm, look in looks.items()
        ]
        shown_at = [float(x) for rows in placed.values() for x in rows["density"]]
        x = chart.density(shown_at, [1.0, *placed[next(iter(looks))]["density"]], 7, f"{what} (% of the dense network's)")
        panels.append(Panel(x, y, lines, [chart.dense_level(scale * float(outcome.dense["value_mean"]))]))
        tables = [rows for rows in placed.values() if len(rows)]
    marked = any((table["censored"] > 0).any() for table in tables)
    return Chart(chart.shared(panels), f"{axes.noted(tables)} {structures.NOTE}", marked)
