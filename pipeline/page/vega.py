"""Panels as Vega-Lite specifications, made with Altair. Data are beside them, column by column, which takes half the space.

Colours are variables of the page's style, so that one drawing serves light, dark and paper.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.figures import style
from pipeline.page.chart import DASHES, SHAPES, Axis, Bars, Level, Panel, Picture

if TYPE_CHECKING:
    import pandas as pd

# The names of colours in style.css, which has another value for each in the dark.
COLOURS = {
    style.BLACK: "ink", style.GREY: "muted", style.BLUE: "blue", style.VERMILLION: "vermillion", style.GREEN: "green",
    style.PURPLE: "purple", style.ORANGE: "orange", style.SKY: "sky", style.WINE: "wine", style.OLIVE: "olive",
    **{colour: f"ramp{i}" for i, colour in enumerate(style.RAMP)},
}  # fmt: skip
ROUND = "round"  # the parameter that the slider sets
SEED = "seed"  # the one that chooses a replicate's mask; empty for the mean over all
ROWS = "rows"  # the name of the data
DIGITS = 6  # significant digits of a number on the page
PERCENT = "({0} >= 99.95 ? '100' : format({0}, {0} >= 1 ? '.1f' : '.2~r'))"  # as statistics.percent


@dataclass(frozen=True)
class Drawn:
    """data: the columns of the rows, by name."""

    spec: Mapping[str, Any]
    data: Mapping[str, Sequence[Any]]
    alt: str


def colour(name: str) -> str:
    return f"var(--{COLOURS[name]})" if name in COLOURS else name


def drawn(part: Panel | Picture | Bars) -> Drawn:
    """One panel; `width: container` lets the page give it its width.

    Altair would check every part of a specification against its schema, which takes ten times as long; a test does.
    """
    from altair.utils.schemapi import debug_mode

    with debug_mode(False):
        if isinstance(part, Panel):
            return _panel(part)
        return _picture(part) if isinstance(part, Picture) else _bars(part)


# --- Lines


def _panel(panel: Panel) -> Drawn:
    import pandas as pd

    tables = [line.points.assign(line=i) for i, line in enumerate(panel.lines) if len(line.points)]
    rows = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"x": [], "y": [], "line": []})
    labels = dict.fromkeys(line.label for line in panel.lines)
    described = f"{panel.title + ': ' if panel.title else ''}{panel.y.title} against {panel.x.title}; lines: {', '.join(labels)}."
    return Drawn(_lines(panel, rows), _columns(rows), " ".join(described.split()))


def _lines(panel: Panel, rows: pd.DataFrame) -> dict[str, Any]:
    import altair as alt

    lines = panel.lines  # which two labels of the user's may have in common, so that their numbers tell them apart
    x, y = _channel(alt.X, "x", panel.x, "bottom"), _channel(alt.Y, "y", panel.y, "left")
    base = alt.Chart(alt.NamedData(ROWS))
    if panel.only:
        base = base.transform_filter(f"datum.round == 0 || datum.round == {ROUND}")
    coloured = base.encode(x=x, color=_by_line(alt.Color, [colour(line.colour) for line in lines]))
    dashes = _by_line(alt.StrokeDash, [[*DASHES[line.dashes]] for line in lines])
    shapes = _by_line(alt.Shape, [SHAPES[line.marker] for line in lines])
    how: dict[str, Any] = {"interpolate": "step" if panel.is_steps else "linear", "clip": True}
    layers: list[Any] = [_level(level) for level in panel.levels]
    if "low" in rows and (rows["high"] > rows["low"]).any():
        # As a string and not a column of its own: `y` gives both their axis.
        layers.append(coloured.mark_area(opacity=0.16, aria=False, **how).encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q")))
        single = coloured.transform_joinaggregate(n="count()", groupby=["line"]).transform_filter("datum.n == 1")
        layers.append(single.mark_rule(opacity=0.4, strokeWidth=4, aria=False).encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q")))
    layers.append(coloured.mark_line(strokeWidth=1.8, aria=False, **how).encode(y=y, strokeDash=dashes))
    has_open = "open" in rows and bool(rows["open"].any())
    marked = [i for i, line in enumerate(lines) if line.marker]
    if marked:
        dots = coloured.transform_filter(alt.FieldOneOfPredicate(field="line", oneOf=marked)).encode(y=y, shape=shapes)
        layers.append(dots.transform_filter("!datum.open").mark_point(filled=True, size=34, opacity=1, clip=True))
        if has_open:
            hollow = dots.transform_filter("datum.open").mark_point(size=34, strokeWidth=1.6, opacity=1, clip=True)
            layers.append(hollow.encode(fill=alt.value("var(--paper)")))
    if panel.moves:
        layers += _moving(base, coloured, x, y, has_open)
    layers.append(_hover(base, panel, x, y, "low" in rows))
    return _finished(alt.layer(*layers), panel.title, panel.height, panel.moves or panel.only)


def _moving(base: Any, coloured: Any, x: Any, y: Any, has_open: bool) -> list[Any]:
    """What the slider moves: a line at its round, and the points of that round, larger."""
    import altair as alt

    at = f"datum.round == {ROUND}"
    rule = base.transform_filter(at).transform_aggregate(x="min(x)").mark_rule(strokeWidth=1, opacity=0.7, clip=True)
    points = coloured.transform_filter(at).encode(y=y)
    filled = points.transform_filter("!datum.open").mark_point(filled=True, size=110, opacity=0.9, clip=True)
    hollow = points.transform_filter("datum.open").mark_point(size=110, strokeWidth=1.8, opacity=1, clip=True)
    layers = [rule.encode(x=x), filled.properties(name="at")]
    return [*layers, hollow.encode(fill=alt.value("var(--paper)"))] if has_open else layers


def _hover(base: Any, panel: Panel, x: Any, y: Any, has_band: bool) -> Any:
    """Points that nobody sees and that tell their values."""
    import altair as alt

    shown = panel.x.shown.replace("value", "datum.x")
    text = PERCENT.format("(100 * datum.x)") if panel.x.kind == "log" else f"format({shown}, '{panel.x.format}')"
    labels = json.dumps([line.label for line in panel.lines])  # here and not in every row, where they would be half of the data
    values = {"label": f"{labels}[datum.line]", "at": "datum.x + ''" if panel.x.kind == "names" else text}
    values["is"] = f"format({panel.y.shown.replace('value', 'datum.y')}, '{panel.y.format}')"
    if panel.y.bounds:
        values["is"] = f"(datum.open ? '{panel.y.bounds}' : '') + {values['is']}"
    told = [alt.Tooltip("label:N", title="Line"), _told("at", panel.x.title), _told("is", panel.y.title)]
    if has_band:
        ends = [f"format({panel.y.shown.replace('value', f'datum.{end}')}, '{panel.y.format}')" for end in ("low", "high")]
        values["range"] = " + ' to ' + ".join(ends)
        told.append(_told("range", "Range"))
    points = base.transform_calculate(**values).mark_point(filled=True, size=160, opacity=0, clip=True, aria=False)
    return points.encode(x=x, y=y, tooltip=told)


def _told(name: str, title: str) -> Any:
    import altair as alt

    return alt.Tooltip(f"{name}:N", title=" ".join(title.split()))


def _by_line(channel: Any, values: Sequence[Any]) -> Any:
    import altair as alt

    return channel("line:N", scale=alt.Scale(domain=[*range(len(values))], range=[*values]), legend=None)


def _level(level: Level) -> Any:
    import altair as alt

    drawn = alt.Chart(alt.InlineData(values=[{"y": _rounded(level.y)}])).mark_rule(
        color=colour(level.colour), strokeDash=[*DASHES[level.dashes]], strokeWidth=1.2, clip=True
    )
    return drawn.encode(y="y:Q")


def _channel(channel: Any, name: str, axis: Axis, orient: str) -> Any:
    import altair as alt

    if axis.kind == "names":
        return channel(f"{name}:N", title=axis.title, sort=[*axis.names], scale=alt.Scale(type="point", padding=0.3),
                       axis=alt.Axis(labelAngle=0))  # fmt: skip
    scale: dict[str, Any] = {"zero": axis.from_zero, "nice": axis.limits is None}
    if axis.kind in ("log", "share"):
        scale = {"type": "log", "nice": False}
    if axis.limits:
        scale["domain"] = [_rounded(v) for v in axis.limits]
    label = PERCENT.format("(100 * datum.value)") if axis.kind == "log" else f"format({axis.shown}, '{_short(axis.format)}')"
    more = {"values": [_rounded(v) for v in axis.ticks]} if axis.ticks is not None else {"tickCount": 6}
    expression = label if axis.kind == "log" else label.replace("value", "datum.value")
    return channel(
        f"{name}:Q", title=axis.title.split("\n"), scale=alt.Scale(**scale),
        axis=alt.Axis(labelExpr=expression, orient=orient, **more),  # type: ignore[arg-type]
    )  # fmt: skip


def _short(format: str) -> str:
    """Of an axis' labels, which need no zeros at their ends."""
    return ",.6~f" if format == ",.0f" else ".4~r"


# --- Pictures and intervals


def _picture(picture: Picture) -> Drawn:
    import altair as alt

    side = picture.side
    tops = [[_rounded(top) for top in both] for both in picture.tops]
    chosen = f"datum.round == {ROUND} && datum.seed == {SEED}"
    base = alt.Chart(alt.NamedData(ROWS)).transform_filter(chosen).transform_flatten(["count"])
    placed = base.transform_window(place="row_number()").transform_calculate(
        x=f"(datum.place - 1) % {side}", y=f"floor((datum.place - 1) / {side})"
    )
    legend = alt.Legend(title=None, gradientLength=picture.height - 10, format=".3~s")
    top = f"({tops}[indexof({picture.rounds}, {ROUND})] || [1, 1])[{SEED} == '' ? 0 : 1]"  # round 0 has no image
    scale = alt.Scale(scheme="magma", domain=[0, alt.ExprRef(top)], clamp=True)
    drawn = placed.mark_rect(aria=False).encode(
        x=alt.X("x:O", axis=None, scale=alt.Scale(padding=0)), y=alt.Y("y:O", axis=None, scale=alt.Scale(padding=0)),
        color=alt.Color("count:Q", scale=scale, legend=legend),
        tooltip=[_told("y", "Row"), _told("x", "Column"), alt.Tooltip("count:Q", title="Weights", format=".1~f")],
    )  # fmt: skip
    spec = _finished(drawn, picture.title, picture.height, True) | {"width": picture.height}
    spec["params"] += [alt.VariableParameter(name=SEED, value="").to_dict(validate=False)]
    data: dict[str, list[Any]] = {
        "round": [image.round for image in picture.images],
        "seed": ["" if image.seed is None else str(image.seed) for image in picture.images],
        "count": [[_rounded(value, 3) for value in image.counts] for image in picture.images],
    }
    return Drawn(spec, data, f"{picture.title}, as an image of {side} by {side} pixels.")


def _bars(bars: Bars) -> Drawn:
    import altair as alt

    base = alt.Chart(alt.NamedData(ROWS))
    y = alt.Y("label:N", title=None, sort=[*bars.order], axis=alt.Axis(labelLimit=260, grid=False))
    x = alt.X("mean:Q", title=bars.x.title, scale=alt.Scale(zero=True))
    told = [alt.Tooltip("label:N", title="Arm"), *(alt.Tooltip(f"{n}:Q", format="+.3~f") for n in ("mean", "low", "high"))]
    zero = alt.Chart(alt.InlineData(values=[{"x": 0}])).mark_rule(color=colour(style.BLUE)).encode(x="x:Q")
    ends = base.mark_rule(color=colour(style.BLACK), strokeWidth=1.4).encode(x=alt.X("low:Q"), x2="high:Q", y=y)
    dots = base.mark_point(filled=True, size=50, opacity=1, color=colour(style.BLACK)).encode(x=x, y=y, tooltip=told)
    hollow = base.transform_filter("datum.open").mark_point(filled=True, size=18, opacity=1, color="var(--paper)")
    spec = _finished(alt.layer(zero, ends, dots, hollow.encode(x=x, y=y)), bars.title, bars.height, False)
    return Drawn(spec, _columns(bars.rows), f"{bars.title}: {bars.x.title}, with 95% intervals.")


# --- What they have in common


def _finished(drawn: Any, title: str, height: int, has_round: bool) -> dict[str, Any]:
    import altair as alt

    chart = drawn.properties(width="container", height=height)
    if title:
        chart = chart.properties(title=title)
    found: dict[str, Any] = chart.to_dict(validate=False)
    if has_round:
        found["params"] = [alt.VariableParameter(name=ROUND, value=0).to_dict(validate=False)]
    return {key: value for key, value in found.items() if key not in ("config", "$schema")}


def _columns(rows: pd.DataFrame) -> dict[str, list[Any]]:
    return {str(name): [_rounded(value) for value in rows[name].tolist()] for name in rows}


def _rounded(value: Any, digits: int = DIGITS) -> Any:
    """Six digits are more than a screen shows. A whole number is written without a point."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):  # which JSON has no words for
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded
