"""A chart as data: panels of lines over one axis. vega.py turns each panel into a Vega-Lite specification."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pipeline.figures import axes, style

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.results.metric import Metric

DASHES = {"-": (), "--": (6, 3), ":": (2, 3), "-.": (8, 3, 2, 3)}
SHAPES = {
    "o": "circle", "s": "square", "^": "triangle-up", "v": "triangle-down", "D": "diamond", "d": "diamond", "<": "triangle-left",
    ">": "triangle-right", "p": "cross", "P": "cross", "X": "cross", "": "circle",
}  # fmt: skip


@dataclass(frozen=True)
class Axis:
    """format: of numbers in tooltips, for d3. shown: a Vega expression of `value` where values are not shown as they are placed.

    kind: log is an axis of densities in logarithms, share one of other numbers.
    limits: the ends of the axis, which is cut there. from_zero: whether it begins at 0. bounds: what stands before an open value,
    which is a lower bound.
    """

    title: str
    format: str = ".3~f"
    kind: Literal["linear", "log", "share", "names"] = "linear"
    limits: tuple[float, float] | None = None
    ticks: Sequence[float] | None = None
    from_zero: bool = False
    shown: str = "value"
    names: Sequence[str] = ()
    bounds: str = ""


@dataclass(frozen=True)
class Line:
    """points: x, y, the band from low to high, whether y is a lower bound, and the round, which the slider finds it by."""

    label: str
    colour: str
    points: pd.DataFrame
    marker: str = ""
    dashes: str = "-"


@dataclass(frozen=True)
class Level:
    """A horizontal line through a panel."""

    label: str
    colour: str
    y: float
    dashes: str = "--"


@dataclass(frozen=True)
class Panel:
    """moves: whether the slider marks its round in it. only: whether it shows nothing but the slider's round and round 0.

    is_steps: lines are outlines of histograms.
    """

    x: Axis
    y: Axis
    lines: Sequence[Line]
    levels: Sequence[Level] = ()
    title: str = ""
    moves: bool = False
    only: bool = False
    is_steps: bool = False
    height: int = 250


@dataclass(frozen=True)
class Image:
    """How many of the surviving weights read each input. seed: None for the mean over the replicates."""

    round: int
    seed: int | None
    counts: Sequence[float]


@dataclass(frozen=True)
class Picture:
    """One image at a time. tops: for each round, the value of the lightest colour in the mean and in single replicates."""

    side: int
    images: Sequence[Image]
    tops: Sequence[tuple[float, float]]
    title: str = "Weights that read each pixel"
    height: int = 250

    @property
    def rounds(self) -> list[int]:
        return list(dict.fromkeys(image.round for image in self.images))

    @property
    def seeds(self) -> list[int]:
        """Those of single replicates, which the page offers beside the mean."""
        return list(dict.fromkeys(image.seed for image in self.images if image.seed is not None))


@dataclass(frozen=True)
class Bars:
    """Differences with intervals, one row for each arm."""

    x: Axis
    rows: pd.DataFrame  # label, mean, low, high, open
    order: Sequence[str]
    title: str = ""

    @property
    def height(self) -> int:
        return 22 * len(self.order) + 10


@dataclass(frozen=True)
class Chart:
    """note: the line below. marked: whether the key explains open markers. width: the least of a panel, in pixels."""

    panels: Sequence[Panel | Picture | Bars]
    note: str = ""
    marked: bool = False
    width: int = 300

    @property
    def keys(self) -> list[Line | Level]:
        """What the key explains, each look once; a line that has markers in one panel and none in another has them here."""
        found: dict[tuple[str, ...], Line | Level] = {}
        for panel in self.panels:
            if isinstance(panel, Panel):
                parts: list[Line | Level] = [*panel.lines, *panel.levels]
                for part in filter(lambda part: part.label, parts):
                    known = found.setdefault(look := (part.label, part.colour, part.dashes), part)
                    if isinstance(part, Line) and part.marker and not getattr(known, "marker", ""):
                        found[look] = part
        return list(found.values())


def points(rows: pd.DataFrame, measure: str = "value", scale: float = 1.0, x: str = "density") -> pd.DataFrame:
    """The points of a line from the rows of a summary: a measure's mean, smallest and largest."""
    found = rows[[x]].rename(columns={x: "x"}).assign(
        y=scale * rows[f"{measure}_mean"], low=scale * rows[f"{measure}_min"], high=scale * rows[f"{measure}_max"],
        open=(rows["censored"] > 0).astype(int) if "censored" in rows else 0,
        round=rows["round"].astype(int) if "round" in rows else -1,
    )  # fmt: skip
    return found.sort_values("x", kind="stable").reset_index(drop=True)


def density(shown: Iterable[float], labelled: Iterable[float], most: int = 7, title: str = axes.WEIGHTS) -> Axis:
    """From the densest to the sparsest of those shown, in logarithms, as in the figures."""
    densities = [*shown]
    limits = (max(1.0, *densities) * 1.08, min(*densities, 0.97) / 1.08)
    return Axis(title, ".3~f", "log", limits, axes.ticks(sorted({*labelled}, reverse=True), most))


def shared(panels: Sequence[Panel]) -> list[Panel]:
    """Panels of the same quantity with one vertical axis, as they have it in the figures."""
    values = [value for panel in panels for line in panel.lines for key in ("low", "high") for value in line.points[key]]
    values += [level.y for panel in panels for level in panel.levels]
    axis = panels[0].y
    if axis.kind == "share":
        positive = [value for value in values if value > 0] or [1.0]
        return _limited(panels, min(positive) / 1.1, max(positive) * 1.1)
    low, high = min([0.0] if axis.from_zero else values), max(values)
    margin = 0.04 * (high - low) or 1.0
    return _limited(panels, low if axis.from_zero else low - margin, high + margin)


def _limited(panels: Sequence[Panel], low: float, high: float) -> list[Panel]:
    return [replace(panel, y=replace(panel.y, limits=(low, high))) for panel in panels]


def metric(of: Metric, title: str) -> Axis:
    return Axis(title, ".2f" if of.is_fraction else ".4~g")


def stops() -> Axis:
    return Axis(axes.ITERATION, ",.0f", from_zero=True, bounds="≥ ")


def dense_level(y: float) -> Level:
    return Level("Dense network", style.GREY, y)
